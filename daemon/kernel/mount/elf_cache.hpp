#pragma once
#include <sys/stat.h>

#include <map>
#include <mutex>
#include <optional>
#include <tuple>

#include "daemon/kernel/mount/elf_file.hpp"

namespace sovirt::rootfs {

// What was read of ELF files, by the identity of the file: the containers of one image start with the same libraries,
// each through a mount of its own. So the device is not part of the key; the change time is, which nobody can set, to
// the nanosecond. Thread-safe. Forgets all when full.
class ElfCache {
 public:
  // The file behind an O_PATH descriptor whose fstat is `facts`.
  ElfVerdict read(int path_fd, const struct stat& facts, ElfFile& out);

 private:
  using Key = std::tuple<ino_t, off_t, time_t, long, time_t, long>;
  std::mutex mutex_;
  std::map<Key, ElfFile> known_;
};

}  // namespace sovirt::rootfs
