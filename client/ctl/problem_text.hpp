#pragma once
#include <exception>
#include <string>

#include "client/ctl/terminal.hpp"
#include "daemon/base/error.hpp"

namespace sovirt::ctl {

// Exit statuses, by kind of problem. Documented in --help and the man page: never renumbered.
enum class Exit {
  ok = 0, failed = 1, usage = 2, not_found = 3, conflict = 4, invalid = 5, forbidden = 6, unsupported = 7,
  unavailable = 8, ended_early = 9, interrupted = 130,
};

Exit exit_of(Code) noexcept;

// How a failure reads on stderr, and the exit status it leads to.
struct Failure {
  std::string text;  // lines, each with a newline
  Exit status = Exit::failed;
};
Failure describe(const Error&, const std::string& request_id, bool colour);
Failure describe(const std::exception&, bool colour);  // any exception of the client

}  // namespace sovirt::ctl
