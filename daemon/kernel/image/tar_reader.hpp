#pragma once
#include <sys/types.h>

#include <cstdint>
#include <locale.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/image/progress_meter.hpp"

struct archive;
struct archive_entry;

namespace sovirt::image {

// One member of an archive, as its header says it: nothing in here is to be believed.
struct TarMember {
  std::string name;                   // "./usr/bin/env"
  mode_t type = 0;                    // S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO; 0 with hard_link
  mode_t permissions = 0;
  std::int64_t uid = 0, gid = 0;
  std::int64_t size = 0;
  timespec modified{};
  bool is_hard_link = false;
  std::string target;                 // of a symbolic or hard link
  std::vector<std::pair<std::string, std::string>> xattrs;
};

struct TarBlock { const void* bytes = nullptr; std::size_t size = 0; std::int64_t offset = 0; };

// The names of pax headers are UTF-8, which libarchive cannot give in the C locale. For the calling thread, while it lives.
class Utf8Locale {
 public:
  Utf8Locale() noexcept;
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;
  ~Utf8Locale();

 private:
  locale_t locale_, before_;
};

// A tar archive, plain or compressed by gzip, xz or zstd, read with libarchive. Errors of the archive are Error{invalid}.
class TarReader {
 public:
  TarReader(int fd, std::uint64_t size, const ProgressMeter&);
  TarReader(int fd, const ProgressMeter&);   // a stream: read as it comes
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  bool next(TarMember&);              // false: the end
  bool block(TarBlock&);              // of the member's data; false: no more. Holes are left out
  std::uint64_t read() const noexcept { return read_; }   // bytes of the file so far
  std::uint64_t size() const noexcept { return size_; }

 private:
  TarReader(int fd, bool stream, std::uint64_t size, const ProgressMeter&);
  static ssize_t give(archive*, void* self, const void** buffer);
  static std::int64_t skip(archive*, void* self, std::int64_t request);
  [[noreturn]] void fail() const;
  void fill(TarMember&, archive_entry*) const;

  struct Free { void operator()(archive*) const noexcept; };
  int fd_;
  bool stream_;
  std::uint64_t size_, read_ = 0;
  const ProgressMeter* meter_;
  std::string buffer_;
  std::string last_;                  // member at work, for messages
  bool cancelled_ = false;
  Utf8Locale utf8_;
  std::unique_ptr<archive, Free> archive_;
};

}  // namespace sovirt::image
