#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

struct RootfsLayers {
  std::string lower;     // the image's root, read-only
  std::string directory; // the container's own: holds upper/ and work/
  std::vector<std::string> layers = {};  // frozen ones between the two, the topmost first
};

// A file to be put into a root file system before its start, resolved inside it.
struct RootfsFile {
  std::string path;      // "/etc/hosts"
  std::string content;
  std::uint32_t mode = 0644;
  bool keep_existing = false;
};

// The root file systems of containers. Thread-safe. Throws Error.
class RootFilesystems {
 public:
  virtual ~RootFilesystems() = default;
  virtual void create(const RootfsLayers&) = 0;                 // directories; no bytes are copied; exists: fine
  virtual bool remove(const std::string& directory) = 0;        // false: was absent
  // Renames it within the file system. Repeated: fine. false: neither is there.
  virtual bool move(const std::string& directory, const std::string& to) = 0;
  virtual std::vector<std::string> directories(const std::string& parent) = 0;  // names found there, for orphans
  // overlayfs of the layers as a mount that no mount table shows, until it is moved into one. Without a directory: read-only.
  virtual unique_fd mount(const RootfsLayers&) = 0;
  virtual void write(int rootfs, const std::vector<RootfsFile>&) = 0;
  // Can this command be executed there? Resolves argv[0] by `path_variable` if it has no slash, follows links inside the root,
  // and reads the ELF header, interpreter and DT_NEEDED (or `#!` line) without running anything.
  // nullopt: yes. Otherwise what is missing: "/bin/bash is not in the root file system",
  // "/bin/bash needs /lib64/ld-linux-x86-64.so.2, which is not …", "… is not executable".
  virtual std::optional<std::string> missing_for(int rootfs, std::string_view command, std::string_view path_variable) = 0;
  // The init an image boots by default: "/sbin/init" and the like. nullopt: it has none.
  virtual std::optional<std::string> find_init(int rootfs) = 0;
  // The signal that init takes as "shut down": SIGRTMIN+3 for systemd, SIGPWR, SIGTERM, SIGUSR2 …
  virtual int shutdown_signal(int rootfs, std::string_view command) = 0;
};

}  // namespace sovirt
