#pragma once
#include <sys/types.h>

#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/root_filesystems.hpp"

namespace sovirt {

// Root file systems in memory. A mount is a descriptor of an empty file whose inode stands for it, so that it can be
// duplicated and passed on like the real one. What it does not do: hold an image's files (an Image says what
// is in it) or make anything on disk. Thread-safe.
class FakeRootFilesystems final : public RootFilesystems {
 public:
  struct Image {
    std::optional<std::string> init = "/sbin/init";
    int shutdown_signal = SIGTERM;
    std::optional<std::set<std::string>> commands;  // nullopt: it has every command
  };

  // For tests.
  void fail_call(int n, Error error);                            // the n-th call of the port from now on, 1: the next
  int calls() const;
  void set_image(const std::string& lower, Image image);         // images nobody set are Image{}
  bool exists(const std::string& directory) const;
  std::map<std::string, std::string> files(const std::string& directory) const;  // written there: path to content
  void set_files(const std::string& directory, std::map<std::string, std::string> files);  // made if absent
  bool drop(const std::string& directory);                       // false: absent
  std::size_t mounts() const;                                    // made since the start

  void create(const RootfsLayers&) override;
  bool remove(const std::string& directory) override;
  bool move(const std::string& directory, const std::string& to) override;
  std::vector<std::string> directories(const std::string& parent) override;
  unique_fd mount(const RootfsLayers&) override;
  void write(int rootfs, const std::vector<RootfsFile>&) override;
  std::optional<std::string> missing_for(int rootfs, std::string_view command, std::string_view path_variable) override;
  std::optional<std::string> find_init(int rootfs) override;
  int shutdown_signal(int rootfs, std::string_view command) override;
  unique_fd mount_again();                                       // what was mounted last
  RootfsLayers layers(int rootfs) const;                         // of a mount

 private:
  void count_call();
  const RootfsLayers& find(int rootfs) const;
  Image image(int rootfs) const;

  mutable std::mutex mutex_;
  std::map<std::string, Image> images_;
  std::map<std::string, std::map<std::string, std::string>> containers_;   // by directory: what was written
  std::map<std::pair<dev_t, ino_t>, RootfsLayers> mounts_;
  RootfsLayers newest_;
  std::size_t made_ = 0;
  std::map<int, Error> failures_;                                // by number of the call
  int calls_ = 0;
};

}  // namespace sovirt
