#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sovirt::client {

// RFC 3986: everything but unreserved characters becomes %XX. "." and ".." whole are encoded too,
// because programs on the way would otherwise resolve them.
std::string percent_encode(std::string_view part);

// {"v1","bridges","br0"} -> "/v1/bridges/br0"
std::string path_of(std::initializer_list<std::string_view> parts);

using Query = std::vector<std::pair<std::string, std::string>>;
std::string with_query(std::string target, const Query&);  // appends ?a=b&c=d, or &… if there is a query already

// One word for a POSIX shell, quoted only where it must be.
std::string shell_quote(std::string_view word);

}  // namespace sovirt::client
