#include "daemon/kernel/image/tar_writer.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt::image {
namespace {

struct FreeEntry { void operator()(archive_entry* one) const noexcept { ::archive_entry_free(one); } };
using Entry = std::unique_ptr<archive_entry, FreeEntry>;

struct Range { std::int64_t offset, length; };

// Where a file has data. Nothing for one that is all hole.
std::vector<Range> data_of(int fd, std::int64_t size, const std::string& path) {
  std::vector<Range> ranges;
  for (off_t at = 0; at < size;) {
    const off_t data = ::lseek(fd, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0) throw errno_error("lseek", path);
    const off_t end = std::min<off_t>(::lseek(fd, data, SEEK_HOLE), size);
    if (end <= data) break;
    ranges.push_back({data, end - data});
    at = end;
  }
  return ranges;
}

void add_attributes(int fd, archive_entry* entry, const std::string& path) {
  std::vector<char> names(65536), value(65536);
  const ssize_t length = ::flistxattr(fd, names.data(), names.size());
  if (length < 0 && errno != ENOTSUP) throw errno_error("flistxattr", path);
  for (ssize_t at = 0; at < length;) {
    const char* name = names.data() + at;
    at += static_cast<ssize_t>(std::strlen(name)) + 1;
    if (!archived_attribute(name)) continue;
    const ssize_t size = ::fgetxattr(fd, name, value.data(), value.size());
    if (size >= 0) ::archive_entry_xattr_add_entry(entry, name, value.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

bool archived_attribute(std::string_view name) noexcept { return name.starts_with("user.") || name == "security.capability"; }

void TarWriter::Free::operator()(archive* one) const noexcept { ::archive_write_free(one); }

TarWriter::TarWriter(int fd, const ProgressMeter& meter) : fd_(fd), meter_(&meter), archive_(::archive_write_new()), buffer_(1 << 20, '\0') {
  archive* one = archive_.get();
  const bool fine = one && ::archive_write_set_format_pax(one) == ARCHIVE_OK && ::archive_write_add_filter_zstd(one) == ARCHIVE_OK;
  if (!fine) throw Error{Code::unsupported, "this host's libarchive cannot write tar archives with zstd"};
  ::archive_write_set_bytes_in_last_block(one, 1);
  if (::archive_write_open(one, this, nullptr, &TarWriter::take, nullptr) != ARCHIVE_OK) fail("opening it");
}

ssize_t TarWriter::take(archive* one, void* self, const void* bytes, std::size_t size) {
  auto& writer = *static_cast<TarWriter*>(self);
  ssize_t wrote = 0;
  do wrote = ::write(writer.fd_, bytes, size);
  while (wrote < 0 && errno == EINTR);
  if (wrote < 0) {
    ::archive_set_error(one, errno, "writing the file failed");
    return -1;
  }
  writer.hash_.add(bytes, static_cast<std::size_t>(wrote));
  writer.size_ += static_cast<std::uint64_t>(wrote);
  return wrote;
}

void TarWriter::fail(const std::string& what) const {
  const int number = ::archive_errno(archive_.get());
  const char* words = ::archive_error_string(archive_.get());
  if (number == ENOSPC || number == EDQUOT) throw errno_error(number, "write", what);
  throw Error{Code::internal, "the archive cannot be written (" + what + "): " + (words ? words : "unknown error")};
}

void TarWriter::text(const std::string& name, const std::string& content) {
  const Entry entry{::archive_entry_new()};
  ::archive_entry_set_pathname(entry.get(), name.c_str());
  ::archive_entry_set_filetype(entry.get(), AE_IFREG);
  ::archive_entry_set_perm(entry.get(), 0600);
  ::archive_entry_set_size(entry.get(), static_cast<std::int64_t>(content.size()));
  if (::archive_write_header(archive_.get(), entry.get()) != ARCHIVE_OK) fail(name);
  write(content.data(), content.size());
}

void TarWriter::tree(int root, const std::string& prefix, const std::function<void(std::uint64_t, const std::string&)>& progress) {
  walk_tree(root, [&](const TreeEntry& entry) {
    meter_->check();
    const mode_t type = entry.facts.st_mode & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK || type == S_IFSOCK) return;
    add(entry, prefix);
    progress(bytes_, entry.path);
  });
}

void TarWriter::add(const TreeEntry& file, const std::string& prefix) {
  const Entry entry{::archive_entry_new()};
  const std::string name = prefix + (file.path.empty() ? "./" : file.path);
  const mode_t type = file.facts.st_mode & S_IFMT;
  ::archive_entry_copy_stat(entry.get(), &file.facts);
  ::archive_entry_set_pathname(entry.get(), name.c_str());
  if (type != S_IFREG) ::archive_entry_set_size(entry.get(), 0);
  if (type == S_IFLNK) {
    std::array<char, PATH_MAX> target{};
    if (::readlinkat(file.parent, file.name.c_str(), target.data(), target.size() - 1) < 0) throw errno_error("readlinkat", file.path);
    ::archive_entry_set_symlink(entry.get(), target.data());
  }
  if (type == S_IFREG && file.facts.st_nlink > 1) {
    const auto [known, fresh] = links_.try_emplace({file.facts.st_dev, file.facts.st_ino}, name);
    if (!fresh) {
      ::archive_entry_set_hardlink(entry.get(), known->second.c_str());
      ::archive_entry_set_size(entry.get(), 0);
      if (::archive_write_header(archive_.get(), entry.get()) != ARCHIVE_OK) fail(name);
      return;
    }
  }
  unique_fd opened;
  if (type == S_IFREG || type == S_IFDIR) {
    opened.reset(::openat(file.parent, file.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!opened) throw errno_error("openat", file.path);
    add_attributes(opened.get(), entry.get(), file.path);
  }
  if (type == S_IFREG) {
    const auto ranges = data_of(opened.get(), file.facts.st_size, file.path);
    const bool whole = ranges.size() == 1 && ranges[0].length == file.facts.st_size;
    if (!whole && file.facts.st_size > 0) {
      for (const Range& range : ranges) ::archive_entry_sparse_add_entry(entry.get(), range.offset, range.length);
      if (ranges.empty()) ::archive_entry_sparse_add_entry(entry.get(), file.facts.st_size, 0);   // a map of nothing but a hole
    }
  }
  if (::archive_write_header(archive_.get(), entry.get()) != ARCHIVE_OK) fail(name);
  if (type == S_IFREG) contents(opened.get(), file);
}

// libarchive wants every byte of a sparse file too, but looks only at those that are data.
void TarWriter::contents(int fd, const TreeEntry& file) {
  std::int64_t at = 0;
  for (const Range& range : data_of(fd, file.facts.st_size, file.path)) {
    hole(static_cast<std::uint64_t>(range.offset - at));
    for (at = range.offset; at < range.offset + range.length;) {
      meter_->check();
      const std::size_t step = std::min<std::size_t>(buffer_.size(), static_cast<std::size_t>(range.offset + range.length - at));
      const ssize_t got = ::pread(fd, buffer_.data(), step, at);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw Error{Code::conflict, file.path + " changed while it was read"};
      write(buffer_.data(), static_cast<std::uint64_t>(got));
      bytes_ += static_cast<std::uint64_t>(got);
      at += got;
    }
  }
  hole(static_cast<std::uint64_t>(file.facts.st_size - at));
}

void TarWriter::write(const void* bytes, std::uint64_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const la_ssize_t wrote = ::archive_write_data(archive_.get(), at, size);
    if (wrote <= 0) fail("data");
    at += wrote;
    size -= static_cast<std::uint64_t>(wrote);
  }
}

void TarWriter::hole(std::uint64_t size) {
  std::fill(buffer_.begin(), buffer_.end(), '\0');
  while (size > 0) {
    meter_->check();
    const la_ssize_t wrote = ::archive_write_data(archive_.get(), buffer_.data(), std::min<std::uint64_t>(size, buffer_.size()));
    if (wrote <= 0) fail("a hole");
    size -= static_cast<std::uint64_t>(wrote);
  }
}

void TarWriter::finish() {
  if (::archive_write_close(archive_.get()) != ARCHIVE_OK) fail("closing it");
}

std::string TarWriter::digest() { return hex(hash_.sum()); }

}  // namespace sovirt::image
