#include "api/file_path.hpp"

#include <algorithm>

#include "daemon/base/error.hpp"

namespace sovirt {

void check_file_path(const std::string& path) {
  const auto refuse = [](const char* why) { throw Error{Code::bad_query, std::string{"path "} + why}; };
  if (!path.starts_with('/')) refuse("must be absolute, such as /etc/hosts");
  if (path.size() >= 4096) refuse("is longer than a path can be");
  if (path.find('\0') != std::string::npos) refuse("cannot hold NUL");
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    if (path.compare(begin, end - begin, "..") == 0 && end - begin == 2) refuse("cannot hold \"..\"");
    begin = end + 1;
  }
}

}  // namespace sovirt
