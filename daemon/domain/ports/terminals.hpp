#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/container.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

struct WindowSize { std::uint16_t rows = 24, columns = 80; };

struct SessionRequest {
  ExecRequest process;                  // without input and timeout: who opens the session has both in hand
  std::optional<WindowSize> terminal;   // nullopt: three pipes
  bool keep = false;                    // it goes on when the session is given up
};

// A process executed in a container, its streams in the caller's hands. Destroyed before its end: the process and
// all it started are killed, or left alone where the request says so. Nothing here blocks. Not thread-safe.
class ExecSession {
 public:
  virtual ~ExecSession() = default;

  // Non-blocking. With a terminal input and output are both its master, and there are no errors (-1).
  virtual int input() const noexcept = 0;
  virtual int output() const noexcept = 0;
  virtual int errors() const noexcept = 0;
  virtual void close_input() noexcept = 0;          // of pipes; a terminal's stays open
  // Readable when the end may be known.
  virtual int end_fd() const noexcept = 0;
  virtual std::optional<ExitStatus> end() = 0;      // nullopt: it has not ended. Throws Error{conflict}: nobody can tell
  virtual bool has_terminal() const noexcept = 0;
  virtual void resize(WindowSize) noexcept = 0;     // nothing without a terminal
  virtual void signal(int) noexcept = 0;            // to the process and what is in its group
};

// A container's console, watched. Destroyed: not any more; the container does not notice. Nothing here blocks. Not
// thread-safe.
class ConsoleWatch {
 public:
  struct News {
    enum class Kind { output, ended, lost } kind = Kind::lost;   // lost: its monitor is gone, and the rest unknown
    std::string_view bytes;             // valid until the next call
    std::uint64_t offset = 0;           // of the whole log, of the first byte; beyond the end of the news before: what
                                        // lies between was left out, and is in the log
    std::uint64_t logged = 0;           // so many of the bytes are in the log
    ExitStatus exit;
  };
  virtual ~ConsoleWatch() = default;
  virtual int fd() const noexcept = 0;                     // readable when there are news
  virtual std::optional<News> read() = 0;                  // nullopt: none now
  virtual std::uint64_t begin() const noexcept = 0;        // offset of the log where it began
  virtual int terminal() const noexcept = 0;               // what is written there was typed; non-blocking
  virtual void resize(WindowSize) noexcept = 0;
};

// Processes and consoles that somebody sits at. Thread-safe. Throws Error.
class Terminals {
 public:
  virtual ~Terminals() = default;
  // Returns when its execve has succeeded. Error{invalid}: it cannot be executed; Error{conflict}: the container is
  // not running, or its monitor is older than what this needs.
  virtual std::unique_ptr<ExecSession> open_exec(std::string_view uid, const SessionRequest&) = 0;
  // Error{conflict}: it is not running, has no console, or its monitor is older than this.
  virtual std::unique_ptr<ConsoleWatch> watch_console(std::string_view uid) = 0;
};

}  // namespace sovirt
