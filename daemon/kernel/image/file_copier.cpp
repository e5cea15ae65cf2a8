#include "daemon/kernel/image/file_copier.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::image {
namespace {

constexpr int most_links = 40, deepest = 64;
constexpr std::size_t most_files = 200'000;

std::string read_link(const std::string& path) {
  std::array<char, PATH_MAX> text{};
  const ssize_t length = ::readlink(path.c_str(), text.data(), text.size());
  if (length < 0) throw errno_error("readlink", path);
  return {text.data(), static_cast<std::size_t>(length)};
}

// "/usr/bin" + "../lib/x" -> "/usr/lib/x", which is right because every directory on the way here was followed already.
std::string joined(const std::string& directory, const std::string& target) {
  std::vector<std::string> parts;
  const std::string whole = rootfs::tidy(target.starts_with('/') ? target : directory + "/" + target);
  for (std::size_t begin = 1; begin < whole.size();) {
    const std::size_t end = std::min(whole.find('/', begin), whole.size());
    const std::string part = whole.substr(begin, end - begin);
    if (part != "..") parts.push_back(part);
    else if (!parts.empty()) parts.pop_back();
    begin = end + 1;
  }
  std::string out;
  for (const std::string& part : parts) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

void copy_bytes(int from, int to, const ProgressMeter& meter, const std::string& path) {
  constexpr std::size_t step = 8 << 20;
  while (true) {
    meter.check();
    const ssize_t count = ::copy_file_range(from, nullptr, to, nullptr, step, 0);
    if (count == 0) return;
    if (count > 0 || errno == EINTR) continue;
    if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP) throw errno_error("copy_file_range", path);
    break;
  }
  std::vector<char> block(1 << 20);
  for (ssize_t got = 0; (got = ::read(from, block.data(), block.size())) != 0;) {
    meter.check();
    if (got < 0 && errno != EINTR) throw errno_error("read", path);
    for (ssize_t done = 0; done < got;) {
      const ssize_t wrote = ::write(to, block.data() + done, static_cast<std::size_t>(got - done));
      if (wrote < 0 && errno != EINTR) throw errno_error("write", path);
      if (wrote > 0) done += wrote;
    }
  }
}

void copy_capability(int from, int to, const std::string& path) {
  std::array<char, 256> value{};
  const ssize_t size = ::fgetxattr(from, "security.capability", value.data(), value.size());
  if (size <= 0) return;
  if (::fsetxattr(to, "security.capability", value.data(), static_cast<std::size_t>(size), 0) != 0) throw errno_error("fsetxattr", path);
}

void own(int fd, const struct stat& facts, const std::string& path) {
  if (::fchown(fd, facts.st_uid, facts.st_gid) != 0) throw errno_error("fchown", path);
  if (::fchmod(fd, facts.st_mode & 07777) != 0) throw errno_error("fchmod", path);
}

}  // namespace

FileCopier::FileCopier(int root, const ProgressMeter& meter)
    : root_(root), meter_(&meter), host_(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!host_) throw errno_error("open", "/");
}

void FileCopier::copy(const std::string& path) { copy(joined("/", path), most_links, Children::yes); }

// Component by component, so that each link on the way is seen, kept, and followed by name.
void FileCopier::copy(const std::string& path, int links, Children children) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string rest = slash == std::string::npos ? "" : path.substr(slash);
    if (!step(path.substr(0, slash), rest, links, children) || slash == std::string::npos) return;
  }
}

// One component; false when it was a link, behind which the rest has been copied.
bool FileCopier::step(const std::string& at, const std::string& rest, int links, Children wanted) {
  struct stat facts{};
  if (::lstat(at.c_str(), &facts) != 0) throw field_error("/source", "absent", at + " is not on this host");
  if (S_ISLNK(facts.st_mode)) {
    if (links == 0) throw field_error("/source", "unreadable", at + " is a link in a circle");
    const std::string target = read_link(at);
    link(at, facts, target);
    copy(joined(rootfs::parent_of(at), target + rest), links - 1, wanted);
    return false;
  }
  if (S_ISDIR(facts.st_mode)) {
    if (at != "/") directory(at, facts);
    if (rest.empty() && wanted == Children::yes) children(at, facts.st_dev, 0);
    return true;
  }
  if (!rest.empty()) throw field_error("/source", "absent", at + rest + " is not on this host");
  if (!S_ISREG(facts.st_mode)) throw field_error("/source", "unreadable", at + " is neither a file, a link nor a directory");
  regular(at, facts);
  return true;
}

unique_fd FileCopier::parent_in_root(const std::string& path) const {
  unique_fd parent{rootfs::open_in_root(root_, rootfs::parent_of(path), O_PATH | O_DIRECTORY)};
  if (!parent) throw errno_error("openat2", rootfs::parent_of(path));
  return parent;
}

void FileCopier::directory(const std::string& path, const struct stat& facts) {
  if (!done_.insert(path).second) return;
  const unique_fd parent = parent_in_root(path);
  const std::string name{rootfs::base_name(path)};
  if (::mkdirat(parent.get(), name.c_str(), 0700) != 0 && errno != EEXIST) throw errno_error("mkdirat", path);
  const unique_fd made{::openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!made) throw errno_error("openat", path);
  own(made.get(), facts, path);
}

void FileCopier::regular(const std::string& path, const struct stat& facts) {
  if (!done_.insert(path).second) return;
  meter_->check();
  if (done_.size() > most_files) throw Error{Code::invalid, "these are more than " + std::to_string(most_files) + " files"};
  const unique_fd from{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  if (!from) throw errno_error("open", path);
  const unique_fd parent = parent_in_root(path);
  const unique_fd to{::openat(parent.get(), std::string(rootfs::base_name(path)).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!to) throw errno_error("openat", path);
  copy_bytes(from.get(), to.get(), *meter_, path);
  own(to.get(), facts, path);
  copy_capability(from.get(), to.get(), path);
  const timespec times[2] = {{0, UTIME_OMIT}, facts.st_mtim};
  ::futimens(to.get(), times);
}

void FileCopier::link(const std::string& path, const struct stat& facts, const std::string& target) {
  if (!done_.insert(path).second) return;
  const unique_fd parent = parent_in_root(path);
  const std::string name{rootfs::base_name(path)};
  if (::symlinkat(target.c_str(), parent.get(), name.c_str()) != 0) throw errno_error("symlinkat", path);
  if (::fchownat(parent.get(), name.c_str(), facts.st_uid, facts.st_gid, AT_SYMLINK_NOFOLLOW) != 0) throw errno_error("fchownat", path);
}

void FileCopier::children(const std::string& path, dev_t device, int depth) {
  if (depth > deepest) throw field_error("/source/files", "too-deep", path + " lies too deep to be copied whole");
  const std::unique_ptr<DIR, int (*)(DIR*)> open{::opendir(path.c_str()), [](DIR* one) { return ::closedir(one); }};
  if (!open) throw errno_error("opendir", path);
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string name = entry->d_name, whole = path == "/" ? "/" + name : path + "/" + name;
    struct stat facts{};
    if (name == "." || name == ".." || ::lstat(whole.c_str(), &facts) != 0 || facts.st_dev != device) continue;
    if (S_ISREG(facts.st_mode)) regular(whole, facts);
    if (S_ISLNK(facts.st_mode)) link(whole, facts, read_link(whole));  // what it points to is not asked for
    if (!S_ISDIR(facts.st_mode)) continue;
    directory(whole, facts);
    children(whole, device, depth + 1);
  }
}

}  // namespace sovirt::image
