#include "daemon/kernel/image/tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/base/error.hpp"

namespace sovirt::image {
namespace {

constexpr std::size_t most_xattrs = 64, largest_xattr = 65536;

const char* first(const char* local, const char* utf8) noexcept { return local ? local : utf8; }

}  // namespace

Utf8Locale::Utf8Locale() noexcept
    : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), before_(::uselocale(locale_ ? locale_ : LC_GLOBAL_LOCALE)) {}

Utf8Locale::~Utf8Locale() {
  ::uselocale(before_);
  if (locale_) ::freelocale(locale_);
}

void TarReader::Free::operator()(archive* one) const noexcept { ::archive_read_free(one); }

TarReader::TarReader(int fd, std::uint64_t size, const ProgressMeter& meter) : TarReader(fd, false, size, meter) {}

TarReader::TarReader(int fd, const ProgressMeter& meter) : TarReader(fd, true, 0, meter) {}

TarReader::TarReader(int fd, bool stream, std::uint64_t size, const ProgressMeter& meter)
    : fd_(fd), stream_(stream), size_(size), meter_(&meter), buffer_(256 * 1024, '\0'), archive_(::archive_read_new()) {
  if (!archive_) throw Error{Code::internal, "libarchive is out of memory"};
  archive* one = archive_.get();
  // Only what is compiled in: a filter that libarchive runs as a program would be run as root.
  const bool fine = ::archive_read_support_filter_gzip(one) == ARCHIVE_OK && ::archive_read_support_filter_xz(one) == ARCHIVE_OK &&
                    ::archive_read_support_filter_zstd(one) == ARCHIVE_OK && ::archive_read_support_format_tar(one) == ARCHIVE_OK;
  if (!fine) throw Error{Code::unsupported, "this host's libarchive lacks gzip, xz or zstd"};
  ::archive_read_set_callback_data(one, this);
  ::archive_read_set_read_callback(one, &TarReader::give);
  ::archive_read_set_skip_callback(one, &TarReader::skip);
  if (::archive_read_open1(one) != ARCHIVE_OK) fail();
}

ssize_t TarReader::give(archive* one, void* self, const void** buffer) {
  auto& reader = *static_cast<TarReader*>(self);
  if (reader.meter_->stop().stop_requested()) {
    reader.cancelled_ = true;
    ::archive_set_error(one, ECANCELED, "cancelled");
    return ARCHIVE_FATAL;
  }
  ssize_t got = 0;
  do got = reader.stream_ ? ::read(reader.fd_, reader.buffer_.data(), reader.buffer_.size())
                          : ::pread(reader.fd_, reader.buffer_.data(), reader.buffer_.size(), static_cast<off_t>(reader.read_));
  while (got < 0 && errno == EINTR);
  if (got < 0) {
    ::archive_set_error(one, errno, "reading the file failed");
    return ARCHIVE_FATAL;
  }
  reader.read_ += static_cast<std::uint64_t>(got);
  *buffer = reader.buffer_.data();
  return got;
}

std::int64_t TarReader::skip(archive*, void* self, std::int64_t request) {
  auto& reader = *static_cast<TarReader*>(self);
  // Never beyond the end, so that an archive cut short there is seen to be.
  const std::int64_t left = static_cast<std::int64_t>(reader.size_) - static_cast<std::int64_t>(reader.read_);
  const std::int64_t step = request < 0 || left < 0 ? 0 : request < left ? request : left;
  reader.read_ += static_cast<std::uint64_t>(step);
  return step;
}

void TarReader::fail() const {
  if (cancelled_) meter_->check();
  const char* words = ::archive_error_string(archive_.get());
  std::string detail = "the archive cannot be read";
  if (!last_.empty()) detail += " after \"" + last_ + "\"";
  throw Error{Code::invalid, detail + ": " + (words ? words : "unknown error")}
      .with_hint("it must be a whole tar archive, plain or compressed by gzip, xz or zstd");
}

bool TarReader::next(TarMember& member) {
  archive_entry* entry = nullptr;
  const int result = ::archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return false;
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail();
  member = {};
  fill(member, entry);
  last_ = member.name.substr(0, 200);
  return true;
}

void TarReader::fill(TarMember& member, archive_entry* entry) const {
  const char* name = first(::archive_entry_pathname(entry), ::archive_entry_pathname_utf8(entry));
  if (!name) throw Error{Code::invalid, "a member after \"" + last_ + "\" has a name that cannot be read"};
  member.name = name;
  member.type = ::archive_entry_filetype(entry);
  member.permissions = ::archive_entry_perm(entry);
  member.uid = ::archive_entry_uid(entry);
  member.gid = ::archive_entry_gid(entry);
  member.size = ::archive_entry_size(entry);
  member.modified = {::archive_entry_mtime(entry), ::archive_entry_mtime_nsec(entry)};
  const char* hard = first(::archive_entry_hardlink(entry), ::archive_entry_hardlink_utf8(entry));
  const char* soft = first(::archive_entry_symlink(entry), ::archive_entry_symlink_utf8(entry));
  member.is_hard_link = hard != nullptr;
  if (hard) member.target = hard;
  else if (soft) member.target = soft;
  ::archive_entry_xattr_reset(entry);
  const char* key = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (member.xattrs.size() < most_xattrs && ::archive_entry_xattr_next(entry, &key, &value, &size) == ARCHIVE_OK)
    if (key && size <= largest_xattr) member.xattrs.emplace_back(key, std::string(static_cast<const char*>(value), size));
}

bool TarReader::block(TarBlock& block) {
  meter_->check();  // a few bytes of a compressed file may be gigabytes of data
  const int result = ::archive_read_data_block(archive_.get(), &block.bytes, &block.size, &block.offset);
  if (result == ARCHIVE_EOF) return false;
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) fail();
  return true;
}

}  // namespace sovirt::image
