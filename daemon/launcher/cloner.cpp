#include "daemon/launcher/cloner.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>
#include <cstdio>
#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/launcher/child.hpp"
#include "daemon/launcher/plan.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt::launch {
namespace {

long clone3(clone_args& args) noexcept { return ::syscall(SYS_clone3, &args, sizeof args); }

void write_map(pid_t pid, const char* file, const std::vector<IdMap>& map) {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(pid), file);
  std::string text;
  for (const IdMap& one : map)
    text += std::to_string(one.inside) + " " + std::to_string(one.outside) + " " + std::to_string(one.size) + "\n";
  const unique_fd opened{::open(path, O_WRONLY | O_CLOEXEC)};
  if (!opened || ::write(opened.get(), text.data(), text.size()) < 0) throw errno_error("write", path);
}

// Inside, systemd has moved itself to a leaf and given controllers away, and then cgroup v2 lets nobody into the
// container's own group ("no internal processes", cgroups(7)): what is executed from outside gets a leaf as well.
unique_fd exec_leaf(int group_v2) {
  if (::mkdirat(group_v2, ".sovirt", 0755) < 0 && errno != EEXIST) throw errno_error("mkdirat", "cgroup .sovirt");
  unique_fd leaf{::openat(group_v2, ".sovirt", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!leaf) throw errno_error("openat", "cgroup .sovirt");
  return leaf;
}

int fd_at(const std::vector<unique_fd>& fds, std::size_t index) {
  if (index >= fds.size()) throw Error{Code::internal, "a descriptor is missing from a message"};
  return fds[index].get();
}

// A plan's JSON is many small blocks; given back they are most of a monitor's private memory.
struct TrimAtEnd { ~TrimAtEnd() { ::malloc_trim(0); } };

}  // namespace

template <class Child>
pid_t Cloner::clone(std::uint64_t namespaces, int group_v2, const Child& child) const {
  clone_args args{};
  args.flags = namespaces | CLONE_CLEAR_SIGHAND;
  // With CLONE_PARENT the signal is inherited from the agent, whose own is SIGCHLD.
  if (is_agent_) args.flags |= CLONE_PARENT;
  else args.exit_signal = SIGCHLD;
  if (group_v2 >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(group_v2);
  }
  long pid = clone3(args);
  if (pid == 0) child();   // does not return
  unique_fd leaf;
  if (pid < 0 && group_v2 >= 0 && (errno == EBUSY || errno == EOPNOTSUPP)) {
    leaf = exec_leaf(group_v2);
    args.cgroup = static_cast<std::uint64_t>(leaf.get());
    pid = clone3(args);
    if (pid == 0) child();
  }
  if (pid < 0) throw errno_error("clone3");
  return static_cast<pid_t>(pid);
}

Cloned Cloner::clone_init(const std::vector<unique_fd>& fds) const {
  const TrimAtEnd trim;
  const Plan plan = read_plan(read_text(fd_at(fds, 0)), view_);
  child::InitInput input{plan, fd_at(fds, 2), fd_at(fds, 1), -1};
  unique_fd mapped, written;
  if (plan.namespaces & CLONE_NEWUSER) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) throw errno_error("pipe2");
    mapped.reset(ends[0]);
    written.reset(ends[1]);
    input.mapped = mapped.get();
  }
  // The cgroup namespace is rooted where the process is, so it is unshared by the child once it is there.
  const std::uint64_t now = plan.namespaces & ~std::uint64_t{CLONE_NEWCGROUP | CLONE_NEWNET};
  const pid_t pid = clone(now, fds.size() > 3 ? fds[3].get() : -1, [&]() noexcept { child::run_init(input); });
  if (written) {
    write_map(pid, "uid_map", plan.uid_map);
    write_map(pid, "gid_map", plan.gid_map);
    if (::write(written.get(), "m", 1) != 1) throw errno_error("write", "id maps");
  }
  return {pid, 0, plan.namespaces};
}

// The root of the process behind a pidfd; its pid is in the fdinfo.
static unique_fd root_of(int pidfd) {
  const std::string info = read_text(("/proc/self/fdinfo/" + std::to_string(pidfd)).c_str());
  const auto line = info.find("Pid:");
  const std::string pid = line == std::string::npos ? "0" : std::to_string(std::atoi(info.c_str() + line + 4));
  unique_fd root{::open(("/proc/" + pid + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!root) throw errno_error("open", "/proc/" + pid + "/root");
  return root;
}

Cloned Cloner::clone_exec(const CloneExec& request, const std::vector<unique_fd>& fds) const {
  const TrimAtEnd trim;
  const ProcessPlan process = read_process(read_text(fd_at(fds, 0)));
  const std::uint64_t inside = request.namespaces & ~std::uint64_t{CLONE_NEWPID};
  const unique_fd root = root_of(fd_at(fds, 1));
  child::ExecInput input{process, fd_at(fds, 2), fd_at(fds, 1), root.get(), inside, {-1, -1, -1}};
  if (!process.terminal)
    for (std::size_t i = 0; i < 3; ++i) input.stdio[i] = fd_at(fds, 3 + i);
  // Concerns the children of this process only, and only those cloned from now on.
  if ((request.namespaces & CLONE_NEWPID) && ::setns(input.init, CLONE_NEWPID) < 0) throw errno_error("setns", "pid namespace");
  const pid_t pid = clone(0, request.has_v2 ? fds.back().get() : -1, [&]() noexcept { child::run_exec(input); });
  return {pid, 0, request.namespaces};
}

}  // namespace sovirt::launch
