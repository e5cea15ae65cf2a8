#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"
#include "daemon/server/server.hpp"

namespace sovirt {

// A listening Unix socket and the file it is reached by, which goes with it if we made it.
class Listener {
 public:
  // Takes the inherited descriptor, or makes the socket file with its owner and mode in place before anybody can
  // connect. The file of a daemon that is dead is replaced; one that answers is Error{conflict}.
  explicit Listener(Listen);
  ~Listener();
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;

  int fd() const noexcept { return fd_.get(); }
  bool read_only() const noexcept { return read_only_; }
  const std::string& path() const noexcept { return path_; }

 private:
  unique_fd fd_;
  std::string path_;
  bool read_only_ = false;
  bool ours_ = false;
  dev_t device_ = 0;      // of the file we made: another daemon may have put its own there since
  ino_t inode_ = 0;
};

}  // namespace sovirt
