#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::process {

unique_fd memory_file(const std::string& text);   // a process.json to be handed over; throws Error

}  // namespace sovirt::process
