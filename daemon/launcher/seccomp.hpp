#pragma once
#include <linux/filter.h>

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace sovirt::launch {

// `linux.seccomp` of config.json as a program of seccomp(2). What is understood: SCMP_ACT_ALLOW as the default and
// rules of names with SCMP_ACT_ERRNO. Names that this architecture lacks are ignored, as the specification has it; so
// is a 32-bit call of another name than those here refused as well. Empty: nothing to filter.
// Throws Error{invalid} for anything else: a filter is never left out quietly.
std::vector<sock_filter> compile_seccomp(const nlohmann::json& seccomp);

}  // namespace sovirt::launch
