#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "daemon/base/default_path.hpp"
#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/base/spawn.hpp"
#include "daemon/kernel/exec/exec_pump.hpp"
#include "daemon/kernel/namespace/look.hpp"

namespace sovirt::netns {
namespace {

constexpr std::chrono::seconds kill_patience{10};

void check(int result, const char* call, const std::string& of) {
  if (result != 0) throw errno_error(call, of);
}

// From the root of this thread's own mount namespace: in a chroot whose "/" is no mount point it could not be said.
void receive_mounts_only() {
  const unique_fd root{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)}, own{::open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)};
  if (!root || !own) throw errno_error("open", root ? "/proc/thread-self/ns/mnt" : "/");
  check(::setns(own.get(), CLONE_NEWNS), "setns", "/proc/thread-self/ns/mnt");
  check(::mount("", "/", "none", MS_SLAVE | MS_REC, nullptr), "mount", "/");
  check(::fchdir(root.get()), "fchdir", "/");
  check(::chroot("."), "chroot", "/");
}

// What `ip netns exec` does before it executes. Only for a thread that ends afterwards: it never comes back.
void enter_for_good(int netns, const std::string& name) {
  if (netns >= 0) check(::setns(netns, CLONE_NEWNET), "setns", name);
  check(::unshare(CLONE_NEWNS), "unshare", "CLONE_NEWNS");
  receive_mounts_only();
  struct statvfs about{};
  const bool read_only = ::statvfs("/sys", &about) == 0 && (about.f_flag & ST_RDONLY) != 0;
  const unsigned long flags = static_cast<unsigned long>(MS_NOSUID | MS_NODEV | MS_NOEXEC) | (read_only ? static_cast<unsigned long>(MS_RDONLY) : 0UL);
  if (::umount2("/sys", MNT_DETACH) == 0)
    check(::mount(name.c_str(), "/sys", "sysfs", flags, nullptr), "mount", "/sys");
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/etc/netns/" + name, error)) {
    const std::string target = "/etc/" + entry.path().filename().string();
    check(::mount(entry.path().c_str(), target.c_str(), "none", MS_BIND, nullptr), "mount", target);
  }
}

// As execvp(3) would, by the PATH that the command is given: posix_spawnp goes by the daemon's.
std::string program_of(const std::string& command, const ExecRequest& request) {
  if (command.find('/') != command.npos) return command;
  const auto given = request.env.find("PATH");
  const std::string path = given == request.env.end() ? default_path : given->second;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string candidate = path.substr(begin, end - begin) + "/" + command;
    if (::access(candidate.c_str(), X_OK) == 0 && !std::filesystem::is_directory(candidate)) return candidate;
    begin = end + 1;
  }
  return "/" + command;   // not there: the kernel says so
}

std::vector<std::string> environment_of(const ExecRequest& request) {
  auto variables = request.env;
  variables.try_emplace("PATH", default_path);
  variables.try_emplace("HOME", "/root");
  variables.try_emplace("TERM", "linux");
  std::vector<std::string> out;
  for (const auto& [key, value] : variables) out.push_back(key + "=" + value);
  return out;
}

std::vector<std::string> arguments_of(const ExecRequest& request) {
  if (!request.user || (request.user->uid == 0 && request.user->gid == 0)) return request.command;
  std::vector<std::string> out{"setpriv", "--reuid", std::to_string(request.user->uid), "--regid", std::to_string(request.user->gid),
                               "--clear-groups", "--"};
  out.insert(out.end(), request.command.begin(), request.command.end());
  return out;
}

struct Started {
  pid_t pid = -1;
  ExecPump::Streams streams;
};

Error cannot_execute(const ExecRequest& request, int number) {
  const std::string detail = "cannot execute " + request.command.front();
  const bool directory = !request.cwd.empty() && !std::filesystem::is_directory(request.cwd);
  return Error{Code::invalid, errno_error(number, "execve", directory ? "no directory " + request.cwd : detail).detail()}
      .with_errno(number, "execve")
      .with_fields({{directory ? "/cwd" : "/command/0", "not-executable", directory ? "there is no such directory" : detail}});
}

// In a session of its own.
Started start(int netns, const std::string& name, const ExecRequest& request) {
  Pipe input = make_pipe(), output = make_pipe(), error_output = make_pipe();
  const auto arguments = arguments_of(request);
  const Spawn command{program_of(arguments.front(), request), arguments, environment_of(request),
                      {input.read.get(), output.write.get(), error_output.write.get()}, request.cwd, true};
  Started started{-1, {std::move(input.write), std::move(output.read), std::move(error_output.read)}};
  try {
    // A child is made in the namespaces of the thread that makes it.
    in_own_thread([&] {
      enter_for_good(netns, name);
      started.pid = spawn(command);
    });
  } catch (const Error& error) {
    if (error.syscall() != "posix_spawn") throw;
    throw cannot_execute(request, error.error_number());
  }
  return started;
}

ExitStatus reap(pid_t pid, const std::string& command) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) throw errno_error("waitpid", command);
  ExitStatus exit;
  exit.at = now();
  if (WIFEXITED(status)) exit.code = WEXITSTATUS(status);
  else exit.signal = WTERMSIG(status);
  return exit;
}

}  // namespace

ExecResult execute(int netns, const std::string& name, const ExecRequest& request, std::size_t limit) {
  ExecPump pump{request, limit, kill_patience};
  Started started = start(netns, name, request);
  const unique_fd process{static_cast<int>(::syscall(SYS_pidfd_open, started.pid, 0))};
  const auto kill = [&] { ::kill(-started.pid, SIGKILL); };
  return pump.run(std::move(started.streams), process.get(), kill, [&] { return reap(started.pid, request.command.front()); });
}

}  // namespace sovirt::netns
