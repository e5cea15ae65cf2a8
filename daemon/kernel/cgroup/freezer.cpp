#include "daemon/kernel/cgroup/freezer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""us;

Error too_slow(bool frozen) {
  return Error{Code::timed_out, frozen ? "a process of the group does not freeze (it waits in the kernel)"
                                       : "the group stays frozen (a group above it is frozen too)"};
}

}  // namespace

void set_frozen_v1(int group, bool frozen, const Deadline& deadline) {
  const char* const wanted = frozen ? "FROZEN" : "THAWED";
  write_text_at(group, "freezer.state", wanted);
  // v1 tells nobody when it is done; reading the state (FREEZING until then) is the only way to know.
  for (auto pause = 50us;; pause = std::min(pause * 2, 5000us)) {
    const auto state = read_text_at(group, "freezer.state");
    if (!state || state->starts_with(wanted)) return;
    if (deadline.sleep(pause)) continue;
    if (frozen) write_text_at(group, "freezer.state", "THAWED");
    throw too_slow(frozen);
  }
}

bool is_frozen(int group) {
  const auto v2 = read_number_at(group, "cgroup.freeze");
  return v2 ? *v2 == 1 : read_number_at(group, "freezer.self_freezing") == 1;
}

void set_frozen_v2(int group, bool frozen, const Deadline& deadline) {
  const int number = try_write_at(group, "cgroup.freeze", frozen ? "1" : "0");
  if (number == ENOENT) throw Error{Code::unsupported, "this kernel has no cgroup freezer (v1 freezer or cgroup.freeze)"};
  if (number != 0) throw errno_error(number, "write", "cgroup.freeze");
  if (wait_for_event(group, frozen ? "frozen 1" : "frozen 0", deadline)) return;
  if (frozen) write_text_at(group, "cgroup.freeze", "0");
  throw too_slow(frozen);
}

}  // namespace sovirt
