#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/async/worker_pool.hpp"
#include "daemon/server/dispatcher.hpp"
#include "daemon/server/listener.hpp"
#include "daemon/server/reply_writer.hpp"
#include "daemon/server/server.hpp"

namespace sovirt {

class Session;

// What all connections share: the loop, the listeners, the sessions, one timer for all their deadlines, and the
// news of events. Everything but post() and event_happened() belongs to the thread of run().
class Core : public std::enable_shared_from_this<Core> {
 public:
  using Clock = std::chrono::steady_clock;

  Core(ServerOptions, Service&, WorkerPool&, Log&);
  ~Core();

  void run();
  int stop_fd() const noexcept { return stop_event_.get(); }

  // From any thread: runs it on the loop, or drops it when the loop has ended.
  void post(std::function<void()>);
  void watch_deadline(Clock::time_point);      // a session's deadline may be the earliest now
  void remove(const std::shared_ptr<Session>&);
  void stream_begins();
  void stream_ends() noexcept;
  std::string next_request_id();

  boost::asio::io_context& io() noexcept { return io_; }
  const ServerLimits& limits() const noexcept { return options_.limits; }
  Dispatcher& dispatcher() noexcept { return dispatcher_; }
  WorkerPool& pool() noexcept { return pool_; }
  ReplyWriter& writer() noexcept { return writer_; }
  bool stopping() const noexcept { return stopping_; }

 private:
  struct Door {   // a listener with its place in the loop
    Listener listener;
    boost::asio::posix::stream_descriptor ready;
    boost::asio::steady_timer pause;
  };
  enum class Accepted { one, none, exhausted };
  void accept_when_ready(Door&);
  Accepted accept_one(Door&);
  void accept_later(Door&);
  void refuse_connection(int socket);
  void arm_deadlines(Clock::time_point);
  void check_deadlines();
  void event_happened();                       // any thread
  void beat();
  void tick();
  void begin_stop();
  void end();

  boost::asio::io_context io_{1};
  ServerOptions options_;
  WorkerPool& pool_;
  Log& log_;
  Dispatcher dispatcher_;
  ReplyWriter writer_;
  std::vector<std::unique_ptr<Door>> doors_;
  std::optional<gid_t> group_;
  unique_fd stop_event_;
  boost::asio::posix::stream_descriptor stop_ready_{io_};
  boost::asio::steady_timer deadline_timer_{io_}, heartbeat_timer_{io_}, tick_timer_{io_}, stop_timer_{io_};
  Clock::time_point armed_ = Clock::time_point::max();
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  std::size_t streams_ = 0;
  std::shared_ptr<void> events_;
  std::atomic<bool> event_pending_ = false;
  bool stopping_ = false;
  std::mutex post_mutex_;
  bool ended_ = false;                         // of post()
  std::string id_prefix_;
  std::uint64_t ids_ = 0;
};

}  // namespace sovirt
