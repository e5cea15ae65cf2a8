#include "daemon/kernel/cgroup/cgroup_members.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "daemon/kernel/cgroup/affinity.hpp"
#include "daemon/kernel/cgroup/cgroup_walk.hpp"
#include "daemon/kernel/cgroup/command_runner.hpp"
#include "daemon/kernel/cgroup/descendants.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""s;

Error no_process(pid_t pid) {
  const std::string detail = "there is no process " + std::to_string(pid);
  return Error{Code::not_found, detail}.with_fields({{"/pid", "not-found", detail}});
}

// Holds on to one process, however its pid is used afterwards.
class Held {
 public:
  explicit Held(pid_t pid) : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
    if (!fd_ && errno == EINVAL) throw field_error("/pid", "thread", std::to_string(pid) + " is a thread, not a process");
    if (!fd_) throw no_process(pid);
  }
  pid_t pid() const noexcept { return pid_; }
  bool ended() const noexcept {
    pollfd end{fd_.get(), POLLIN, 0};
    return ::poll(&end, 1, 0) > 0;
  }

 private:
  pid_t pid_;
  unique_fd fd_;
};

Error move_refusal(int number, pid_t pid, const std::string& where) {
  if (number == ESRCH) return no_process(pid);
  const std::string detail = "process " + std::to_string(pid) + " cannot be moved into " + where;
  if (number == EACCES || number == EPERM) return Error{Code::forbidden, detail}.with_errno(number, "write");
  return Error{Code::conflict, detail}.with_errno(number, "write");
}

// cgroup.procs of a group in each hierarchy, v1 and v2 alike.
std::vector<unique_fd> procs_of(CgroupPlacement placement, std::string_view group) {
  std::vector<unique_fd> files = std::move(placement.procs_v1);
  if (placement.directory_v2) files.push_back(present(open_file_at(placement.directory_v2.get(), "cgroup.procs", O_WRONLY), group));
  return files;
}

int write_pid(int file, pid_t pid) noexcept {
  char text[16];
  const int length = std::snprintf(text, sizeof text, "%d", pid);
  return ::write(file, text, static_cast<std::size_t>(length)) < 0 ? errno : 0;
}

class KernelCgroupMembers final : public CgroupMembers {
 public:
  KernelCgroupMembers(std::shared_ptr<CgroupRoots> roots, std::string program)
      : roots_(std::move(roots)), tree_(make_cgroup_tree_over(roots_)), program_(std::move(program)) {}

  std::vector<GroupProcess> describe(const std::vector<pid_t>& pids) override;
  std::string group_of(pid_t pid) override;
  std::vector<pid_t> attach(std::string_view group, pid_t pid, bool descendants) override;
  void release(pid_t pid) override;
  ProcessId run(std::string_view group, const CgroupCommand& command) override;

 private:
  std::vector<std::string> groups_of(pid_t pid) const;
  void move(const std::vector<unique_fd>& files, pid_t pid, const std::string& where) const;
  void put_back(const std::vector<std::string>& paths, std::size_t hierarchies, pid_t pid) const noexcept;
  std::string cpus_of(const std::vector<std::string>& paths) const;
  std::set<pid_t> inside(std::string_view group) const;
  bool is_inside(std::string_view group, pid_t pid) const;
  bool take_outsiders(std::string_view group, Family& family, const std::set<pid_t>& living, const std::vector<unique_fd>& files) const;
  bool follow(std::string_view group, Family& family, const std::vector<unique_fd>& files, const Deadline&) const;
  std::vector<pid_t> attach_all(std::string_view group, Family& family, const std::vector<unique_fd>& files);

  std::shared_ptr<CgroupRoots> roots_;
  std::unique_ptr<CgroupTree> tree_;
  std::string program_;
};

