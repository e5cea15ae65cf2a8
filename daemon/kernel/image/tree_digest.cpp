#include "daemon/kernel/image/tree_digest.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <set>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/image/sha256.hpp"
#include "daemon/kernel/image/tree_walk.hpp"

namespace sovirt::image {
namespace {

constexpr std::size_t page = 4096;

char type_letter(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return 'f';
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    case S_IFIFO: return 'p';
    default: return 's';
  }
}

class Digest {
 public:
  explicit Digest(ProgressMeter& meter) : meter_(&meter), block_(256 * page) {}

  void add(const TreeEntry& entry) {
    meter_->check();
    const char type = type_letter(entry.facts.st_mode);
    hash_.add(&type, 1);
    hash_.add_sized(entry.path);
    // The mode of a link means nothing, and kernels differ in what they show.
    hash_.add_number(type == 'l' ? 0777 : entry.facts.st_mode & 07777);
    hash_.add_number(entry.facts.st_uid);
    hash_.add_number(entry.facts.st_gid);
    if (type == 'l') target(entry);
    if (type == 'c' || type == 'b') hash_.add_number(entry.facts.st_rdev);
    if (type == 'f' || type == 'd') opened(entry, type == 'f');
    ++files_;
    meter_->show(92 + static_cast<int>(5 * files_ / (files_ + 4000)), "computing the image's digest");
  }

  TreeSummary finish() { return {hex(hash_.sum()), size_}; }

 private:
  void target(const TreeEntry& entry) {
    std::array<char, PATH_MAX> text{};
    const ssize_t length = ::readlinkat(entry.parent, entry.name.c_str(), text.data(), text.size());
    if (length < 0) throw errno_error("readlinkat", entry.path);
    hash_.add_sized({text.data(), static_cast<std::size_t>(length)});
  }

  void opened(const TreeEntry& entry, bool regular) {
    const unique_fd fd{::openat(entry.parent, entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!fd) throw errno_error("openat", entry.path);
    attributes(fd.get(), entry.path);
    if (!regular) return;
    const bool first = entry.facts.st_nlink < 2 || counted_.insert({entry.facts.st_dev, entry.facts.st_ino}).second;
    if (first) size_ += static_cast<std::uint64_t>(entry.facts.st_size);
    hash_.add_number(static_cast<std::uint64_t>(entry.facts.st_size));
    contents(fd.get(), entry);
  }

  void attributes(int fd, const std::string& path) {
    const ssize_t length = ::flistxattr(fd, names_.data(), names_.size());
    if (length < 0 && errno != ENOTSUP) throw errno_error("flistxattr", path);
    std::set<std::string> names;
    for (ssize_t at = 0; at < length;) {
      std::string name = names_.data() + at;
      at += static_cast<ssize_t>(name.size()) + 1;
      if (name != "security.selinux") names.insert(std::move(name));  // the host's label, not the tree's
    }
    hash_.add_number(names.size());
    for (const std::string& name : names) {
      const ssize_t size = ::fgetxattr(fd, name.c_str(), value_.data(), value_.size());
      if (size < 0) throw errno_error("fgetxattr", path);
      hash_.add_sized(name);
      hash_.add_sized({value_.data(), static_cast<std::size_t>(size)});
    }
  }

  // Block by block with its place, blocks of zeros left out: a hole and written zeros come to the same, and a sparse file
  // of a terabyte costs what it holds.
  void contents(int fd, const TreeEntry& entry) {
    const auto size = static_cast<std::uint64_t>(entry.facts.st_size);
    for (std::uint64_t at = 0; at < size;) {
      meter_->check();
      const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0 && errno == ENXIO) return;  // nothing but a hole to the end
      if (data >= 0) at = std::max(at, static_cast<std::uint64_t>(data) / page * page);
      const ssize_t got = fill(fd, at, entry.path);
      if (got == 0) return;
      for (std::size_t i = 0; i < static_cast<std::size_t>(got); i += page)
        add_block(at + i, block_.data() + i, std::min(page, static_cast<std::size_t>(got) - i));
      at += static_cast<std::uint64_t>(got);
    }
  }

  // Whole blocks except at the end of the file, or the sum would depend on how reads are cut.
  ssize_t fill(int fd, std::uint64_t at, const std::string& path) {
    std::size_t filled = 0;
    while (filled < block_.size()) {
      const ssize_t got = ::pread(fd, block_.data() + filled, block_.size() - filled, static_cast<off_t>(at + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw errno_error("pread", path);
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    return static_cast<ssize_t>(filled);
  }

  void add_block(std::uint64_t at, const char* bytes, std::size_t size) {
    if (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0) return;
    hash_.add_number(at);
    hash_.add(bytes, size);
  }

  ProgressMeter* meter_;
  Sha256 hash_;
  std::vector<char> block_;
  std::array<char, 65536> names_{}, value_{};
  std::set<std::pair<dev_t, ino_t>> counted_;
  std::uint64_t size_ = 0, files_ = 0;
};

}  // namespace

TreeSummary digest_tree(int root, ProgressMeter& meter) {
  Digest digest{meter};
  walk_tree(root, [&](const TreeEntry& entry) { digest.add(entry); });
  return digest.finish();
}

}  // namespace sovirt::image
