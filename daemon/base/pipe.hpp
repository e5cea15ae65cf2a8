#pragma once
#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// Both ends close-on-exec.
struct Pipe { unique_fd read, write; };
Pipe make_pipe();                             // throws Error
void set_nonblocking(const unique_fd& fd);    // throws Error

}  // namespace sovirt
