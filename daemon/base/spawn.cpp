#include "daemon/base/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt {
namespace {

class Setup {
 public:
  Setup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;
  ~Setup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }

  // By way of copies above all of the targets: so none is overwritten before it has its place, and no dup2 is one to
  // itself, which would leave it close-on-exec.
  void place(const std::vector<int>& files) {
    const int count = static_cast<int>(files.size());
    copies_.reserve(files.size());
    for (int to = 0; to < count; ++to) {
      const int from = files[static_cast<std::size_t>(to)];
      if (from < 0) {
        ::posix_spawn_file_actions_addopen(&actions, to, "/dev/null", O_RDWR, 0);
        continue;
      }
      copies_.emplace_back(::fcntl(from, F_DUPFD_CLOEXEC, count));
      if (!copies_.back()) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
      ::posix_spawn_file_actions_adddup2(&actions, copies_.back().get(), to);
    }
    ::posix_spawn_file_actions_addclosefrom_np(&actions, count);
  }

  void reset_signals(bool own_session) {
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    const int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (own_session ? POSIX_SPAWN_SETSID : 0);
    ::posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
  }

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;

 private:
  std::vector<unique_fd> copies_;
};

}  // namespace

pid_t spawn(const Spawn& wanted) {
  Setup setup;
  setup.place(wanted.files);
  setup.reset_signals(wanted.own_session);
  if (!wanted.directory.empty()) ::posix_spawn_file_actions_addchdir_np(&setup.actions, wanted.directory.c_str());
  std::vector<std::string> command = wanted.command, environment = wanted.environment;
  const std::vector<char*> arguments = pointers(command), variables = pointers(environment);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, wanted.program.c_str(), &setup.actions, &setup.attributes, arguments.data(), variables.data());
  if (error != 0) throw errno_error(error, "posix_spawn", wanted.program);
  return pid;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace sovirt
