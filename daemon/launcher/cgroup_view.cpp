#include "daemon/launcher/cgroup_view.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "daemon/launcher/process_file.hpp"

namespace sovirt::launch {
namespace {

struct MountLine {
  int id = 0;
  std::string_view point, type, options;   // options: of the super block
};

std::string_view next_word(std::string_view& rest) {
  const auto end = rest.find(' ');
  const auto word = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return word;
}

// proc_pid_mountinfo(5): id parent dev root point options [optional…] - type source super-options
MountLine parse_line(std::string_view line) {
  MountLine mount;
  const auto dash = line.find(" - ");
  if (dash == std::string_view::npos) return mount;
  std::string_view head = line.substr(0, dash), tail = line.substr(dash + 3);
  mount.id = std::atoi(std::string{next_word(head)}.c_str());
  for (int skipped = 0; skipped < 3; ++skipped) next_word(head);
  mount.point = next_word(head);
  mount.type = next_word(tail);
  next_word(tail);
  mount.options = tail;
  return mount;
}

template <class Visit>
void each_mount(const Visit& visit) {
  const std::string text = read_text("/proc/self/mountinfo");
  for (std::string_view rest = text; !rest.empty();) {
    const auto end = rest.find('\n');
    visit(parse_line(rest.substr(0, end)));
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(by, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// What must be said again to mount the same hierarchy: its controllers or its name.
std::string selecting_options(std::string_view options) {
  std::string data;
  for (const std::string& option : split(options, ',')) {
    const bool generic = option == "rw" || option == "ro" || option == "xattr" || option == "noprefix" ||
                         option == "clone_children" || option == "cpuset_v2_mode" || option.starts_with("release_agent=");
    if (generic) continue;
    if (option.starts_with("name=")) data += "none,";
    data += option + ",";
  }
  if (!data.empty()) data.pop_back();
  return data;
}

}  // namespace

CgroupView read_cgroup_view() {
  CgroupView view;
  each_mount([&](const MountLine& mount) {
    if (!mount.point.starts_with("/sys/fs/cgroup/")) return;
    const std::string folder{mount.point.substr(15)};
    if (folder.find('/') != std::string::npos) return;
    if (mount.type == "cgroup2") view.unified = true;
    if (mount.type != "cgroup") return;
    CgroupHierarchy hierarchy{folder, selecting_options(mount.options), {}};
    if (folder.find(',') != std::string::npos) hierarchy.aliases = split(folder, ',');
    view.v1.push_back(std::move(hierarchy));
  });
  return view;
}

bool is_systemd_hierarchy(int fd) {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  const std::string info = read_text(path);
  const auto at = info.find("mnt_id:");
  if (at == std::string::npos) return false;
  const int id = std::atoi(info.c_str() + at + 7);
  bool systemd = false;
  each_mount([&](const MountLine& mount) {
    if (mount.id == id && mount.type == "cgroup") systemd = mount.options.find("name=systemd") != std::string_view::npos;
  });
  return systemd;
}

}  // namespace sovirt::launch
