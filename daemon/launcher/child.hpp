#pragma once
#include <cstdint>

#include "daemon/launcher/plan.hpp"

namespace sovirt::launch::child {

struct InitInput {
  const Plan& plan;
  int channel = -1, rootfs = -1;
  int mapped = -1;           // with a user namespace: readable when its id maps are written
};
// A container's first process, straight out of clone3.
[[noreturn]] void run_init(const InitInput&) noexcept;

struct ExecInput {
  const ProcessPlan& process;
  int channel = -1, init = -1;   // init: a pidfd
  int root = -1;                 // O_PATH of the root of init
  std::uint64_t namespaces = 0;  // to enter; the pid namespace is that of the clone already
  int stdio[3] = {-1, -1, -1};   // none where the process has a terminal of its own
};
[[noreturn]] void run_exec(const ExecInput&) noexcept;

}  // namespace sovirt::launch::child
