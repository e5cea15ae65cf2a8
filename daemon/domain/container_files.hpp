#pragma once
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/ports/file_access.hpp"

namespace sovirt {

// Files of containers, running or stopped, as the server asks for them. Paths are absolute and without `..`
// (check_file_path). A transfer ends with an error when the container starts, stops or is deleted
// meanwhile: its files are then those of another mount.
class ContainerFiles {
 public:
  virtual ~ContainerFiles() = default;
  virtual FileFacts look(std::string_view container, const std::string& path) = 0;
  virtual std::vector<FileFacts> list(std::string_view container, const std::string& path, const std::string& after, std::size_t most) = 0;
  virtual std::unique_ptr<ByteSource> read(std::string_view container, const std::string& path, FileFacts& facts) = 0;
  virtual std::unique_ptr<ByteSource> read_tree(std::string_view container, const std::string& path) = 0;
  virtual std::unique_ptr<ByteTarget> write(std::string_view container, const std::string& path, const FileAttributes&) = 0;
  virtual std::unique_ptr<ByteTarget> write_tree(std::string_view container, const std::string& path, bool make) = 0;
  virtual void remove(std::string_view container, const std::string& path, bool recursive) = 0;
};

class FileSessions final : public ContainerFiles {
 public:
  FileSessions(Catalog& catalog, KeyedLocks& locks, const KernelPorts& kernel, const Places& places)
      : catalog_(catalog), locks_(locks), kernel_(kernel), places_(places) {}

  FileFacts look(std::string_view container, const std::string& path) override;
  std::vector<FileFacts> list(std::string_view container, const std::string& path, const std::string& after, std::size_t most) override;
  std::unique_ptr<ByteSource> read(std::string_view container, const std::string& path, FileFacts& facts) override;
  std::unique_ptr<ByteSource> read_tree(std::string_view container, const std::string& path) override;
  std::unique_ptr<ByteTarget> write(std::string_view container, const std::string& path, const FileAttributes&) override;
  std::unique_ptr<ByteTarget> write_tree(std::string_view container, const std::string& path, bool make) override;
  void remove(std::string_view container, const std::string& path, bool recursive) override;

  // Ends every transfer of a container and lets go of its mount, before the mount becomes another's.
  void end(std::string_view uid);

 private:
  struct Root;
  struct Transfer;
  class Source;
  class Target;
  template <typename Work> auto with_root(std::string_view container, Work&& work);
  std::shared_ptr<Root> stopped_root(const Entry&);

  Catalog& catalog_;
  KeyedLocks& locks_;
  KernelPorts kernel_;
  const Places& places_;
  std::mutex mutex_;
  std::map<std::string, std::list<std::weak_ptr<Transfer>>, std::less<>> transfers_;   // by uid
  std::map<std::string, std::weak_ptr<Root>, std::less<>> stopped_;                    // one mount a container
};

}  // namespace sovirt
