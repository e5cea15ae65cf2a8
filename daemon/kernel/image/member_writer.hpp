#pragma once
#include <cstdint>
#include <string>

#include "daemon/kernel/image/tar_reader.hpp"

namespace sovirt::image {

struct TarballLimits {
  std::int64_t file_bytes = 256ll << 30;      // apparent size of one file: sparse ones cost nothing to make and much to copy
  std::uint64_t members = 10'000'000;
  std::uint64_t keep_free = 256ull << 20;     // bytes left on the file system
  int depth = 128;                            // components of a name
};

// Writes members below a root directory and nowhere else. Every directory on the way to a member is opened with
// RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, so neither `..` nor a link that an earlier member made leads anywhere: such a
// member is refused. Throws Error{invalid} that names the member.
class MemberWriter {
 public:
  MemberWriter(int root, TarballLimits limits) : root_(root), limits_(limits) {}
  void write(const TarMember&, TarReader&);   // reads the member's data from the reader
  std::uint64_t count() const noexcept { return count_; }

 private:
  struct Place { unique_fd parent; std::string name; };   // name "" is the root itself
  Place place(const TarMember&, const std::string& path, bool make_parents) const;
  unique_fd beneath(const TarMember&, const std::string& path, bool make) const;
  void directory(const TarMember&, const Place&);
  void file(const TarMember&, const Place&, TarReader&);
  void data(const TarMember&, int fd, TarReader&);
  void soft_link(const TarMember&, const Place&) const;
  void hard_link(const TarMember&, const Place&) const;
  void fifo(const TarMember&, const Place&) const;
  void clear(const TarMember&, const Place&) const;
  void own(const TarMember&, int fd) const;
  void keep_space(int fd);

  int root_;
  TarballLimits limits_;
  std::uint64_t count_ = 0, written_ = 0, checked_at_ = 0;
};

// "./a//b/" -> "a/b"; "" for the root. Throws for absolute names, `..`, NUL, and what is too long or deep.
std::string member_path(const std::string& name, int deepest);

}  // namespace sovirt::image
