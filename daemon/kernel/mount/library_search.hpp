#pragma once
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/mount/elf_cache.hpp"
#include "daemon/kernel/mount/elf_file.hpp"

namespace sovirt::rootfs {

struct FoundLibrary {
  std::string path;    // as found, links not resolved: "/lib/x86_64-linux-gnu/libc.so.6"
  ElfFile elf;
  dev_t device = 0;    // of the file itself: the same library by two names is one
  ino_t inode = 0;
  std::string directory;  // of the file itself, for its own $ORIGIN
};

// as_linked: the file that ld.so would take. any: some file of that name that fits, which is all that must be known
// to tell whether a program can start; /etc/ld.so.conf is then read only when the usual places have it not.
enum class LibraryOrder { as_linked, any };

// Where the dynamic linker of a root looks for shared libraries: run paths, /etc/ld.so.conf, the linker's own
// directory, the usual ones. Not thread-safe; made for one look-up. Source: ld.so(8).
class LibrarySearch {
 public:
  LibrarySearch(int root, const ElfFile& program, std::string interpreter, LibraryOrder order, ElfCache& cache);

  // `run_paths`: already expanded directories, searched first. A file of another machine is passed over, as ld.so does.
  std::optional<FoundLibrary> find(const std::string& name, const std::vector<std::string>& run_paths);

 private:
  struct Directory { std::string path; unique_fd fd; };
  Directory* directory(const std::string& path);
  std::optional<FoundLibrary> in_directory(const std::string& path, const std::string& name);
  std::optional<FoundLibrary> at(const std::string& path, unique_fd found);
  std::optional<FoundLibrary> in_defaults(std::size_t begin, const std::string& name);
  void add_default(const std::string& path);
  void add_usual();
  void add_configured();
  void read_conf(const std::string& path, int depth);
  void read_conf_pattern(const std::string& pattern, int depth);
  void read_musl_path();

  int root_;
  ElfFile program_;
  std::string interpreter_;
  ElfCache* cache_;
  bool configured_ = false;                         // ld.so.conf has been read
  std::map<std::string, Directory> directories_;   // opened once; an absent one is kept with an empty fd
  std::vector<std::pair<dev_t, ino_t>> known_;      // of default directories: /lib and /usr/lib are often one
  std::vector<std::string> defaults_;
};

// "$ORIGIN/../lib:/opt/x" -> directories. Empty and relative parts are dropped: they depend on the process.
std::vector<std::string> expand_run_path(std::string_view text, const std::string& origin, const ElfFile&);

}  // namespace sovirt::rootfs
