#include "daemon/launcher/child_devices.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace sovirt::launch::child {
namespace {

struct Node { const char* path; unsigned major, minor; };
constexpr Node nodes[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5}, {"/dev/full", 1, 7},
                          {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

struct Link { const char* path; const char* to; };
constexpr Link links[] = {{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"},
                          {"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"},
                          {"/dev/ptmx", "pts/ptmx"}};

void make_device(const Reporter& report, const DevicePlan& device) noexcept {
  const char* path = device.path.c_str();
  char folder[PATH_MAX];
  const std::size_t length = static_cast<std::size_t>(std::strrchr(path, '/') - path);
  if (length >= sizeof folder) report.fail(ENAMETOOLONG, "mknod", path);
  std::memcpy(folder, path, length);
  folder[length] = '\0';
  if (length > 0) make_target(report, folder, true);
  report.must(::mknod(path, device.kind | 0600, device.number) == 0 || errno == EEXIST, "mknod", path);
  report.must(::chown(path, device.uid, device.gid) == 0 && ::chmod(path, device.mode) == 0, "device", path);
}

}  // namespace

void make_devices(const Reporter& report, const Root& root, const std::vector<DevicePlan>& more) noexcept {
  const mode_t before = ::umask(0);
  for (const Node& node : nodes) {
    if (::mknod(node.path, S_IFCHR | 0666, makedev(node.major, node.minor)) == 0 || errno == EEXIST) continue;
    // Nobody may make a node in a user namespace: the host's own then.
    report.must(errno == EPERM, "mknod", node.path);
    root.bind_from_host(node.path, node.path, 0, false);
  }
  for (const DevicePlan& device : more) make_device(report, device);
  for (const Link& link : links)
    report.must(::symlink(link.to, link.path) == 0 || errno == EEXIST, "symlink", link.path);
  ::umask(before);
}

namespace {

int open_master(const Reporter& report, const ProcessPlan& process, const char* ptmx) noexcept {
  const int master = ::open(ptmx, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  report.must(master >= 0, "console", ptmx);
  const int unlock = 0;
  report.must(::ioctl(master, TIOCSPTLCK, &unlock) == 0, "console", "unlock");
  const winsize size{process.rows, process.columns, 0, 0};
  report.must(::ioctl(master, TIOCSWINSZ, &size) == 0, "console", "size");
  return master;
}

// What is typed is UTF-8: the kernel erases whole characters then.
void expect_utf8(int terminal) noexcept {
  termios settings{};
  if (::ioctl(terminal, TCGETS, &settings) < 0) return;
  settings.c_iflag |= IUTF8;
  ::ioctl(terminal, TCSETS, &settings);
}

}  // namespace

int make_terminal(const Reporter& report, const ProcessPlan& process) noexcept {
  // In a container a link to pts/ptmx, of a chroot the host's. Without O_NONBLOCK a FIFO put there would hold us up.
  const int master = open_master(report, process, "/dev/ptmx");
  const int terminal = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  report.must(terminal >= 0, "console", "open");
  // Its user may open it by name as well: su, screen and others do.
  report.must(::fchown(terminal, process.uid, static_cast<gid_t>(-1)) == 0, "console", "owner");
  expect_utf8(terminal);
  report.hand_over_console(master);
  ::close(master);
  return terminal;
}

int make_console(const Reporter& report, const ProcessPlan& process, bool own_dev) noexcept {
  const int master = open_master(report, process, own_dev ? "/dev/pts/ptmx" : "/dev/ptmx");
  int terminal = -1;
  if (own_dev) {
    int number = 0;
    report.must(::ioctl(master, TIOCGPTN, &number) == 0, "console", "number");
    char path[32];
    std::snprintf(path, sizeof path, "/dev/pts/%d", number);
    make_target(report, "/dev/console", false);
    report.must(::mount(path, "/dev/console", nullptr, MS_BIND, nullptr) == 0, "console", "bind");
    // Opened by this name, so that ttyname(3) finds it.
    terminal = ::open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
  } else {
    terminal = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  }
  report.must(terminal >= 0, "console", "open");
  report.hand_over_console(master);
  ::close(master);
  return terminal;
}

}  // namespace sovirt::launch::child
