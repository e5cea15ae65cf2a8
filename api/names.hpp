#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sovirt {

enum class Kind { bridge, container, image, cgroup, volume, netns, link };
const std::vector<Kind>& all_kinds();

std::string_view kind_text(Kind) noexcept;      // "bridge"
std::string_view kind_plural(Kind) noexcept;    // "bridges", the path segment
std::size_t longest_name(Kind) noexcept;        // bytes
bool kind_from_plural(std::string_view, Kind& out) noexcept;
bool kind_from_text(std::string_view, Kind& out) noexcept;

// ^[a-z][a-z0-9-]{0,62}$ ; at most 15 bytes where the name is that of an interface (bridge).
// Throws Error{bad_name} that says which rule is broken.
void check_name(Kind, std::string_view name);
bool valid_name(std::string_view name, size_t longest = 63) noexcept;

// What the kernel takes for a link (dev_valid_name), less the names that mean something else to it or to its tools.
bool valid_interface_name(std::string_view) noexcept;
// RFC 1123: dot-separated labels of letters, digits and inner hyphens.
bool valid_domain(std::string_view) noexcept;

// "container/web", as conflicts_with and logs show objects.
std::string object_ref(Kind, std::string_view name);

}  // namespace sovirt
