#include "daemon/kernel/mount/elf_cache.hpp"

#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {

ElfVerdict ElfCache::read(int path_fd, const struct stat& facts, ElfFile& out) {
  constexpr std::size_t most = 4096;
  const Key key{facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec, facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec};
  {
    const std::scoped_lock lock{mutex_};
    if (const auto found = known_.find(key); found != known_.end()) {
      out = found->second;
      return ElfVerdict::fine;
    }
  }
  const unique_fd file = reopen_for_reading(path_fd);
  if (!file) return ElfVerdict::damaged;
  const ElfVerdict verdict = read_elf(file.get(), out);
  if (verdict != ElfVerdict::fine) return verdict;
  const std::scoped_lock lock{mutex_};
  if (known_.size() >= most) known_.clear();
  known_.emplace(key, out);
  return verdict;
}

}  // namespace sovirt::rootfs
