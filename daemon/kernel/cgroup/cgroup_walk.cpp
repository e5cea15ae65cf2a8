#include "daemon/kernel/cgroup/cgroup_walk.hpp"

#include <cerrno>
#include <charconv>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"

namespace sovirt {
namespace {

struct Level {
  std::string name;
  std::vector<std::string> children;  // still to be visited
};

// cgroup.procs can be any length; EOPNOTSUPP is a threaded group, whose processes its domain above lists.
std::string read_procs(int group) {
  try {
    return read_text_at(group, "cgroup.procs").value_or("");
  } catch (const Error& error) {
    if (error.error_number() != EOPNOTSUPP) throw;
    return {};
  }
}

}  // namespace

void walk_groups(unique_fd top, const CgroupVisit& visit) {
  std::vector<Level> levels;
  unique_fd current = std::move(top);
  if (visit.enter) visit.enter(current.get());
  levels.push_back({"", child_directories(current.get())});
  while (!levels.empty()) {
    if (!levels.back().children.empty()) {
      std::string name = std::move(levels.back().children.back());
      levels.back().children.pop_back();
      auto below = open_directory_at(current.get(), name.c_str());
      if (!below) continue;
      current = std::move(*below);
      if (visit.enter) visit.enter(current.get());
      levels.push_back({std::move(name), child_directories(current.get())});
      continue;
    }
    const std::string name = std::move(levels.back().name);
    levels.pop_back();
    if (levels.empty()) return;
    auto above = open_directory_at(current.get(), "..");
    if (!above) return;  // the whole tree is gone
    current = std::move(*above);
    if (visit.leave) visit.leave(current.get(), name);
  }
}

void collect_processes(unique_fd group, std::set<pid_t>& into) {
  walk_groups(std::move(group), {[&](int directory) {
                const std::string text = read_procs(directory);
                const char* at = text.data();
                const char* const end = at + text.size();
                while (at < end) {
                  pid_t pid = 0;
                  const auto [next, error] = std::from_chars(at, end, pid);
                  if (error == std::errc{} && pid > 0) into.insert(pid);
                  at = next + 1;
                }
              },
              {}});
}

}  // namespace sovirt
