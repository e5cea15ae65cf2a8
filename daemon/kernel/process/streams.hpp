#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::process {

struct Pipe { unique_fd read, write; };
Pipe make_pipe();                                  // throws Error
void set_nonblocking(const unique_fd& fd);         // throws Error
unique_fd memory_file(const std::string& text);    // a process.json to be handed over; throws Error

}  // namespace sovirt::process
