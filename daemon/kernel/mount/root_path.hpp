#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.hpp"

// Paths inside a root that somebody else controls. Nothing here can be led out of it: every look-up is
// openat2(2) with RESOLVE_IN_ROOT, where links, absolute ones too, and `..` stay below the root's descriptor.
namespace sovirt::rootfs {

// openat2 with RESOLVE_IN_ROOT and no magic links, close-on-exec. -1 with errno on failure: absence is for
// the caller to judge. `resolve` adds RESOLVE_* flags.
int open_in_root(int root, const std::string& path, std::uint64_t flags, std::uint64_t mode = 0,
                 std::uint64_t resolve = 0) noexcept;

// For reading, only if it is a regular file: a FIFO or a device is never opened, since that alone can block or
// have effects. Empty with errno otherwise (EISDIR, EINVAL for special files).
unique_fd open_regular(int root, const std::string& path) noexcept;
unique_fd reopen_for_reading(int path_fd) noexcept;  // an O_PATH descriptor of a regular file

// Where an open file lies as seen from the root ("/usr/bin/bash"), all links resolved. "" if not below it.
std::string real_path(int root, int fd);

// The directory that holds `path`'s last component; missing ones are created 0755. Throws Error.
unique_fd make_parents(int root, std::string_view path);

// "/a//b/./c" -> "/a/b/c"; `..` is kept. Always absolute.
std::string tidy(std::string_view path);
std::string_view base_name(std::string_view path) noexcept;
std::string parent_of(std::string_view path);   // "/" for "/x"

// Reads at most `most` bytes of a regular file; false if there is more or it cannot be read.
bool read_file(int fd, std::size_t most, std::string& out);

}  // namespace sovirt::rootfs
