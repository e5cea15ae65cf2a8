#pragma once
#include <string>

namespace sovirt {

// Throws Error{bad_query} unless it can be the path of a file in a container: absolute, without `..` and NUL, and
// shorter than PATH_MAX.
void check_file_path(const std::string& path);

}  // namespace sovirt
