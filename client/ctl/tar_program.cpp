#include "client/ctl/tar_program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "daemon/base/error.hpp"

extern char** environ;

namespace sovirt::ctl {

TarProgram::TarProgram(Pipe held, const std::vector<std::string>& words) {
  int ends[2];
  // No pipe: to write to one that tar has left would end us by SIGPIPE.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw errno_error("socketpair");
  unique_fd reading(ends[0]), writing(ends[1]);
  std::vector<std::string> texts{"tar"};
  texts.insert(texts.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  if (held == Pipe::output) ::posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  else ::posix_spawn_file_actions_adddup2(&actions, reading.get(), STDIN_FILENO);
  // While we wait, Ctrl-C is blocked here: not so in tar.
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = ::posix_spawnp(&pid_, "tar", &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) throw errno_error(error, "posix_spawnp", "tar");
  pipe_ = held == Pipe::output ? std::move(reading) : std::move(writing);
}

TarProgram::~TarProgram() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void TarProgram::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(pipe_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw errno_error("write", "tar");
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void TarProgram::finish() {
  pipe_.reset();
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, 0);
  pid_ = -1;
  if (ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) throw Error(Code::conflict, "tar failed; what it did so far stays");
}

}  // namespace sovirt::ctl
