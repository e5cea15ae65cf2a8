#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/domain/container_terminals.hpp"
#include "daemon/server/input_pipe.hpp"

namespace sovirt {

// One who watches a console. Event loop.
class ConsoleWatcher {
 public:
  virtual ~ConsoleWatcher() = default;
  virtual void on_news() = 0;                          // there is more to show, or it has ended
  virtual void on_keyboard(bool yours) = 0;            // got it, or lost it to another
  virtual void on_room() = 0;                          // all that was typed is written
  virtual bool may_type() const noexcept = 0;
};

// What a console shows, taken from its monitor once for all who watch it. The last half megabyte is kept; who falls
// behind that has missed something. Positions count the bytes of the log, and those that did not fit on the disk.
// Event loop.
class ConsoleFeed : public std::enable_shared_from_this<ConsoleFeed> {
 public:
  ConsoleFeed(boost::asio::io_context&, OpenConsole&);

  void start();
  // The position of what follows this offset of the log.
  std::uint64_t position_of(std::uint64_t log_offset) const noexcept { return end_ + (log_offset - log_end_); }
  std::uint64_t begin() const noexcept { return begin_; }   // the oldest byte that is kept
  std::uint64_t end() const noexcept { return end_; }
  void copy(std::uint64_t position, char* to, std::size_t size) const noexcept;
  bool ended() const noexcept { return ended_; }
  const std::optional<ExitStatus>& exit() const noexcept { return exit_; }

  void join(ConsoleWatcher&, bool take_keyboard);
  void leave(ConsoleWatcher&) noexcept;
  bool types(const ConsoleWatcher& watcher) const noexcept { return writer_ == &watcher; }
  void type(std::string_view bytes) { input_->write(bytes); }
  std::size_t typed_ahead() const noexcept { return input_->waiting(); }
  void resize(WindowSize size) noexcept { watch_->resize(size); }

 private:
  void wait();
  void rest();
  void take_news();
  void tell();
  void take(const ConsoleWatch::News&);
  void fill_gap(std::uint64_t offset);
  void append(std::string_view bytes);
  void give_keyboard(ConsoleWatcher*);

  boost::asio::io_context& io_;
  std::unique_ptr<ConsoleWatch> watch_;
  std::function<Launcher::Log(std::uint64_t, std::size_t)> read_log_;
  boost::asio::posix::stream_descriptor ready_;
  boost::asio::steady_timer rest_;
  std::shared_ptr<InputPipe> input_;
  std::vector<char> ring_;
  std::uint64_t begin_ = 0, end_ = 0, log_end_;
  bool ended_ = false;
  std::optional<ExitStatus> exit_;
  std::vector<ConsoleWatcher*> watchers_;
  ConsoleWatcher* writer_ = nullptr;
};

// The feeds that somebody watches, by the container's uid. Event loop.
class ConsoleFeeds {
 public:
  // That which is there, or a new one.
  std::shared_ptr<ConsoleFeed> feed(boost::asio::io_context&, OpenConsole&);

 private:
  std::map<std::string, std::weak_ptr<ConsoleFeed>> feeds_;
};

}  // namespace sovirt
