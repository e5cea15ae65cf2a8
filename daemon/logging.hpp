#pragma once
#include <memory>
#include <string>

#include "daemon/base/log.hpp"

namespace sovirt {

// To the journal with each field as SOVIRT_<NAME> where systemd reads our stderr, to stderr as
// `time level message key=value …` otherwise. `level`: debug, info, warning, error.
std::unique_ptr<Log> make_log(const std::string& level);

}  // namespace sovirt
