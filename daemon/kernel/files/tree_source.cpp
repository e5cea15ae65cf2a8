#include "daemon/kernel/files/tree_source.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <optional>
#include <vector>

#include "daemon/kernel/files/places.hpp"
#include "daemon/kernel/image/tar_reader.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::files {
namespace {

constexpr std::size_t deepest = 128;            // directories open at a time
constexpr std::size_t most_links = 65536;       // hard links remembered; others become files of their own
constexpr std::size_t most_extents = 4096;      // of a sparse file; beyond, its holes are written out
constexpr std::size_t data_block = 256 * 1024;

// On the same mount and not through a link: what changes under our hands is seen as it is, or not at all.
int open_beside(int parent, const char* name, std::uint64_t flags) noexcept {
  open_how how{};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  return static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how));
}

struct CloseDirectory { void operator()(DIR* open) const noexcept { ::closedir(open); } };
struct Level {
  std::unique_ptr<DIR, CloseDirectory> open;
  std::string prefix;   // "etc/apt/"
};
struct FreeArchive { void operator()(archive* one) const noexcept { ::archive_write_free(one); } };
struct FreeEntry { void operator()(archive_entry* one) const noexcept { ::archive_entry_free(one); } };

class TreeSource final : public ByteSource {
 public:
  TreeSource(unique_fd top, std::string path) : path_(std::move(path)), archive_(::archive_write_new()), entry_(::archive_entry_new()) {
    archive* one = archive_.get();
    const bool fine = one && entry_ && ::archive_write_set_format_pax_restricted(one) == ARCHIVE_OK &&
                      ::archive_write_set_bytes_per_block(one, 0) == ARCHIVE_OK &&
                      ::archive_write_open(one, this, nullptr, &TreeSource::take, nullptr) == ARCHIVE_OK;
    if (!fine) throw Error{Code::internal, "libarchive cannot write tar archives"};
    begin(std::move(top));
  }

  std::string read(std::size_t most) override {
    const image::Utf8Locale utf8;
    while (ready_.size() - given_ < most && !ended_) step();
    std::string block = ready_.substr(given_, most);
    given_ += block.size();
    if (given_ == ready_.size() || given_ > 4 * data_block) {
      ready_.erase(0, given_);
      given_ = 0;
    }
    return block;
  }

 private:
  static ssize_t take(archive*, void* self, const void* bytes, std::size_t size) {
    static_cast<TreeSource*>(self)->ready_.append(static_cast<const char*>(bytes), size);
    return static_cast<ssize_t>(size);
  }

  void begin(unique_fd top) {
    const struct stat status = stat_of(top.get(), path_);
    if (S_ISDIR(status.st_mode)) return enter(std::move(top), status, "./");
    unique_fd file = open_file(top.get(), status, path_);
    const image::Utf8Locale utf8;
    begin_file(std::move(file), status, std::string{rootfs::base_name(path_)});
  }

  void step() {
    if (file_) return copy_some();
    if (levels_.empty()) {
      if (::archive_write_close(archive_.get()) != ARCHIVE_OK) fail();
      ended_ = true;
      return;
    }
    errno = 0;
    const dirent* entry = ::readdir(levels_.back().open.get());
    if (!entry) {
      if (errno != 0) throw file_error(errno, "readdir", path_);
      levels_.pop_back();
      return;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") visit(std::string{name});
  }

  void visit(const std::string& name) {
    const int parent = ::dirfd(levels_.back().open.get());
    const std::string shown = levels_.back().prefix + name;
    // O_PATH of a link is the link itself.
    unique_fd found{::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
    if (!found && errno == ENOENT) return;
    if (!found) throw file_error(errno, "openat", shown);
    const struct stat status = stat_of(found.get(), shown);
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR: return visit_directory(parent, name, status, shown);
      case S_IFREG: return visit_file(found.get(), status, shown);
      case S_IFLNK: return write_link(found.get(), status, shown);
      case S_IFIFO: return write_header(status, shown, nullptr);
      default: return;   // nothing that an archive of files can hold
    }
  }

  void visit_directory(int parent, const std::string& name, const struct stat& status, const std::string& shown) {
    if (levels_.size() >= deepest)
      throw Error{Code::conflict, path_ + " is more than " + std::to_string(deepest) + " directories deep"};
    unique_fd inside{open_beside(parent, name.c_str(), O_PATH | O_DIRECTORY)};
    if (inside) return enter(std::move(inside), status, shown + "/");
    if (errno == EXDEV) return write_header(status, shown, nullptr);   // something is mounted there
    if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR) throw file_error(errno, "openat2", shown);
  }

