#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "daemon/domain/ports/file_access.hpp"

namespace sovirt {

// Files in memory, those of all roots together. What it does not do: links, owners of their own, archives (the
// "archive" of a directory is its path). Thread-safe.
class FakeFileAccess final : public FileAccess {
 public:
  // For tests.
  std::function<unique_fd()> open_root;  // what root_of() gives; a descriptor of no use where it is not set
  void put(const std::string& path, std::string content);
  std::map<std::string, std::string> all() const;
  std::size_t open() const;              // sources and targets that are alive
  void end_process(pid_t init);          // root_of() refuses it from now on

  unique_fd root_of(const ProcessId& init) override;
  FileFacts look(int root, const std::string& path) override;
  std::vector<FileFacts> list(int root, const std::string& path, const std::string& after, std::size_t most) override;
  std::unique_ptr<ByteSource> read(int root, const std::string& path, FileFacts& facts) override;
  std::unique_ptr<ByteSource> read_tree(int root, const std::string& path) override;
  std::unique_ptr<ByteTarget> write(int root, const std::string& path, const FileAttributes&) override;
  std::unique_ptr<ByteTarget> write_tree(int root, const std::string& path, bool make) override;
  void remove(int root, const std::string& path, bool recursive) override;

 private:
  struct State {
    std::mutex mutex;
    std::map<std::string, std::string> files;
    std::set<pid_t> ended;
    std::size_t open = 0;
  };
  class Source;
  class Target;
  bool is_directory(const std::string& path) const;

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace sovirt