std::vector<GroupProcess> KernelCgroupMembers::describe(const std::vector<pid_t>& pids) {
  std::vector<GroupProcess> all;
  for (const pid_t pid : pids) {
    const std::string folder = "/proc/" + std::to_string(pid);
    const auto facts = process_facts(pid);
    if (!facts || facts->ended) continue;
    GroupProcess one{{pid, facts->start_ticks}, facts->name, {}, 0};
    struct stat status {};
    if (::stat(folder.c_str(), &status) == 0) one.uid = status.st_uid;
    std::string line;
    try {
      line = read_text_at(AT_FDCWD, (folder + "/cmdline").c_str()).value_or("");
    } catch (const Error&) {
      // It ended a moment ago.
    }
    for (std::size_t begin = 0; begin < line.size();) {
      const std::size_t end = std::min(line.find('\0', begin), line.size());
      one.command.push_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    all.push_back(std::move(one));
  }
  return all;
}

// Below the mount, in the order of the hierarchies; "?" where it is somewhere that is not mounted.
std::vector<std::string> KernelCgroupMembers::groups_of(pid_t pid) const {
  std::string text;
  try {
    text = read_text_at(AT_FDCWD, ("/proc/" + std::to_string(pid) + "/cgroup").c_str()).value_or("");
  } catch (const Error&) {
    // It has ended.
  }
  std::vector<std::string> paths(roots_->all.size(), "?");
  for (const std::string& line : split_words(text, '\n')) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const auto names = split_words(line.substr(first + 1, second - first - 1), ',');
    for (std::size_t i = 0; i < roots_->all.size(); ++i) {
      const CgroupHierarchy& hierarchy = roots_->all[i].hierarchy();
      if (hierarchy.version == 2 ? names.empty() : names == hierarchy.controllers)
        paths[i] = parent_below_mount(hierarchy, line.substr(second + 1));
    }
  }
  return paths;
}

std::string KernelCgroupMembers::group_of(pid_t pid) {
  const auto paths = groups_of(pid);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string own = roots_->all[i].path("").substr(1);   // "sovirt-ab12cd34/"
    if (paths[i].starts_with(own)) return paths[i].substr(own.size());
  }
  return "";
}

void KernelCgroupMembers::put_back(const std::vector<std::string>& paths, std::size_t hierarchies, pid_t pid) const noexcept {
  for (std::size_t i = 0; i < hierarchies && i < paths.size(); ++i)
    if (paths[i] != "?")
      try_write_at(AT_FDCWD, (roots_->all[i].hierarchy().mount + "/" + paths[i] + "/cgroup.procs").c_str(), std::to_string(pid));
}

// The CPUs of the group that a process is in, "0-3"; "" without cpusets.
std::string KernelCgroupMembers::cpus_of(const std::vector<std::string>& paths) const {
  const HierarchyRoot* root = roots_->controlling("cpuset");
  for (std::size_t i = 0; root && i < paths.size(); ++i) {
    if (&roots_->all[i] != root || paths[i] == "?") continue;
    const char* const file = root->version() == 1 ? "/cpuset.effective_cpus" : "/cpuset.cpus.effective";
    std::string text = read_text_at(AT_FDCWD, (root->hierarchy().mount + "/" + paths[i] + file).c_str()).value_or("");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  return "";
}

// In all hierarchies or in none.
void KernelCgroupMembers::move(const std::vector<unique_fd>& files, pid_t pid, const std::string& where) const {
  const auto before = groups_of(pid);
  const PinnedThreads pinned{pid, cpus_of(before)};
  for (std::size_t i = 0; i < files.size(); ++i) {
    const int number = write_pid(files[i].get(), pid);
    if (number == 0) continue;
    put_back(before, i, pid);
    throw move_refusal(number, pid, where);
  }
  pinned.pin_again();
}

// Those that are in the group in every hierarchy: the child of a process that was just being moved is in some only.
std::set<pid_t> KernelCgroupMembers::inside(std::string_view group) const {
  std::optional<std::set<pid_t>> all;
  for (const HierarchyRoot& root : roots_->all) {
    std::set<pid_t> here, both;
    collect_processes(present(root.group(group), group), here);
    if (all) std::set_intersection(all->begin(), all->end(), here.begin(), here.end(), std::inserter(both, both.end()));
    all = all ? std::move(both) : std::move(here);
  }
  return all.value_or(std::set<pid_t>{});
}

bool KernelCgroupMembers::is_inside(std::string_view group, pid_t pid) const {
  const auto paths = groups_of(pid);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const std::string wanted = roots_->all[i].path(group).substr(1);
    if (paths[i] != wanted && !paths[i].starts_with(wanted + "/")) return false;
  }
  return true;
}

// false: there were none. One that has ended since it was seen may have left a child outside.
bool KernelCgroupMembers::take_outsiders(std::string_view group, Family& family, const std::set<pid_t>& living, const std::vector<unique_fd>& files) const {
  const std::set<pid_t> in = inside(group);
  bool any = false;
  for (const pid_t pid : living) {
    if (in.contains(pid)) {
      family.settle(pid);
      continue;
    }
    any = true;
    try {
      move(files, pid, std::string{group});
    } catch (const Error& error) {
      if (error.code() != Code::not_found) throw;
    }
  }
  return any;
}

