#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace sovirt {

// A list of CPUs or memory nodes as cpuset(7) writes it, "0-3,6". nullopt: not such a list (empty, "3-1", a space or a
// line end in it, a number beyond what any kernel has).
std::optional<std::set<unsigned>> parse_cpu_list(std::string_view text);
std::string cpu_list_text(const std::set<unsigned>&);   // the shortest form, as the kernel shows it

}  // namespace sovirt
