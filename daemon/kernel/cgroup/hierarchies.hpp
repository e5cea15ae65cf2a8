#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sovirt {

// One mounted cgroup hierarchy, as /proc/self/mountinfo and /proc/self/cgroup tell of it.
struct CgroupHierarchy {
  int version = 0;                       // 1 or 2
  std::vector<std::string> controllers;  // v1: {"cpu","cpuacct"} or {"name=systemd"}; v2: empty, the kernel's file tells
  std::string mount;                     // "/sys/fs/cgroup/cpu"
  std::string root = "/";                // the group within the hierarchy that is mounted there; not "/" in many containers
  std::string self = "/";                // the group this process is in
  bool writable = true;
};

// A line of /proc/cgroups. Since Linux 6.13 the file may leave out what has no v1 form, so absence says nothing.
struct KernelController {
  std::string name;
  int hierarchy = 0;                     // 0: on no v1 hierarchy
  bool enabled = false;                  // false: cgroup_disable= on the kernel's command line
};

// Every hierarchy once (of several mounts of one, the writable one nearest to its root), v2 last. Pure.
std::vector<CgroupHierarchy> parse_hierarchies(std::string_view mountinfo, std::string_view self_cgroup);
std::vector<KernelController> parse_controllers(std::string_view proc_cgroups);
// The same from this process's /proc.
std::vector<CgroupHierarchy> find_hierarchies();

// Where `parent` of a daemon lies below the hierarchy's mount point: "" for the mount point itself, never a leading
// slash. An absolute parent is a path of the hierarchy, from which the part above the mounted root is taken off;
// a relative one starts at the group this process is in.
std::string parent_below_mount(const CgroupHierarchy&, std::string_view parent);

// The controllers sovirt takes from v2 where the host offers them there.
const std::vector<std::string>& wanted_v2_controllers();

std::vector<std::string> split_words(std::string_view text, char separator = ' ');  // no empty ones; ends of line separate too

}  // namespace sovirt
