#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace sovirt::helper {

struct ProgramResult {
  int status = 0;            // exit status; 128 + signal where a signal ended it
  std::string output, error_output;
};

// Runs a program of the host to its end, in the namespaces of the calling thread, with `input` as its standard input and
// an environment of PATH and LC_ALL=C. Killed behind the time limit: Error{timed_out}. Cannot be started: Error with the
// errno of posix_spawn. Output beyond 8 MiB is cut off. Source: posix_spawn(3).
ProgramResult run_program(const std::vector<std::string>& command, std::string_view input, std::chrono::milliseconds limit);

// Where a program lies in the usual directories of system programs, "" if nowhere.
std::string find_program(std::string_view name);

}  // namespace sovirt::helper
