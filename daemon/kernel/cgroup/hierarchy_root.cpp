#include "daemon/kernel/cgroup/hierarchy_root.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_walk.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""us;

constexpr const char* leaf_group = ".sovirt";

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string existing_parent(const CgroupHierarchy& hierarchy, int mount, std::string_view wanted) {
  std::string path = parent_below_mount(hierarchy, wanted);
  while (!path.empty() && !open_directory_at(mount, path.c_str())) {
    if (hierarchy.version == 2)
      throw Error{Code::unavailable, "the cgroup parent /" + path + " is not in " + hierarchy.mount}.with_hint(
          "start the unit that owns it, or name another with --cgroup-parent");
    const auto slash = path.rfind('/');
    path.erase(slash == std::string::npos ? 0 : slash);
  }
  return path.empty() ? "." : path;
}

// New v1 cpuset groups have neither CPUs nor memory nodes, and no process can enter such a group. With clone_children
// the kernel copies both into every group made below, those a container makes itself included.
void prepare_cpuset(int parent, int own) {
  for (const char* what : {"cpus", "mems"}) {
    const std::string file = std::string{"cpuset."} + what;
    const auto is_blank = [](const std::string& text) { return text.find_first_not_of(" \n") == std::string::npos; };
    if (!is_blank(read_text_at(own, file.c_str()).value_or(""))) continue;
    std::string value = read_text_at(parent, file.c_str()).value_or("");
    if (is_blank(value)) value = read_text_at(parent, ("cpuset.effective_" + std::string{what}).c_str()).value_or("");
    write_text_at(own, file.c_str(), value);
  }
  write_text_at(own, "cgroup.clone_children", "1");
}

// A v2 group with processes of its own cannot pass controllers on (the root can). Asked before anything is written,
// because the kernel does take cpu there, and turns the group into a threaded one where nothing else works any more.
void check_no_processes(int group, const std::string& name) {
  const bool is_root = !open_file_at(group, "cgroup.type", O_RDONLY);
  if (is_root || read_text_at(group, "cgroup.procs").value_or("").empty()) return;
  throw Error{Code::unavailable,
              "the cgroup " + name + " has processes of its own, so its controllers cannot be passed to groups below it"}
      .with_hint("move them to a group beside the daemon's, or name an empty group with --cgroup-parent")
      .with_errno(EBUSY, "write");
}

// Makes the wanted controllers available to the groups below a v2 group. One write each: a controller the kernel
// refuses here (cpu with realtime tasks about, say) is then merely not there for limits, the others are.
void enable_controllers(int group, const std::string& name) {
  const auto available = split_words(read_text_at(group, "cgroup.controllers").value_or(""));
  const auto enabled = split_words(read_text_at(group, "cgroup.subtree_control").value_or(""));
  for (const std::string& controller : wanted_v2_controllers()) {
    if (!contains(available, controller) || contains(enabled, controller)) continue;
    check_no_processes(group, name);
    const int number = try_write_at(group, "cgroup.subtree_control", "+" + controller);
    if (number == EACCES || number == EPERM || number == EROFS || number == EBUSY)
      throw errno_error(number, "write", name + "/cgroup.subtree_control = +" + controller);
  }
}

// Moves what a v2 group has of processes into a leaf of its own below it, until a look finds none: a process that forks
// while it is moved leaves its child behind.
void empty_into_leaf(int group, const std::string& name) {
  if (read_text_at(group, "cgroup.procs").value_or("").empty()) return;
  if (::mkdirat(group, leaf_group, 0755) != 0 && errno != EEXIST) throw errno_error("mkdirat", name + "/" + leaf_group);
  const std::string target = std::string{leaf_group} + "/cgroup.procs";
  const Deadline deadline{std::chrono::seconds{2}};
  for (;;) {
    const auto pids = split_words(read_text_at(group, "cgroup.procs").value_or(""));
    if (pids.empty()) return;
    for (const std::string& pid : pids) {
      const int number = try_write_at(group, target.c_str(), pid);
      if (number != 0 && number != ESRCH) throw errno_error(number, "write", name + "/" + target);
    }
    if (deadline.passed()) throw Error{Code::busy, "the processes of " + name + " fork faster than they can be moved"};
  }
}

// rmdir of a group. A killed process leaves its groups a moment after it is gone for everybody else, so EBUSY
// is waited for. false: was absent.
bool remove_directory(int parent, const std::string& name, const Deadline& deadline) {
  auto pause = 100us;
  while (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) {
    if (errno == ENOENT) return false;
    if (errno != EBUSY || !deadline.sleep(pause)) throw errno_error("rmdir", name);
    pause = std::min(pause * 2, 20000us);
  }
  return true;
}

}  // namespace

