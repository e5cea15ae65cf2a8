#include "tests/contract/cgroup/real_trees.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>

namespace sovirt::test {
namespace {

constexpr std::string_view prefix = "sovirt-ct";  // then PID-NUMBER

bool is_stale(std::string_view directory) {
  if (!directory.starts_with(prefix)) return false;
  pid_t pid = 0;
  std::from_chars(directory.data() + prefix.size(), directory.data() + directory.size(), pid);
  return pid > 0 && ::kill(pid, 0) != 0;
}

void clean_up_after_dead_runs() {
  std::set<std::string> stale;
  for (const CgroupHierarchy& hierarchy : find_hierarchies()) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator{hierarchy.mount + "/" + parent_below_mount(hierarchy, test_parent()), error})
      if (is_stale(entry.path().filename().string())) stale.insert(entry.path().filename().string());
  }
  for (const std::string& directory : stale) {
    const auto tree = make_cgroup_tree({directory.substr(std::string_view{"sovirt-"}.size()), test_parent()});
    empty_tree(*tree);
    tree->create("last");  // with the last group the daemon's directory goes too
    tree->remove("last");
  }
}

void write_pid(int fd, pid_t pid) {
  const std::string text = std::to_string(pid);
  if (::write(fd, text.data(), text.size()) < 0) throw std::runtime_error("cgroup.procs does not take " + text);
}

}  // namespace

std::string test_parent() {
  const char* const parent = std::getenv("SOVIRT_TEST_CGROUP_PARENT");
  return parent ? parent : "/";
}

std::vector<CgroupHierarchy> hierarchies_of(Versions versions) {
  auto all = find_hierarchies();
  std::erase_if(all, [&](const CgroupHierarchy& hierarchy) {
    return !hierarchy.writable || (versions == Versions::v1_only && hierarchy.version != 1) ||
           (versions == Versions::v2_only && hierarchy.version != 2);
  });
  return all;
}

RealTree make_real_tree(Versions versions) {
  static const bool cleaned = (clean_up_after_dead_runs(), true);
  static int number = 0;
  auto hierarchies = hierarchies_of(versions);
  if (!cleaned || hierarchies.empty() || ::geteuid() != 0) return {};
  RealTree out{"ct" + std::to_string(::getpid()) + "-" + std::to_string(++number), {}};
  out.ports = make_cgroup_ports({out.instance, test_parent()}, std::move(hierarchies));
  return out;
}

void empty_tree(CgroupTree& tree) {
  for (const std::string& group : tree.groups()) {
    tree.kill(group);
    tree.remove(group);
  }
}

void attach(CgroupTree& tree, const std::string& group, pid_t pid) {
  const CgroupPlacement placement = tree.placement(group);
  for (const unique_fd& procs : placement.procs_v1) write_pid(procs.get(), pid);
  if (!placement.directory_v2) return;
  const unique_fd procs{::openat(placement.directory_v2.get(), "cgroup.procs", O_WRONLY | O_CLOEXEC)};
  write_pid(procs.get(), pid);
}

}  // namespace sovirt::test
