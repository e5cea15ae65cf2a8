#pragma once
#include <string>
#include <string_view>

namespace sovirt::ctl {

// Ctrl-A Q among what is typed, in whatever pieces it comes; Ctrl-A twice is one Ctrl-A for the other side.
class EscapeKeys {
 public:
  std::string pass(std::string_view typed);   // what goes on; nothing behind the leaving
  bool leaves() const noexcept { return leaves_; }

 private:
  bool begun_ = false, leaves_ = false;
};

}  // namespace sovirt::ctl
