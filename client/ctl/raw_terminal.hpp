#pragma once
#include <cstdint>
#include <optional>

#include <termios.h>

namespace sovirt::ctl {

struct Extent { std::uint16_t rows = 24, columns = 80; };
std::optional<Extent> extent_of(int terminal);   // nullopt: it is none, or does not know

// While it lives, a terminal gives each byte as it is typed and shows none by itself. However the program ends, short
// of SIGKILL, the terminal is as it was. One at a time.
class RawTerminal {
 public:
  explicit RawTerminal(int terminal);   // throws Error
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;
  void again() noexcept;                // after the program was stopped, and the shell has set it as it likes

 private:
  int terminal_;
  termios raw_{};
};

}  // namespace sovirt::ctl