// Those that fork and end faster than a pass over /proc takes. Each is entered where it can be before it ends: its child
// is then in those hierarchies from birth, and the next one's turn is at the others. Whoever ended too soon has told of its
// child before, so this ends once all are inside or gone. false: nothing was forked outside.
bool KernelCgroupMembers::follow(std::string_view group, Family& family, const std::vector<unique_fd>& files, const Deadline& deadline) const {
  for (bool any = false; !deadline.passed(); any = true) {
    const auto born = family.newborn();
    if (born.empty()) return any;
    // The youngest first, and none that has ended: a write stops every fork of the host for a moment, in vain as well.
    for (auto pid = born.rbegin(); pid != born.rend(); ++pid) {
      if (::kill(*pid, 0) != 0) continue;
      bool in = is_inside(group, *pid);
      if (!in) {
        for (const unique_fd& file : files) write_pid(file.get(), *pid);
        in = is_inside(group, *pid);
      }
      if (in) family.settle(*pid);
    }
  }
  return true;
}

// Whoever is inside has children inside. So the outsiders among the descendants only become fewer, but for those that
// fork before their turn comes: we look again until nobody was found outside twice, nor was born outside meanwhile. A
// pass alone proves little: of a chain whose links end sooner than the pass it shows none.
std::vector<pid_t> KernelCgroupMembers::attach_all(std::string_view group, Family& family, const std::vector<unique_fd>& files) {
  const Deadline deadline{20s};
  std::set<pid_t> seen;
  follow(group, family, files, deadline);
  for (int quiet = 0; quiet < 2;) {
    const std::set<pid_t> living = family.look();
    seen.insert(living.begin(), living.end());
    const bool complete = family.complete();
    const bool outside = take_outsiders(group, family, living, files);
    const bool born = follow(group, family, files, deadline);
    quiet = outside || born || !complete ? 0 : quiet + 1;
    if (deadline.passed()) throw Error{Code::busy, "the processes of this family fork faster than they can be moved"}.with_hint("freeze or stop them first");
  }
  return {seen.begin(), seen.end()};
}

std::vector<pid_t> KernelCgroupMembers::attach(std::string_view group, pid_t pid, bool descendants) {
  const Held process{pid};
  const auto facts = process_facts(pid);
  if (!facts || facts->ended || process.ended()) throw no_process(pid);
  if (facts->kernel_thread || pid == ::getpid())
    throw Error{Code::conflict, std::string{facts->kernel_thread ? "a thread of the kernel" : "sovirtd itself"} + " cannot be moved"};
  const auto files = procs_of(tree_->placement(group), group);
  auto family = descendants ? std::optional<Family>{pid} : std::nullopt;   // before the move: what is forked meanwhile is heard of
  move(files, pid, std::string{group});
  // Had it ended meanwhile, its pid might have been another's by the time of the write.
  const auto now = process_facts(pid);
  if (process.ended() && now && now->start_ticks != facts->start_ticks) {
    const auto parents = groups_of(now->parent);
    put_back(parents, parents.size(), pid);
    throw no_process(pid);
  }
  return family ? attach_all(group, *family, files) : std::vector<pid_t>{pid};
}

void KernelCgroupMembers::release(pid_t pid) {
  const Held process{pid};
  std::vector<unique_fd> files;
  for (const HierarchyRoot& root : roots_->all) {
    const std::string path = root.hierarchy().mount + "/cgroup.procs";
    files.push_back(present(open_file_at(AT_FDCWD, path.c_str(), O_WRONLY), path));
  }
  move(files, pid, "the top of the hierarchy");
}

ProcessId KernelCgroupMembers::run(std::string_view group, const CgroupCommand& command) {
  const auto files = procs_of(tree_->placement(group), group);
  const pid_t pid = run_command(program_, command, files);
  const auto facts = process_facts(pid);
  return {pid, facts ? facts->start_ticks : 0};
}

}  // namespace

std::unique_ptr<CgroupMembers> make_cgroup_members(std::shared_ptr<CgroupRoots> roots, std::string program) {
  return std::make_unique<KernelCgroupMembers>(std::move(roots), std::move(program));
}

}  // namespace sovirt
