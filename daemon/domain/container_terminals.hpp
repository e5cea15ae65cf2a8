#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/domain/ports/terminals.hpp"

namespace sovirt {

struct ConsoleRequest {
  bool scrollback = false;                // begin with what is still worth reading
  std::optional<std::uint64_t> since;     // begin with this byte of the log, as far as it is kept
};

struct OpenConsole {
  std::string uid;                        // of the container
  std::unique_ptr<ConsoleWatch> watch;
  std::uint64_t begin = 0;                // offset of the log where the history begins
  std::string history;                    // what was shown before, at most 256 KiB
  // More of the log, as Launcher::console_log. Fast for what was written a moment ago.
  std::function<Launcher::Log(std::uint64_t since, std::size_t most)> read_log;
};

// What somebody at a terminal asks of a container. Everything blocks for a moment and belongs on the pool; what it
// gives does not block.
class ContainerTerminals {
 public:
  virtual ~ContainerTerminals() = default;
  virtual std::unique_ptr<ExecSession> open_exec(std::string_view container, const SessionRequest&) = 0;
  virtual OpenConsole open_console(std::string_view container, const ConsoleRequest&) = 0;
  // The offset of the log from which on it was written since then, to within a second.
  virtual std::uint64_t log_offset(std::string_view container, Time since) = 0;
};

}  // namespace sovirt
