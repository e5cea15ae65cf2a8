#include "daemon/kernel/image/boxed_process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "daemon/base/error.hpp"
#include "daemon/base/namespace_root.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/base/spawn.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace sovirt::image {
namespace {

constexpr std::size_t longest_line = 4096;

// All the child needs, made before it is cloned: there it may not allocate.
struct Plain {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int output;   // write end; its reader is this daemon alone
  int null;
};

struct Failure { int stage, number; };

[[noreturn]] void fail(int report, int stage) noexcept {
  const Failure failure{stage, errno};
  (void)!::write(report, &failure, sizeof failure);
  ::_exit(127);
}

// The child of a process with threads: system calls and nothing else until execve.
[[noreturn]] void run_child(const Plain& plain, int report) noexcept {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 65; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(report, 1);
  // Had the daemon died before that call, the pipe's reader would be gone.
  pollfd reader{plain.output, 0, 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) ::_exit(127);
  ::setsid();
  ::umask(022);
  // Private from the very root on; what the daemon calls "/" may be a folder somewhere below it.
  const int root = ::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || !enter_namespace_root() || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) fail(report, 2);
  if (::fchdir(root) != 0 || ::chroot(".") != 0) fail(report, 5);
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) fail(report, 3);
  if (::dup2(plain.null, 0) < 0 || ::dup2(plain.output, 1) < 0 || ::dup2(plain.output, 2) < 0) fail(report, 4);
  if (::chdir("/") != 0) fail(report, 5);
  ::syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  ::execve(plain.program, plain.arguments, plain.environment);
  fail(report, 6);
}

const char* stage_text(int stage) noexcept {
  switch (stage) {
    case 1: return "prctl";
    case 2: case 3: return "mount";
    case 4: return "dup2";
    case 5: return "chroot";
    default: return "execve";
  }
}

class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view)>& line) : line_(&line) {}
  void add(std::string_view bytes) {
    for (const char byte : bytes) {
      // dpkg and wget redraw lines with a carriage return.
      if (byte == '\n' || byte == '\r') end();
      else if (pending_.size() < longest_line) pending_ += byte;
    }
  }
  void end() {
    if (!pending_.empty()) (*line_)(pending_);
    pending_.clear();
  }

 private:
  const std::function<void(std::string_view)>* line_;
  std::string pending_;
};

// The first process of a namespace; the destructor ends it, and with it every process in there.
class Boxed {
 public:
  Boxed(const Plain& plain, int report) {
    int pidfd = -1;
    clone_args args{};
    args.flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWNS;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) throw errno_error("clone3", plain.program);
    if (pid == 0) run_child(plain, report);
    pidfd_.reset(pidfd);
  }
  Boxed(const Boxed&) = delete;
  Boxed& operator=(const Boxed&) = delete;
  ~Boxed() {
    if (!pidfd_) return;
    kill();
    wait();
  }
  void kill() const noexcept { ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0u); }
  // Returns when all of the namespace's processes are gone: the kernel reaps the first one last.
  int wait() noexcept {
    siginfo_t info{};
    int result = -1;
    do result = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), &info, WEXITED);
    while (result != 0 && errno == EINTR);
    pidfd_.reset();
    if (result != 0) return 127 << 8;  // its status went elsewhere: not to be taken for success
    return info.si_code == CLD_EXITED ? info.si_status << 8 : info.si_status;
  }
  int pidfd() const noexcept { return pidfd_.get(); }

 private:
  unique_fd pidfd_;
};

void throw_if_failed(int report, const std::string& program) {
  Failure failure{};
  ssize_t got = 0;
  do got = ::read(report, &failure, sizeof failure);
  while (got < 0 && errno == EINTR);
  if (got == sizeof failure) throw errno_error(failure.number, stage_text(failure.stage), program);
}

// Until the first process has ended and all output is read. A descendant that has let go of the output ends with it.
void follow(int output, int pidfd, const ProgressMeter& meter, Lines& lines) {
  std::array<char, 8192> block;
  std::array<pollfd, 2> watched{{{output, POLLIN, 0}, {pidfd, POLLIN, 0}}};
  while (true) {
    meter.check();
    if (::poll(watched.data(), watched.size(), 200) < 0 && errno != EINTR) throw errno_error("poll");
    if ((watched[0].revents & (POLLIN | POLLHUP)) == 0) {
      if ((watched[1].revents & POLLIN) != 0) return;
      continue;
    }
    const ssize_t got = ::read(output, block.data(), block.size());
    if (got < 0 && errno != EINTR) throw errno_error("read");
    if (got > 0) lines.add({block.data(), static_cast<std::size_t>(got)});
    if (got == 0) watched[0].fd = -1;  // closed: poll for the end alone
  }
}

}  // namespace

int run_boxed(const BoxedCommand& command, const ProgressMeter& meter, const std::function<void(std::string_view)>& line) {
  std::vector<std::string> arguments = command.arguments, environment = command.environment;
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  Pipe output = make_pipe(), report = make_pipe();
  const unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null) throw errno_error("open", "/dev/null");
  const Plain plain{argv[0], argv.data(), envp.data(), output.write.get(), null.get()};
  Boxed child{plain, report.write.get()};
  output.write.reset();
  report.write.reset();
  throw_if_failed(report.read.get(), arguments[0]);
  Lines lines{line};
  follow(output.read.get(), child.pidfd(), meter, lines);
  lines.end();
  return child.wait();
}

}  // namespace sovirt::image
