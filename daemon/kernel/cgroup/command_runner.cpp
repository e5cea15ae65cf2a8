#include "daemon/kernel/cgroup/command_runner.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/default_path.hpp"
#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/base/spawn.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/launcher/run_command.hpp"

namespace sovirt {
namespace {

using std::chrono_literals::operator""s;

std::vector<std::string> environment_of(const CgroupCommand& command) {
  std::vector<std::string> env;
  for (const auto& [key, value] : command.env) env.push_back(key + "=" + value);
  if (!command.env.contains("PATH")) env.push_back(std::string{"PATH="} + default_path);
  return env;
}

pid_t start(const std::string& program, const CgroupCommand& command, const std::vector<unique_fd>& procs, int report) {
  std::vector<std::string> words{"sovirt-launch", launch::run_option, std::to_string(procs.size()), command.cpus.value_or(""), command.cwd};
  words.insert(words.end(), command.command.begin(), command.command.end());
  std::vector<int> files(launch::run_report_fd, -1);
  files.push_back(report);
  for (const unique_fd& one : procs) files.push_back(one.get());
  return spawn({program, std::move(words), environment_of(command), std::move(files)});
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
  Pipe pipe = make_pipe();
  const pid_t helper = start(program, command, procs, pipe.write.get());
  pipe.write.reset();
  std::string report;
  try {
    report = read_report(pipe.read.get());
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
