#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/image/progress_meter.hpp"

namespace sovirt::image {

struct BoxedCommand {
  std::vector<std::string> arguments;   // the first is the absolute path of the program
  std::vector<std::string> environment; // "NAME=value"
};

// Runs a program in a process and mount namespace of its own, as their first process: when it ends, is cancelled, or this
// daemon dies, the kernel ends all of its descendants and drops their mounts, and the host's mount table never sees one.
// Its output and error lines go to `line`. Blocks; returns the wait status. Throws Error; Error{cancelled} on stop.
// The calling thread must live as long as the program: the kernel ties the parent's death signal to it.
int run_boxed(const BoxedCommand&, const ProgressMeter&, const std::function<void(std::string_view)>& line);

}  // namespace sovirt::image
