#pragma once
#include <chrono>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/kernel/helper/run_program.hpp"

namespace sovirt {

// What the script prints; throws Error with what it said where it fails. The hands of a test beside our own code.
inline std::string shell(const std::string& script) {
  const auto result = helper::run_program({"/bin/sh", "-ec", script}, "", std::chrono::seconds{20});
  if (result.status != 0) throw Error{Code::internal, script + ": " + result.error_output};
  return result.output;
}

}  // namespace sovirt
