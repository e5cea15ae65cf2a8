#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "daemon/kernel/image/progress_meter.hpp"
#include "daemon/kernel/image/sha256.hpp"
#include "daemon/kernel/image/tar_reader.hpp"
#include "daemon/kernel/image/tree_walk.hpp"

struct archive;

namespace sovirt::image {

// Writes a tar archive (pax, zstd) with libarchive. Holes of files stay holes, and cost nothing however large.
class TarWriter {
 public:
  TarWriter(int fd, const ProgressMeter&);
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void text(const std::string& name, const std::string& content);
  // Every file below a directory, under `prefix` ("rootfs/"). Device nodes and sockets are left out.
  void tree(int root, const std::string& prefix, const std::function<void(std::uint64_t bytes, const std::string& path)>& progress);
  void finish();
  std::uint64_t size() const noexcept { return size_; }
  std::string digest();                    // after finish(): SHA-256 of what was written, in hex

 private:
  static ssize_t take(archive*, void* self, const void* bytes, std::size_t size);
  void add(const TreeEntry&, const std::string& prefix);
  void contents(int fd, const TreeEntry&);
  void write(const void* bytes, std::uint64_t size);
  void hole(std::uint64_t size);
  [[noreturn]] void fail(const std::string& what) const;

  struct Free { void operator()(archive*) const noexcept; };
  int fd_;
  const ProgressMeter* meter_;
  Utf8Locale utf8_;
  std::unique_ptr<archive, Free> archive_;
  Sha256 hash_;
  std::string buffer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
  std::uint64_t size_ = 0, bytes_ = 0;
};

bool archived_attribute(std::string_view name) noexcept;   // an extended attribute that means the same elsewhere

}  // namespace sovirt::image
