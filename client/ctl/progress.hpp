#pragma once
#include <chrono>
#include <functional>
#include <string>

#include "client/ctl/terminal.hpp"

namespace sovirt::ctl {

// The line on stderr that says what is being waited for. On a terminal it is redrawn in place and wiped at the end;
// elsewhere a plain line is written every few seconds. Nothing is shown in the first half second.
class Progress {
 public:
  Progress(const Terminal& terminal, bool quiet) : terminal_(terminal), quiet_(quiet) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void begin(std::string doing);                    // "building image debian"
  void update(int percent, std::string message);    // percent < 0: not known
  void tick();
  void clear();                                     // wipes the line; it comes back with the next tick
  void end();                                       // clear, and nothing more is shown

  // The line as it would be now. Public for tests.
  std::string line(std::chrono::milliseconds elapsed) const;

 private:
  Terminal terminal_;
  bool quiet_;
  bool active_ = false;
  bool drawn_ = false;
  std::string doing_, message_;
  int percent_ = -1;
  std::chrono::steady_clock::time_point start_{}, last_line_{};
};

}  // namespace sovirt::ctl
