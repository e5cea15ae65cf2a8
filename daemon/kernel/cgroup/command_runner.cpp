#include "daemon/kernel/cgroup/command_runner.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/launcher/run_command.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""s;

class Spawn {
 public:
  Spawn() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    for (int fd = 0; fd < 3; ++fd) ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  }
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  // As number `to` in the program. By way of a number that is none of ours, since a dup2 to itself keeps close-on-exec.
  void pass(int fd, int to) {
    away_.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 200));
    if (!away_.back()) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
    ::posix_spawn_file_actions_adddup2(&actions, away_.back().get(), to);
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

 private:
  std::vector<unique_fd> away_;
};

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> environment_of(const CgroupCommand& command) {
  std::vector<std::string> env;
  for (const auto& [key, value] : command.env) env.push_back(key + "=" + value);
  if (!command.env.contains("PATH")) env.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  return env;
}

pid_t spawn(const std::string& program, const CgroupCommand& command, const std::vector<unique_fd>& procs, int report) {
  std::vector<std::string> words{"sovirt-launch", launch::run_option, std::to_string(procs.size()), command.cpus.value_or(""), command.cwd};
  words.insert(words.end(), command.command.begin(), command.command.end());
  std::vector<std::string> env = environment_of(command);
  Spawn setup;
  setup.pass(report, launch::run_report_fd);
  for (std::size_t i = 0; i < procs.size(); ++i) setup.pass(procs[i].get(), launch::run_report_fd + 1 + static_cast<int>(i));
  ::posix_spawn_file_actions_addclosefrom_np(&setup.actions, launch::run_report_fd + 1 + static_cast<int>(procs.size()));
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &setup.actions, &setup.attributes, pointers(words).data(), pointers(env).data());
  if (error != 0) throw errno_error(error, "posix_spawn", program);
  return pid;
}

// All of the report: it ends when the command has been executed, or could not be.
std::string read_report(int fd) {
  std::string report;
  const Deadline deadline{10s};
  for (;;) {
    char buffer[512];
    pollfd ready{fd, POLLIN, 0};
    if (::poll(&ready, 1, deadline.milliseconds_left()) == 0) throw Error{Code::timed_out, "the command was not executed within 10 s"};
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return report;
    report.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

pid_t run_command(const std::string& program, const CgroupCommand& command, const std::vector<unique_fd>& procs) {
  if (program.empty()) throw Error{Code::unsupported, "no sovirt-launch to start commands with"};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe2");
  const unique_fd read_end{ends[0]};
  unique_fd write_end{ends[1]};
  const pid_t helper = spawn(program, command, procs, write_end.get());
  write_end.reset();
  std::string report;
  try {
    report = read_report(read_end.get());
  } catch (...) {
    ::kill(helper, SIGKILL);
    ::waitpid(helper, nullptr, 0);
    throw;
  }
  while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {}
  launch::RunReport result{};
  if (report.size() < sizeof result) throw Error{Code::internal, "sovirt-launch ended without a word"};
  std::memcpy(&result, report.data(), sizeof result);
  if (report.size() == sizeof result) return result.pid;
  launch::RunFailure failure{};
  std::memcpy(&failure, report.data() + sizeof result, std::min(sizeof failure, report.size() - sizeof result));
  throw Error{Code::conflict, "cannot execute " + command.command.front() + ": " + std::string{launch::stage_text(failure.stage)} + ": " +
                                  std::strerror(failure.number)}
      .with_errno(failure.number, std::string{launch::stage_text(failure.stage)});
}

}  // namespace sovirt