  void enter(unique_fd directory, const struct stat& status, std::string prefix) {
    unique_fd readable{::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)};
    if (!readable) throw file_error(errno, "openat", path_);
    Level level{std::unique_ptr<DIR, CloseDirectory>{::fdopendir(readable.get())}, std::move(prefix)};
    if (!level.open) throw file_error(errno, "fdopendir", path_);
    readable.release();
    const image::Utf8Locale utf8;
    write_header(status, level.prefix, nullptr);
    levels_.push_back(std::move(level));
  }

  void visit_file(int found, const struct stat& status, const std::string& shown) {
    if (status.st_nlink > 1) {
      const auto key = std::pair{status.st_dev, status.st_ino};
      if (const auto known = links_.find(key); known != links_.end()) return write_header(status, shown, known->second.c_str());
      if (links_.size() < most_links) links_.emplace(key, shown);
    }
    begin_file(open_file(found, status, shown), status, shown);
  }

  void write_link(int found, const struct stat& status, const std::string& shown) {
    std::string target(PATH_MAX, '\0');
    const ssize_t length = ::readlinkat(found, "", target.data(), target.size());
    if (length < 0) throw file_error(errno, "readlinkat", shown);
    target.resize(static_cast<std::size_t>(length));
    fill(status, shown);
    ::archive_entry_set_symlink(entry_.get(), target.c_str());
    write_entry(shown);
  }

  void fill(const struct stat& status, const std::string& shown) {
    ::archive_entry_clear(entry_.get());
    ::archive_entry_copy_stat(entry_.get(), &status);
    ::archive_entry_set_pathname(entry_.get(), shown.c_str());
    if (!S_ISREG(status.st_mode)) ::archive_entry_set_size(entry_.get(), 0);
  }

  void write_header(const struct stat& status, const std::string& shown, const char* same_as) {
    fill(status, shown);
    if (same_as) {
      ::archive_entry_set_hardlink(entry_.get(), same_as);
      ::archive_entry_set_size(entry_.get(), 0);
    }
    write_entry(shown);
  }

  // A name that is not UTF-8 is kept as it is, with a warning that nobody needs.
  void write_entry(const std::string& shown) {
    const int result = ::archive_write_header(archive_.get(), entry_.get());
    if (result == ARCHIVE_FATAL || result == ARCHIVE_FAILED) {
      const char* words = ::archive_error_string(archive_.get());
      throw Error{Code::conflict, shown + " cannot be put into a tar archive: " + (words ? words : "unknown error")};
    }
  }

  void begin_file(unique_fd file, const struct stat& status, const std::string& shown) {
    fill(status, shown);
    left_ = static_cast<std::uint64_t>(status.st_size);
    at_ = 0;
    find_extents(file.get(), status);
    if (!extents_.empty() || (left_ > 0 && all_hole_)) {
      for (const Extent& extent : extents_)
        ::archive_entry_sparse_add_entry(entry_.get(), static_cast<std::int64_t>(extent.begin), static_cast<std::int64_t>(extent.size));
      if (all_hole_) ::archive_entry_sparse_add_entry(entry_.get(), static_cast<std::int64_t>(left_), 0);
    }
    write_entry(shown);
    file_ = std::move(file);
    shown_ = shown;
  }

  struct Extent { std::uint64_t begin, size; };

  // Where a sparse file has data. Nothing is remembered of one that has no holes, or too many.
  void find_extents(int file, const struct stat& status) {
    extents_.clear();
    all_hole_ = false;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size == 0 || static_cast<std::uint64_t>(status.st_blocks) * 512 >= size) return;
    off_t at = 0;
    while (static_cast<std::uint64_t>(at) < size) {
      const off_t data = ::lseek(file, at, SEEK_DATA);
      if (data < 0) {
        if (errno != ENXIO) extents_.clear();
        all_hole_ = errno == ENXIO && extents_.empty();
        break;
      }
      const off_t hole = ::lseek(file, data, SEEK_HOLE);
      if (hole <= data || extents_.size() >= most_extents) {
        extents_.clear();
        break;
      }
      const auto end = std::min(static_cast<std::uint64_t>(hole), size);
      extents_.push_back({static_cast<std::uint64_t>(data), end - static_cast<std::uint64_t>(data)});
      at = hole;
    }
    ::lseek(file, 0, SEEK_SET);
  }

  bool in_hole(std::uint64_t at, std::uint64_t& until) const {
    if (all_hole_) return until = at + left_, true;
    if (extents_.empty()) return false;
    for (const Extent& extent : extents_) {
      if (at < extent.begin) return until = extent.begin, true;
      if (at < extent.begin + extent.size) return until = extent.begin + extent.size, false;
    }
    return until = at + left_, true;
  }

  // Holes are given to the archive as zeros, of which it writes none; so a terabyte of them is only counted.
  void copy_some() {
    if (left_ == 0) {
      file_.reset();
      if (::archive_write_finish_entry(archive_.get()) != ARCHIVE_OK) fail();
      return;
    }
    std::uint64_t until = at_ + left_;
    const bool hole = in_hole(at_, until);
    std::size_t wanted = static_cast<std::size_t>(std::min({left_, until - at_, std::uint64_t{hole ? zeros_.size() : data_block}}));
    const char* bytes = zeros_.data();
    if (!hole) {
      if (buffer_.empty()) buffer_.resize(data_block);
      ssize_t count = 0;
      do count = ::pread(file_.get(), buffer_.data(), wanted, static_cast<off_t>(at_));
      while (count < 0 && errno == EINTR);
      if (count < 0) throw file_error(errno, "pread", shown_);
      if (count > 0) wanted = static_cast<std::size_t>(count), bytes = buffer_.data();
      else wanted = std::min(wanted, zeros_.size());   // it has shrunk
    }
    const auto taken = ::archive_write_data(archive_.get(), bytes, wanted);
    if (taken < 0) fail();
    at_ += wanted;
    left_ -= wanted;
  }

  [[noreturn]] void fail() const {
    const char* words = ::archive_error_string(archive_.get());
    throw Error{Code::internal, "the archive of " + path_ + " cannot be written: " + (words ? words : "unknown error")};
  }

  std::string path_, ready_, shown_;
  std::size_t given_ = 0;
  std::unique_ptr<archive, FreeArchive> archive_;
  std::unique_ptr<archive_entry, FreeEntry> entry_;
  std::vector<Level> levels_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  unique_fd file_;
  std::uint64_t left_ = 0, at_ = 0;
  std::vector<Extent> extents_;
  bool all_hole_ = false, ended_ = false;
  std::string buffer_;
  const std::string zeros_ = std::string(1 << 20, '\0');
};

}  // namespace

std::unique_ptr<ByteSource> read_tree(unique_fd top, std::string path) {
  return std::make_unique<TreeSource>(std::move(top), std::move(path));
}

}  // namespace sovirt::files
