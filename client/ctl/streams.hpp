#pragma once
#include <csignal>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::ctl {

// Writes all of it, however long that takes. `interrupt`: readable ends the wait, -1: none.
// False: nobody reads it any more, or it was interrupted. Throws Error for a full disk and the like.
bool write_all(int fd, std::string_view bytes, int interrupt);

// These signals as something to be read, for as long as it lives.
class Signals {
 public:
  Signals(std::initializer_list<int> signals);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  int fd() const noexcept { return fd_.get(); }
  std::optional<int> next();   // nullopt: none is waiting

 private:
  sigset_t before_{};
  unique_fd fd_;
};

}  // namespace sovirt::ctl
