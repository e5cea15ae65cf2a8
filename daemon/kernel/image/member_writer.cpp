#include "daemon/kernel/image/member_writer.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::image {
namespace {

std::string shown(const std::string& name) { return "\"" + (name.size() > 120 ? name.substr(0, 120) + "…" : name) + "\""; }

[[noreturn]] void refuse(const TarMember& member, const std::string& why) {
  throw Error{Code::invalid, "the archive's member " + shown(member.name) + " " + why};
}

[[noreturn]] void broken(const TarMember& member, int number, const char* call) {
  throw errno_error(number, call, "the archive's member " + shown(member.name));
}

int open_beneath(int root, const std::string& path, std::uint64_t flags) noexcept {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how));
}

// Labels of the host that made the archive and overlayfs's own marks would mean something else here.
bool wanted_xattr(const std::string& name) noexcept { return name.starts_with("user.") || name == "security.capability"; }

bool all_zero(const char* bytes, std::size_t size) noexcept {
  return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace

std::string member_path(const std::string& name, int deepest) {
  TarMember named;
  named.name = name;
  if (name.empty()) refuse(named, "has no name");
  if (name.front() == '/') refuse(named, "has an absolute name");
  if (name.find('\0') != std::string::npos) refuse(named, "has a NUL in its name");
  std::string path;
  int depth = 0;
  std::string_view rest = name;
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    if (part.empty() || part == ".") continue;
    if (part == "..") refuse(named, "has \"..\" in its name");
    if (part.size() > NAME_MAX) refuse(named, "has a name with a component longer than 255 bytes");
    if (++depth > deepest) refuse(named, "lies more than " + std::to_string(deepest) + " directories deep");
    path.append(path.empty() ? "" : "/").append(part);
  }
  if (path.size() >= PATH_MAX) refuse(named, "has a name longer than a path can be");
  return path;
}

unique_fd MemberWriter::beneath(const TarMember& member, const std::string& path, bool make) const {
  unique_fd whole{open_beneath(root_, path, O_PATH | O_DIRECTORY)};
  if (whole) return whole;
  if (errno == ENOENT && make) {
    const std::size_t slash = path.rfind('/');
    const std::string above = slash == std::string::npos ? "" : path.substr(0, slash);
    const unique_fd parent = beneath(member, above, true);  // at most as deep as the name
    const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST) broken(member, errno, "mkdirat");
    // With EEXIST it is a link that dangles: opening it says so.
    whole.reset(open_beneath(root_, path, O_PATH | O_DIRECTORY));
  }
  if (whole) return whole;
  if (errno == ELOOP || errno == ENOTDIR) refuse(member, "lies behind \"" + path + "\", which is a link or no directory");
  if (errno == ENOENT) refuse(member, "links to something that is not in the archive before it");
  broken(member, errno, "openat2");
}

MemberWriter::Place MemberWriter::place(const TarMember& member, const std::string& path, bool make_parents) const {
  const std::size_t slash = path.rfind('/');
  const std::string above = slash == std::string::npos ? "" : path.substr(0, slash);
  return {beneath(member, above, make_parents), slash == std::string::npos ? path : path.substr(slash + 1)};
}

void MemberWriter::write(const TarMember& member, TarReader& reader) {
  if (++count_ > limits_.members) refuse(member, "is one too many: more than " + std::to_string(limits_.members));
  if (member.uid < 0 || member.gid < 0 || member.uid >= UINT_MAX || member.gid >= UINT_MAX)
    refuse(member, "has an owner that no file can have");
  const std::string path = member_path(member.name, limits_.depth);
  if (path.empty() && (member.is_hard_link || member.type != S_IFDIR)) refuse(member, "would replace the root directory");
  // The daemon gives each container its /dev, and elsewhere a device node is a way out of it: none is ever made.
  if (!member.is_hard_link && (member.type == S_IFCHR || member.type == S_IFBLK || member.type == S_IFSOCK)) return;
  const Place at = place(member, path, true);
  if (member.is_hard_link) return hard_link(member, at);
  switch (member.type) {
    case S_IFDIR: return directory(member, at);
    case S_IFREG: return file(member, at, reader);
    case S_IFLNK: return soft_link(member, at);
    case S_IFIFO: return fifo(member, at);
    default: refuse(member, "is of a kind that no root file system holds");
  }
}

