#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/helpers.hpp"

namespace sovirt::helper {

// Which process a helper is: a pid is reused, its start time with it is not.
struct Identity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::string boot_id, digest;   // digest: of the spec it was started with
};

// The folder of one helper: its files, what it says, and who it is.
class HelperFolder {
 public:
  explicit HelperFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const noexcept { return path_; }
  bool exists() const noexcept;
  void create() const;
  void remove() const noexcept;
  bool write(std::string_view file, std::string_view content) const;       // atomically; false: it was so already
  std::optional<std::string> read(std::string_view file) const;
  std::string fill(std::string text) const;                                // "{dir}" -> path
  void remember(const Identity&) const;
  std::optional<Identity> identity() const;
  unique_fd open_log() const;                                              // emptied
  std::string last_words() const;

 private:
  std::string path_;
};

std::uint64_t start_ticks_of(pid_t pid);                    // 0: no such process
unique_fd open_process(const Identity&, const std::string& boot_id);   // a pidfd; empty: it is not there any more
std::string digest_of(const HelperSpec&);

}  // namespace sovirt::helper
