#include "daemon/kernel/helper/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt::helper {
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
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// dup2 of a descriptor to itself would leave it close-on-exec, so it is made sure to be another.
unique_fd away(int fd) {
  unique_fd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 10)};
  if (!copy) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
  return copy;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

pid_t spawn(const Spawn& wanted) {
  const unique_fd files[] = {away(wanted.input), away(wanted.output), away(wanted.error_output)};
  Setup setup;
  for (int number = 0; number < 3; ++number) ::posix_spawn_file_actions_adddup2(&setup.actions, files[number].get(), number);
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&setup.attributes, &none);
  ::posix_spawnattr_setsigdefault(&setup.attributes, &all);
  int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  if (wanted.own_session) flags |= POSIX_SPAWN_SETSID;
  ::posix_spawnattr_setflags(&setup.attributes, static_cast<short>(flags));
  std::vector<std::string> command = wanted.command;
  std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
  const std::vector<char*> arguments = pointers(command), variables = pointers(environment);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, command.at(0).c_str(), &setup.actions, &setup.attributes, arguments.data(), variables.data());
  if (error != 0) throw errno_error(error, "posix_spawn", command.at(0));
  return pid;
}

}  // namespace sovirt::helper