// The last of several members of one name counts. A directory with something in it is not replaced by anything else.
void MemberWriter::clear(const TarMember& member, const Place& at) const {
  if (::unlinkat(at.parent.get(), at.name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno == EISDIR && ::unlinkat(at.parent.get(), at.name.c_str(), AT_REMOVEDIR) == 0) return;
  if (errno == ENOTEMPTY || errno == EEXIST) refuse(member, "would replace a directory that has something in it");
  broken(member, errno, "unlinkat");
}

void MemberWriter::own(const TarMember& member, int fd) const {
  if (::fchown(fd, static_cast<uid_t>(member.uid), static_cast<gid_t>(member.gid)) != 0) broken(member, errno, "fchown");
  if (::fchmod(fd, member.permissions & 07777) != 0) broken(member, errno, "fchmod");  // after fchown, which drops setuid
  for (const auto& [name, value] : member.xattrs)
    if (wanted_xattr(name) && ::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP)
      broken(member, errno, "fsetxattr");
}

void MemberWriter::directory(const TarMember& member, const Place& at) {
  if (!at.name.empty() && ::mkdirat(at.parent.get(), at.name.c_str(), 0700) != 0) {
    if (errno != EEXIST) broken(member, errno, "mkdirat");
    struct stat there{};
    if (::fstatat(at.parent.get(), at.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) broken(member, errno, "fstatat");
    if (!S_ISDIR(there.st_mode)) {
      clear(member, at);
      if (::mkdirat(at.parent.get(), at.name.c_str(), 0700) != 0) broken(member, errno, "mkdirat");
    }
  }
  const unique_fd made{open_beneath(at.parent.get(), at.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)};
  if (!made) broken(member, errno, "openat2");
  own(member, made.get());
}

void MemberWriter::file(const TarMember& member, const Place& at, TarReader& reader) {
  if (member.size < 0 || member.size > limits_.file_bytes)
    refuse(member, "is larger than the " + std::to_string(limits_.file_bytes >> 30) + " GiB that a file may have");
  clear(member, at);
  const unique_fd made{::openat(at.parent.get(), at.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!made) broken(member, errno, "openat");
  data(member, made.get(), reader);
  own(member, made.get());
  const timespec times[2] = {{0, UTIME_OMIT}, member.modified};
  if (member.modified.tv_nsec >= 0 && member.modified.tv_nsec < 1'000'000'000) ::futimens(made.get(), times);
}

void MemberWriter::data(const TarMember& member, int fd, TarReader& reader) {
  constexpr std::size_t page = 4096;
  TarBlock block;
  while (reader.block(block)) {
    const auto size = static_cast<std::int64_t>(block.size);
    if (block.offset < 0 || size > limits_.file_bytes || block.offset > limits_.file_bytes - size || block.offset + size > member.size)
      refuse(member, "has data beyond its size");
    const char* bytes = static_cast<const char*>(block.bytes);
    for (std::size_t done = 0; done < block.size;) {
      std::size_t step = std::min<std::size_t>(block.size - done, 64 * page);
      if (all_zero(bytes + done, step)) {  // becomes a hole: zeros pack very well, and need no room here either
        done += step;
        continue;
      }
      const ssize_t wrote = ::pwrite(fd, bytes + done, step, block.offset + static_cast<std::int64_t>(done));
      if (wrote < 0 && errno != EINTR) broken(member, errno, "pwrite");
      if (wrote > 0) done += static_cast<std::size_t>(wrote);
      written_ += wrote > 0 ? static_cast<std::uint64_t>(wrote) : 0;
    }
    keep_space(fd);
  }
  if (::ftruncate(fd, member.size) != 0) broken(member, errno, "ftruncate");
}

void MemberWriter::keep_space(int fd) {
  if (written_ - checked_at_ < (16u << 20)) return;
  checked_at_ = written_;
  struct statvfs facts{};
  if (::fstatvfs(fd, &facts) != 0 || facts.f_bavail * facts.f_frsize >= limits_.keep_free) return;
  throw Error{Code::disk_full, "the disk is nearly full: the archive was not unpacked further"}
      .with_hint("free some space in the daemon's state directory");
}

void MemberWriter::soft_link(const TarMember& member, const Place& at) const {
  if (member.target.empty() || member.target.size() >= PATH_MAX) refuse(member, "is a link to nothing that a path can be");
  clear(member, at);
  // Any text will do: nothing here follows it, and the container's own root bounds it later.
  if (::symlinkat(member.target.c_str(), at.parent.get(), at.name.c_str()) != 0) broken(member, errno, "symlinkat");
  if (::fchownat(at.parent.get(), at.name.c_str(), static_cast<uid_t>(member.uid), static_cast<gid_t>(member.gid), AT_SYMLINK_NOFOLLOW) != 0)
    broken(member, errno, "fchownat");
}

void MemberWriter::hard_link(const TarMember& member, const Place& at) const {
  std::string path;
  try {
    path = member_path(member.target, limits_.depth);
  } catch (const Error&) {
    refuse(member, "is a hard link to " + shown(member.target) + ", outside the archive");
  }
  if (path == member_path(member.name, limits_.depth)) return;
  const Place from = place(member, path, false);
  struct stat there{};
  if (path.empty() || ::fstatat(from.parent.get(), from.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0)
    refuse(member, "is a hard link to " + shown(member.target) + ", which is not in the archive before it");
  if (S_ISDIR(there.st_mode)) refuse(member, "is a hard link to a directory");
  clear(member, at);
  if (::linkat(from.parent.get(), from.name.c_str(), at.parent.get(), at.name.c_str(), 0) != 0) broken(member, errno, "linkat");
}

void MemberWriter::fifo(const TarMember& member, const Place& at) const {
  clear(member, at);
  if (::mkfifoat(at.parent.get(), at.name.c_str(), 0600) != 0) broken(member, errno, "mkfifoat");
  if (::fchownat(at.parent.get(), at.name.c_str(), static_cast<uid_t>(member.uid), static_cast<gid_t>(member.gid), AT_SYMLINK_NOFOLLOW) != 0)
    broken(member, errno, "fchownat");
  if (::fchmodat(at.parent.get(), at.name.c_str(), member.permissions & 07777, 0) != 0) broken(member, errno, "fchmodat");
}

}  // namespace sovirt::image
