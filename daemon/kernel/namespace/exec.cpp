#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "daemon/kernel/namespace/look.hpp"

namespace sovirt::netns {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::chrono::seconds kill_patience{10};

struct Pipe { unique_fd read, write; };

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe2");
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

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

class SpawnSetup {
 public:
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  void put(const unique_fd& from, int as) { ::posix_spawn_file_actions_adddup2(&actions_, from.get(), as); }
  void directory(const std::string& path) { ::posix_spawn_file_actions_addchdir_np(&actions_, path.c_str()); }
  int spawn(pid_t& pid, const std::string& program, char* const* arguments, char* const* environment) const {
    return ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, arguments, environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
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

// One command in a session of its own, followed to its end.
class Run {
 public:
  Run(const ExecRequest& request, std::size_t limit)
      : request_(request), limit_(limit), has_deadline_(request.timeout.count() > 0), deadline_(Clock::now() + request.timeout) {}

  ExecResult to_the_end(int netns, const std::string& name) {
    start(netns, name);
    while (!ended_) step();
    drain(output_, result_.output);   // what it left running may hold the pipes for ever
    drain(error_output_, result_.error_output);
    return std::move(result_);
  }

 private:
  void start(int netns, const std::string& name) {
    Pipe input = make_pipe(), output = make_pipe(), error_output = make_pipe();
    SpawnSetup setup;
    setup.put(input.read, 0);
    setup.put(output.write, 1);
    setup.put(error_output.write, 2);
    if (!request_.cwd.empty()) setup.directory(request_.cwd);
    auto arguments = arguments_of(request_), environment = environment_of(request_);
    const auto argv = pointers(arguments), envp = pointers(environment);
    const std::string program = program_of(arguments.front(), request_);
    int number = 0;
    std::exception_ptr failure;
    // A child is made in the namespaces of the thread that makes it.
    std::thread{[&] {
      try {
        enter_for_good(netns, name);
        number = setup.spawn(pid_, program, argv.data(), envp.data());
      } catch (...) {
        failure = std::current_exception();
      }
    }}.join();
    if (failure) std::rethrow_exception(failure);
    if (number != 0) throw cannot_execute(number);
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    input_ = std::move(input.write);
    output_ = std::move(output.read);
    error_output_ = std::move(error_output.read);
    for (const unique_fd* fd : {&input_, &output_, &error_output_}) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
    if (request_.input.empty()) input_.reset();
  }

  Error cannot_execute(int number) const {
    const std::string detail = "cannot execute " + request_.command.front();
    const bool directory = !request_.cwd.empty() && !std::filesystem::is_directory(request_.cwd);
    return Error{Code::invalid, errno_error(number, "execve", directory ? "no directory " + request_.cwd : detail).detail()}
        .with_errno(number, "execve")
        .with_fields({{directory ? "/cwd" : "/command/0", "not-executable", directory ? "there is no such directory" : detail}});
  }

  void step() {
    std::array<pollfd, 4> fds{pollfd{pidfd_.get(), POLLIN, 0}, pollfd{output_.get(), POLLIN, 0}, pollfd{error_output_.get(), POLLIN, 0},
                              pollfd{input_.get(), POLLOUT, 0}};
    const int ready = ::poll(fds.data(), fds.size(), wait_ms());
    if (ready < 0 && errno != EINTR) throw errno_error("poll");
    if (has_deadline_ && Clock::now() >= deadline_) on_deadline();
    if (ready <= 0) return;
    if (fds[1].revents != 0) drain(output_, result_.output);
    if (fds[2].revents != 0) drain(error_output_, result_.error_output);
    if (fds[3].revents != 0) feed();
    if (fds[0].revents != 0) reap();
  }

  int wait_ms() const {
    if (!has_deadline_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }

  void on_deadline() {
    if (result_.timed_out) throw Error{Code::timed_out, "what was executed does not end, even killed"};
    result_.timed_out = true;
    deadline_ = Clock::now() + kill_patience;
    ::kill(-pid_, SIGKILL);
  }

  void reap() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) throw errno_error("waitpid", request_.command.front());
    ended_ = true;
    result_.exit.at = now();
    if (WIFEXITED(status)) result_.exit.code = WEXITSTATUS(status);
    else result_.exit.signal = WTERMSIG(status);
  }

  void drain(unique_fd& from, std::string& to) {
    std::array<char, 16384> block;
    while (from) {
      const ssize_t size = ::read(from.get(), block.data(), block.size());
      if (size < 0 && errno == EINTR) continue;
      if (size == 0 || (size < 0 && errno != EAGAIN)) from.reset();
      if (size <= 0) return;
      const std::size_t taken = std::min(limit_ > to.size() ? limit_ - to.size() : 0, static_cast<std::size_t>(size));
      to.append(block.data(), taken);
      if (taken < static_cast<std::size_t>(size)) result_.truncated = true;
      if (has_deadline_ && Clock::now() >= deadline_) return;   // it may write without end
    }
  }

  // The daemon ignores SIGPIPE: EPIPE says that the command wants no more.
  void feed() {
    const ssize_t size = ::write(input_.get(), request_.input.data() + fed_, request_.input.size() - fed_);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size > 0) fed_ += static_cast<std::size_t>(size);
    if (size < 0 || fed_ == request_.input.size()) input_.reset();
  }

  const ExecRequest& request_;
  std::size_t limit_, fed_ = 0;
  bool has_deadline_, ended_ = false;
  Clock::time_point deadline_;
  pid_t pid_ = -1;
  unique_fd pidfd_, input_, output_, error_output_;
  ExecResult result_;
};

}  // namespace

ExecResult execute(int netns, const std::string& name, const ExecRequest& request, std::size_t limit) {
  return Run{request, limit}.to_the_end(netns, name);
}

}  // namespace sovirt::netns
