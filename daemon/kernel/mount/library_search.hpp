#pragma once
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/mount/elf_file.hpp"

namespace sovirt::rootfs {

struct FoundLibrary {
  std::string path;    // as found, links not resolved: "/lib/x86_64-linux-gnu/libc.so.6"
  ElfFile elf;
  dev_t device = 0;    // of the file itself: the same library by two names is one
  ino_t inode = 0;
  std::string directory;  // of the file itself, for its own $ORIGIN
};

// Where the dynamic linker of a root looks for shared libraries: run paths, /etc/ld.so.conf, the linker's own
// directory, the usual ones. Not thread-safe; made for one look-up. Source: ld.so(8).
class LibrarySearch {
 public:
  LibrarySearch(int root, const ElfFile& program, const std::string& interpreter);

  // `run_paths`: already expanded directories, searched first. A file of another machine is passed over, as ld.so does.
  std::optional<FoundLibrary> find(const std::string& name, const std::vector<std::string>& run_paths);

 private:
  struct Directory { std::string path; unique_fd fd; };
  Directory* directory(const std::string& path);
  std::optional<FoundLibrary> in_directory(const std::string& path, const std::string& name);
  std::optional<FoundLibrary> at(const std::string& path, unique_fd found);
  void add_default(const std::string& path);
  void read_conf(const std::string& path, int depth);
  void read_conf_pattern(const std::string& pattern, int depth);
  void read_musl_path();

  int root_;
  ElfFile program_;
  std::map<std::string, Directory> directories_;   // opened once; an absent one is kept with an empty fd
  std::vector<std::pair<dev_t, ino_t>> known_;      // of default directories: /lib and /usr/lib are often one
  std::vector<std::string> defaults_;
};

// "$ORIGIN/../lib:/opt/x" -> directories. Empty and relative parts are dropped: they depend on the process.
std::vector<std::string> expand_run_path(std::string_view text, const std::string& origin, const ElfFile&);

}  // namespace sovirt::rootfs
