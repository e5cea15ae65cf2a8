#pragma once
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace sovirt::ctl {

// YAML 1.2 in block style that YAML 1.1 readers understand alike: whatever could be read as something
// else than the string it is gets double quotes.
std::string write_yaml(const nlohmann::json&);

}  // namespace sovirt::ctl
