#include "daemon/kernel/image/debootstrap.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <memory>

#include "daemon/base/error.hpp"
#include "daemon/base/spawn.hpp"
#include "daemon/kernel/image/boxed_process.hpp"
#include "daemon/kernel/image/debootstrap_progress.hpp"
#include "daemon/kernel/image/host_apt.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::image {
namespace {

constexpr const char* tool = "/usr/sbin/debootstrap";
constexpr const char* keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
constexpr std::size_t last_lines = 6;

// What went wrong, in debootstrap's words: its E: and W: lines, and the end of the log of what it ran.
class Complaints {
 public:
  void line(std::string_view text) {
    if (text.starts_with("E: ") || text.starts_with("W: ")) keep(text.substr(3));
    else if (!text.starts_with("I: ")) keep(text);
  }
  std::string text(const Workspace& work) const {
    std::string out;
    for (const std::string& one : kept_) out.append(out.empty() ? "" : "; ").append(one);
    const std::string log = tail_of_log(work);
    if (!log.empty()) out.append(out.empty() ? "" : "; ").append("its log ends: ").append(log);
    return out;
  }

 private:
  void keep(std::string_view text) {
    kept_.emplace_back(text.substr(0, 400));
    if (kept_.size() > last_lines) kept_.pop_front();
  }
  static std::string tail_of_log(const Workspace& work) {
    const unique_fd file = rootfs::open_regular(work.root(), "/debootstrap/debootstrap.log");
    struct stat facts{};
    if (!file || ::fstat(file.get(), &facts) != 0) return {};
    std::string tail(800, '\0');
    const off_t begin = facts.st_size > 800 ? facts.st_size - 800 : 0;
    const ssize_t got = ::pread(file.get(), tail.data(), tail.size(), begin);
    tail.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (begin > 0) tail.erase(0, tail.find('\n') + 1);
    while (tail.ends_with('\n')) tail.pop_back();
    return tail;
  }
  std::deque<std::string> kept_;
};

std::string join(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ",").append(word);
  return out;
}

BoxedCommand command_for(const DebootstrapSource& source, const Workspace& work, const ProgressMeter& meter) {
  BoxedCommand command{{tool, std::string("--keyring=") + keyring}, proxy_environment(meter)};
  const auto plain = plain_environment();
  command.environment.insert(command.environment.end(), plain.begin(), plain.end());
  for (const char* variable : {"HOME=/root", "DEBIAN_FRONTEND=noninteractive", "TERM=dumb"}) command.environment.emplace_back(variable);
  if (source.variant != "standard" && !source.variant.empty()) command.arguments.push_back("--variant=" + source.variant);
  if (!source.packages.empty()) command.arguments.push_back("--include=" + join(source.packages));
  command.arguments.push_back(source.suite);
  command.arguments.push_back(work.rootfs());
  command.arguments.push_back(source.mirror.empty() ? host_mirror(meter) : source.mirror);
  return command;
}

void empty_directory(int root, const std::string& path, std::string_view ending) {
  unique_fd fd{rootfs::open_in_root(root, path, O_RDONLY | O_DIRECTORY)};
  if (!fd) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> open{::fdopendir(fd.get()), [](DIR* one) { return ::closedir(one); }};
  if (!open) return;
  fd.release();
  while (const dirent* entry = ::readdir(open.get()))
    if (entry->d_type == DT_REG && std::string_view{entry->d_name}.ends_with(ending)) ::unlinkat(::dirfd(open.get()), entry->d_name, 0);
}

void unlink_in(int root, const std::string& path) {
  const unique_fd parent{rootfs::open_in_root(root, rootfs::parent_of(path), O_PATH | O_DIRECTORY)};
  if (!parent) return;
  if (::unlinkat(parent.get(), std::string(rootfs::base_name(path)).c_str(), 0) != 0 && errno != ENOENT) throw errno_error("unlinkat", path);
}

// What belongs to one machine or can be fetched again must not be in an image that many containers share.
void clean(int root) {
  const unique_fd id{rootfs::open_in_root(root, "/etc/machine-id", O_WRONLY | O_TRUNC | O_NOFOLLOW)};  // empty: the first boot makes one
  for (const char* path : {"/etc/hostname", "/etc/resolv.conf", "/var/lib/dbus/machine-id"}) unlink_in(root, path);
  empty_directory(root, "/var/cache/apt/archives", ".deb");
  empty_directory(root, "/var/cache/apt", ".bin");
  empty_directory(root, "/var/lib/apt/lists", "");
}

}  // namespace

void check_debootstrap(const DebootstrapSource& source) {
  if (::geteuid() != 0) throw Error{Code::unsupported, "debootstrap needs root"};
  if (::access(tool, X_OK) != 0) throw Error{Code::unsupported, "this host has no debootstrap"}.with_hint("apt install debootstrap");
  if (::access(keyring, R_OK) != 0)
    throw Error{Code::unsupported, "this host has no keys of the Debian archive"}.with_hint("apt install debian-archive-keyring");
  if (::access(("/usr/share/debootstrap/scripts/" + source.suite).c_str(), R_OK) != 0)
    throw field_error("/source/suite", "unknown", "this host's debootstrap knows no suite \"" + source.suite + "\"");
}

void build_debootstrap(const DebootstrapSource& source, const Workspace& work, ProgressMeter& meter) {
  meter.show(1, "starting debootstrap");
  const BoxedCommand command = command_for(source, work, meter);
  DebootstrapProgress progress;
  Complaints complaints;
  const int status = run_boxed(command, meter, [&](std::string_view line) {
    complaints.line(line);
    if (auto step = progress.line(line)) meter.show(step->percent, std::move(step->message));
  });
  if (status != 0) {
    const std::string how = WIFEXITED(status) ? "ended with " + std::to_string(WEXITSTATUS(status)) : "was killed by signal " + std::to_string(WTERMSIG(status));
    throw Error{Code::conflict, "debootstrap of " + source.suite + " from " + command.arguments.back() + " " + how + ": " + complaints.text(work)}
        .with_hint("check that the mirror can be reached from this host and has the suite and packages");
  }
  meter.show(91, "removing what was only needed to build");
  clean(work.root());
}

}  // namespace sovirt::image
