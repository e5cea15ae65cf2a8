#include "daemon/kernel/mount/init_program.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <csignal>
#include <string_view>

#include "daemon/kernel/mount/elf_file.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

bool same_file(int root, const char* path, const struct stat& other) {
  const unique_fd found{open_in_root(root, path, O_PATH)};
  struct stat facts{};
  return found && ::fstat(found.get(), &facts) == 0 && facts.st_dev == other.st_dev && facts.st_ino == other.st_ino;
}

bool is_elf(int path_fd) {
  const unique_fd file = reopen_for_reading(path_fd);
  ElfFile elf;
  return file && read_elf(file.get(), elf) != ElfVerdict::not_elf;
}

}  // namespace

std::optional<std::string> find_init(int root) {
  for (const char* path : {"/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/bin/init", "/init"}) {
    const unique_fd found{open_in_root(root, path, O_PATH)};
    struct stat facts{};
    if (found && ::fstat(found.get(), &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 0111) != 0) return path;
  }
  return std::nullopt;
}

int shutdown_signal(int root, const std::string& path) {
  const unique_fd found{open_in_root(root, path, O_PATH)};
  struct stat facts{};
  if (!found || ::fstat(found.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return SIGTERM;
  const std::string real = real_path(root, found.get());
  const std::string_view called = base_name(path), name = base_name(real);
  const bool as_init = called == "init" || called == "linuxrc";
  if (name == "systemd") return SIGRTMIN + 3;  // halt.target: systemd(1)
  // Applets may be links or hard links: what counts is the file, and the name it is called by.
  if (as_init && (name.starts_with("busybox") || same_file(root, "/bin/busybox", facts))) return SIGUSR2;  // poweroff
  if (name == "runit" || name == "runit-init") return SIGCONT;  // runit(8): shut down, with /etc/runit/stopit executable
  // sysvinit and upstart: power failure, which their inittab or event turns into a shutdown. openrc-init, s6, dinit,
  // tini and whatever is a script take SIGTERM.
  const bool in_sbin = real == "/sbin/init" || real == "/usr/sbin/init";
  if (in_sbin && is_elf(found.get())) return SIGPWR;
  return SIGTERM;
}

}  // namespace sovirt::rootfs
