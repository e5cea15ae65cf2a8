#include "daemon/kernel/cgroup/hierarchies.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "daemon/kernel/cgroup/cgroup_files.hpp"

namespace sovirt {
namespace {

std::string_view next_line(std::string_view& text) {
  const auto end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// proc(5): space, tab, newline and backslash are written as three octal digits.
std::string unescape(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    unsigned value = 0;
    if (field[i] == '\\' && i + 3 < field.size() &&
        std::from_chars(field.data() + i + 1, field.data() + i + 4, value, 8).ptr == field.data() + i + 4) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

// Super block options that are not controllers. "name=" is one: it names a hierarchy without controllers.
bool is_controller(std::string_view option) {
  static constexpr std::string_view others[] = {"rw", "ro", "none", "all", "xattr", "noprefix", "clone_children",
                                                "cpuset_v2_mode", "favordynmods", "nofavordynmods", "seclabel"};
  if (std::find(std::begin(others), std::end(others), option) != std::end(others)) return false;
  return option.starts_with("name=") || option.find('=') == std::string_view::npos;
}

// 36 35 98:0 /root /mount/point rw,noatime optional:1 - cgroup cgroup rw,cpu,cpuacct
std::optional<CgroupHierarchy> parse_mount(std::string_view line) {
  const auto fields = split_words(line);
  const auto dash = std::find(fields.begin(), fields.end(), "-");
  if (dash - fields.begin() < 6 || fields.end() - dash < 4) return std::nullopt;
  const std::string& type = dash[1];
  if (type != "cgroup" && type != "cgroup2") return std::nullopt;
  CgroupHierarchy found;
  found.version = type == "cgroup2" ? 2 : 1;
  found.root = unescape(fields[3]);
  found.mount = unescape(fields[4]);
  const auto mount_options = split_words(fields[5], ',');
  const auto super_options = split_words(dash[3], ',');
  for (const auto* options : {&mount_options, &super_options})
    if (std::find(options->begin(), options->end(), "ro") != options->end()) found.writable = false;
  if (found.version == 1)
    std::copy_if(super_options.begin(), super_options.end(), std::back_inserter(found.controllers), is_controller);
  return found;
}

// 4:memory:/some/group; v2 is 0::/some/group
void fill_self(std::vector<CgroupHierarchy>& hierarchies, std::string_view self_cgroup) {
  while (!self_cgroup.empty()) {
    const std::string_view line = next_line(self_cgroup);
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = split_words(line.substr(first + 1, second - first - 1), ',');
    for (CgroupHierarchy& hierarchy : hierarchies) {
      const bool same = hierarchy.version == 2 ? controllers.empty() && line.starts_with("0:")
                                               : !controllers.empty() && hierarchy.controllers == controllers;
      if (same) hierarchy.self = line.substr(second + 1);
    }
  }
}

bool better(const CgroupHierarchy& a, const CgroupHierarchy& b) {
  if (a.writable != b.writable) return a.writable;
  return a.root.size() < b.root.size();
}

}  // namespace

std::vector<std::string> split_words(std::string_view text, char separator) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c == separator || c == '\n') {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word += c;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::vector<CgroupHierarchy> parse_hierarchies(std::string_view mountinfo, std::string_view self_cgroup) {
  std::vector<CgroupHierarchy> all;
  while (!mountinfo.empty()) {
    auto found = parse_mount(next_line(mountinfo));
    if (!found) continue;
    const auto same = std::find_if(all.begin(), all.end(), [&](const CgroupHierarchy& other) {
      return other.version == found->version && other.controllers == found->controllers;
    });
    if (same == all.end())
      all.push_back(std::move(*found));
    else if (better(*found, *same))
      *same = std::move(*found);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.version < b.version; });
  fill_self(all, self_cgroup);
  return all;
}

std::vector<KernelController> parse_controllers(std::string_view proc_cgroups) {
  std::vector<KernelController> all;
  while (!proc_cgroups.empty()) {
    std::string line{next_line(proc_cgroups)};
    std::replace(line.begin(), line.end(), '\t', ' ');
    const auto fields = split_words(line);
    if (fields.size() < 4 || fields[0].starts_with("#")) continue;
    KernelController controller{fields[0], 0, fields[3] == "1"};
    std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), controller.hierarchy);
    all.push_back(std::move(controller));
  }
  return all;
}

std::vector<CgroupHierarchy> find_hierarchies() {
  return parse_hierarchies(read_text_at(AT_FDCWD, "/proc/self/mountinfo").value_or(""),
                           read_text_at(AT_FDCWD, "/proc/self/cgroup").value_or(""));
}

std::string parent_below_mount(const CgroupHierarchy& hierarchy, std::string_view parent) {
  std::string whole = parent.starts_with('/') ? std::string{parent} : hierarchy.self + "/" + std::string{parent};
  const std::string& root = hierarchy.root;
  const bool below = root.size() > 1 && whole.starts_with(root) && (whole.size() == root.size() || whole[root.size()] == '/');
  if (below) whole.erase(0, root.size());
  std::string out;
  for (const std::string& part : split_words(whole, '/'))
    if (part != ".") out += (out.empty() ? "" : "/") + part;
  return out;
}

const std::vector<std::string>& wanted_v2_controllers() {
  static const std::vector<std::string> wanted{"cpu", "memory", "pids", "io", "cpuset"};
  return wanted;
}

}  // namespace sovirt
