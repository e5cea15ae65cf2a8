#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sovirt::image {

// From the ELF header of the first of the usual programs, or of `others`, that is there: "amd64"; "unknown".
std::string architecture_of(int root, const std::vector<std::string>& others);
// PRETTY_NAME of os-release(5), "unknown".
std::string os_of(int root);
std::string pretty_name(std::string_view os_release);

}  // namespace sovirt::image