HierarchyRoot::HierarchyRoot(CgroupHierarchy hierarchy, std::string_view parent, std::string_view instance)
    : hierarchy_(std::move(hierarchy)) {
  auto mount = open_directory_at(AT_FDCWD, hierarchy_.mount.c_str());
  if (!mount) throw Error{Code::unavailable, "the cgroup hierarchy " + hierarchy_.mount + " is not there"};
  mount_ = std::move(*mount);
  parent_path_ = existing_parent(hierarchy_, mount_.get(), parent);
  own_path_ = (parent_path_ == "." ? "" : parent_path_ + "/") + "sovirt-" + std::string{instance};
}

bool HierarchyRoot::has(std::string_view controller) const { return contains(hierarchy_.controllers, controller); }

std::optional<unique_fd> HierarchyRoot::parent() const { return open_directory_at(mount_.get(), parent_path_.c_str()); }
std::optional<unique_fd> HierarchyRoot::own() const { return open_directory_at(mount_.get(), own_path_.c_str()); }

std::optional<unique_fd> HierarchyRoot::group(std::string_view name) const {
  return open_directory_at(mount_.get(), (own_path_ + "/" + std::string{name}).c_str());
}

std::string HierarchyRoot::path(std::string_view name) const { return "/" + own_path_ + "/" + std::string{name}; }

void HierarchyRoot::prepare(int own) {
  const auto above = parent();
  if (!above) throw Error{Code::unavailable, "the cgroup parent " + parent_path_ + " is gone from " + hierarchy_.mount};
  if (hierarchy_.version == 2) {
    enable_controllers(above->get(), hierarchy_.mount + "/" + (parent_path_ == "." ? "" : parent_path_));
    enable_controllers(own, hierarchy_.mount + "/" + own_path_);
  } else if (has("cpuset")) {
    prepare_cpuset(above->get(), own);
  }
}

unique_fd HierarchyRoot::make_own() {
  if (::mkdirat(mount_.get(), own_path_.c_str(), 0755) == 0)
    prepared_ = false;
  else if (errno != EEXIST)
    throw errno_error("mkdirat", hierarchy_.mount + "/" + own_path_);
  auto directory = own();
  if (!directory) throw Error{Code::unavailable, hierarchy_.mount + "/" + own_path_ + " was removed by somebody else"};
  try {
    if (!prepared_) prepare(directory->get());
  } catch (...) {
    drop_own();
    throw;
  }
  prepared_ = true;
  return std::move(*directory);
}

// A v2 group can have processes or pass controllers on to groups below it, not both.
void HierarchyRoot::pass_on(std::string_view name) const {
  const auto directory = group(name);
  if (!directory) return;
  const auto enabled = split_words(read_text_at(directory->get(), "cgroup.subtree_control").value_or(""));
  const auto available = split_words(read_text_at(directory->get(), "cgroup.controllers").value_or(""));
  const auto& wanted = wanted_v2_controllers();
  const auto is_new = [&](const std::string& controller) { return contains(available, controller) && !contains(enabled, controller); };
  if (std::none_of(wanted.begin(), wanted.end(), is_new)) return;
  empty_into_leaf(directory->get(), path(name));
  enable_controllers(directory->get(), hierarchy_.mount + path(name));
}

bool HierarchyRoot::create(std::string_view name) {
  const unique_fd directory = make_own();
  const auto slash = name.rfind('/');
  if (version() == 2 && slash != std::string_view::npos) pass_on(name.substr(0, slash));
  if (::mkdirat(directory.get(), std::string{name}.c_str(), 0755) == 0) return true;
  if (errno == EEXIST) return false;
  throw errno_error("mkdirat", hierarchy_.mount + path(name));
}

bool HierarchyRoot::remove(std::string_view name, const Deadline& deadline) const {
  const auto directory = own();
  auto top = directory ? open_directory_at(directory->get(), std::string{name}.c_str()) : std::nullopt;
  if (!top) return false;
  walk_groups(std::move(*top), {{}, [&](int above, const std::string& below) {
                                  remove_directory(above, below, deadline);
                                }});
  return remove_directory(directory->get(), std::string{name}, deadline);
}

void HierarchyRoot::rename(std::string_view from, std::string_view to) const {
  const auto directory = own();
  const std::string source{from}, target{to};
  if (!directory || ::renameat(directory->get(), source.c_str(), directory->get(), target.c_str()) != 0)
    throw errno_error(directory ? errno : ENOENT, "renameat", hierarchy_.mount + path(from));
}

void HierarchyRoot::drop_own() noexcept { ::unlinkat(mount_.get(), own_path_.c_str(), AT_REMOVEDIR); }

}  // namespace sovirt
