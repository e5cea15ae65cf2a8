#include "daemon/store/state_lock.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

std::string holder_of(int file) {
  std::array<char, 24> text{};
  const auto count = ::pread(file, text.data(), text.size() - 1, 0);
  std::string pid;
  for (ssize_t i = 0; i < count && text[static_cast<std::size_t>(i)] >= '0' && text[static_cast<std::size_t>(i)] <= '9'; ++i)
    pid += text[static_cast<std::size_t>(i)];
  return pid.empty() ? "" : " (pid " + pid + ")";
}

// One that is ending keeps the lock for a moment: until it is gone, or, if it was killed, until the child it was just
// making has closed its copy of the descriptor by exec.
constexpr std::chrono::milliseconds patience{1000}, pause{10};

bool lock(int file) {
  for (auto waited = std::chrono::milliseconds{0};; waited += pause) {
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK || waited >= patience) return false;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

StateLock::StateLock(const std::string& directory) {
  const auto path = directory + "/lock";
  file_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file_) throw errno_error("open", path);
  if (!lock(file_.get())) {
    if (errno != EWOULDBLOCK) throw errno_error("flock", path);
    throw Error{Code::conflict, "another sovirtd" + holder_of(file_.get()) + " uses the state directory " + directory}
        .with_hint("stop it first, or give this one a directory of its own with --state-dir");
  }
  const auto pid = std::to_string(::getpid()) + "\n";
  // For the message above only; the lock is the kernel's.
  if (::ftruncate(file_.get(), 0) != 0 || ::pwrite(file_.get(), pid.data(), pid.size(), 0) < 0) throw errno_error("write", path);
}

}  // namespace sovirt
