#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/timestamp.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/byte_stream.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

struct FileFacts {
  std::string name;                    // last component of its path
  std::string type;                    // file | directory | link | fifo | socket | device
  std::uint32_t mode = 0;              // permissions with the set-id and sticky bits
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;              // of a file; what /proc makes up as it is read says 0
  Time modified{};
  std::string target;                  // of a link, as it is written
};

// nullopt: what the file that is replaced has, or 0644 and 0:0.
struct FileAttributes {
  std::optional<std::uint32_t> mode, uid, gid;
  bool make_parents = false;
};

// Files below a root that somebody else controls, a container's: every path is looked up inside it, whatever links
// lie on the way and however they change meanwhile. Paths are absolute, without `..`. Only regular files and
// directories are opened, so nothing blocks or has effects. Thread-safe. Throws Error: not_found, conflict for what
// the kind of file or the kernel forbids, disk_full.
class FileAccess {
 public:
  virtual ~FileAccess() = default;
  virtual unique_fd root_of(const ProcessId& init) = 0;   // Error{conflict}: it has ended
  virtual FileFacts look(int root, const std::string& path) = 0;                 // links followed
  // The entries of a directory by name, beyond `after`, at most `most`.
  virtual std::vector<FileFacts> list(int root, const std::string& path, const std::string& after, std::size_t most) = 0;
  virtual std::unique_ptr<ByteSource> read(int root, const std::string& path, FileFacts& facts) = 0;
  // A tar archive of what is below a directory, named relative to it, or of one file. Mounts on it are left out.
  virtual std::unique_ptr<ByteSource> read_tree(int root, const std::string& path) = 0;
  // Replaces the file whole when it is finished, until then nothing is seen of it.
  virtual std::unique_ptr<ByteTarget> write(int root, const std::string& path, const FileAttributes&) = 0;
  // Unpacks a tar archive into a directory as it comes; what was unpacked before an error stays.
  // make: the directory and those on the way to it, where they are missing.
  virtual std::unique_ptr<ByteTarget> write_tree(int root, const std::string& path, bool make) = 0;
  virtual void remove(int root, const std::string& path, bool recursive) = 0;    // the link itself, not what it leads to
};

}  // namespace sovirt
