#include "daemon/server/core.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>

#include <boost/asio/post.hpp>


#include "daemon/base/error.hpp"
#include "daemon/base/log.hpp"
#include "daemon/domain/service.hpp"
#include "daemon/server/peer_cred.hpp"
#include "daemon/server/session.hpp"

namespace sovirt {
namespace {

using boost::system::error_code;
constexpr std::chrono::milliseconds coarse{100};        // deadlines are checked no more often than this
constexpr std::chrono::milliseconds accept_pause{200};  // without descriptors or memory
constexpr int accepts_in_a_row = 64;

std::string random_prefix() {
  std::uint32_t bits = 0;
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) throw errno_error("getrandom");
  char text[16];
  std::snprintf(text, sizeof text, "%08x-", bits);
  return text;
}

}  // namespace

Core::Core(ServerOptions options, Service& service, WorkerPool& pool, Log& log)
    : options_(std::move(options)), pool_(pool), log_(log),
      dispatcher_(service, log, options_.version, options_.limits.body_bytes), writer_(options_.version),
      group_(find_group(options_.group)), stop_event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), id_prefix_(random_prefix()) {
  if (!stop_event_) throw errno_error("eventfd");
  stop_ready_.assign(stop_event_.duplicate().release());
  for (auto& listen : options_.listen) {
    Listener listener{std::move(listen)};
    boost::asio::posix::stream_descriptor ready{io_, unique_fd{::fcntl(listener.fd(), F_DUPFD_CLOEXEC, 0)}.release()};
    doors_.push_back(std::make_unique<Door>(Door{std::move(listener), std::move(ready), boost::asio::steady_timer{io_}}));
  }
}

Core::~Core() = default;

void Core::run() {
  for (auto& door : doors_) {
    log_.info("listening", {{"socket", door->listener.path()}, {"access", door->listener.read_only() ? "read-only" : "read-write"}});
    accept_when_ready(*door);
  }
  stop_ready_.async_wait(boost::asio::posix::descriptor_base::wait_read, [this](error_code error) { if (!error) begin_stop(); });
  if (options_.tick.count() > 0 && options_.on_tick) tick();
  for (;;) {
    try {
      io_.run();
      break;
    } catch (const std::exception& error) {
      // The session it came from is left without a pending operation: its deadline ends it.
      log_.error("exception on the event loop", {{"error", error.what()}});
    }
  }
  end();
}

// What is pending holds sessions, and these hold the loop: both must be empty, or neither would ever be freed.
void Core::end() {
  events_.reset();
  for (const auto& session : std::vector<std::shared_ptr<Session>>{sessions_.begin(), sessions_.end()}) session->close();
  {
    const std::lock_guard lock{post_mutex_};
    ended_ = true;
  }
  for (auto* timer : {&deadline_timer_, &heartbeat_timer_, &tick_timer_, &stop_timer_}) timer->cancel();
  doors_.clear();
  stop_ready_.close();
  io_.restart();
  io_.poll();
}

void Core::post(std::function<void()> work) {
  const std::lock_guard lock{post_mutex_};
  if (!ended_) boost::asio::post(io_, std::move(work));
}

void Core::accept_when_ready(Door& door) {
  door.ready.async_wait(boost::asio::posix::descriptor_base::wait_read, [this, &door](error_code error) {
    if (error || stopping_) return;
    auto last = Accepted::one;
    for (int i = 0; last == Accepted::one && i < accepts_in_a_row; ++i) last = accept_one(door);
    if (last == Accepted::exhausted) accept_later(door);
    else accept_when_ready(door);
  });
}

// The connection stays in the queue and the descriptor readable: waiting for that would spin.
void Core::accept_later(Door& door) {
  door.pause.expires_after(accept_pause);
  door.pause.async_wait([this, &door](error_code error) { if (!error && !stopping_) accept_when_ready(door); });
}

// accept4 and not Asio's accept: that one leaves the descriptor open across exec.
Core::Accepted Core::accept_one(Door& door) {
  unique_fd socket{::accept4(door.listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!socket) {
    if (errno == EINTR || errno == ECONNABORTED) return Accepted::one;
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS) return Accepted::none;
    log_.warning("connection not accepted", {{"error", errno_error("accept4").detail()}});
    return Accepted::exhausted;
  }
  const auto peer = read_peer(socket.get(), group_);
  // Strangers may not take all the room there is.
  const auto room = peer.privileged ? limits().connections : limits().connections * 3 / 4;
  if (sessions_.size() >= room) {
    refuse_connection(socket.get());
    return Accepted::one;
  }
  auto session = std::make_shared<Session>(shared_from_this(), std::move(socket), peer, door.listener.read_only());
  sessions_.insert(session);
  session->start();
  return Accepted::one;
}

void Core::refuse_connection(int socket) {
  Request request;
  request.id = next_request_id();
  std::string text;
  writer_.write(text, dispatcher_.refuse(request, Error{Code::unavailable, "too many connections"}), request, false);
  if (::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) ::shutdown(socket, SHUT_WR);
}

void Core::watch_deadline(Clock::time_point deadline) {
  if (deadline < armed_) arm_deadlines(deadline);
}

void Core::arm_deadlines(Clock::time_point deadline) {
  armed_ = deadline;
  deadline_timer_.expires_at(deadline);
  deadline_timer_.async_wait([this](error_code error) { if (!error) check_deadlines(); });
}

// One timer for all: it fires at the earliest deadline that was ever set, and most of them have moved by then, so
// that a connection costs nothing per request and a wake-up per five minutes.
void Core::check_deadlines() {
  const auto now = Clock::now();
  auto next = Clock::time_point::max();
  std::vector<std::shared_ptr<Session>> over;
  for (const auto& session : sessions_)
    if (session->deadline() <= now) over.push_back(session);
    else next = std::min(next, session->deadline());
  armed_ = Clock::time_point::max();
  if (next != Clock::time_point::max()) arm_deadlines(std::max(next, now + coarse));
  for (const auto& session : over) session->expire();
}

void Core::remove(const std::shared_ptr<Session>& session) {
  sessions_.erase(session);
  if (stopping_ && sessions_.empty()) io_.stop();
}

void Core::stream_begins() {
  if (++streams_ > 1) return;
  events_ = dispatcher_.service().on_event([weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->event_happened();
  });
  beat();
}

void Core::stream_ends() noexcept {
  if (--streams_ > 0) return;
  events_.reset();
  heartbeat_timer_.cancel();
}

void Core::event_happened() {
  if (event_pending_.exchange(true)) return;  // on its way already
  post([this] {
    event_pending_ = false;
    for (const auto& session : std::vector<std::shared_ptr<Session>>{sessions_.begin(), sessions_.end()}) session->wake_stream();
  });
}

void Core::beat() {
  heartbeat_timer_.expires_after(limits().heartbeat);
  heartbeat_timer_.async_wait([this](error_code error) {
    if (error || streams_ == 0) return;
    for (const auto& session : std::vector<std::shared_ptr<Session>>{sessions_.begin(), sessions_.end()}) session->beat_stream();
    if (streams_ > 0) beat();
  });
}

void Core::tick() {
  options_.on_tick();
  tick_timer_.expires_after(options_.tick);
  tick_timer_.async_wait([this](error_code error) { if (!error) tick(); });
}

void Core::begin_stop() {
  stopping_ = true;
  for (auto& door : doors_) {
    door->ready.close();
    door->pause.cancel();
  }
  for (const auto& session : std::vector<std::shared_ptr<Session>>{sessions_.begin(), sessions_.end()}) session->stop();
  if (sessions_.empty()) return io_.stop();
  stop_timer_.expires_after(limits().stop_grace);
  stop_timer_.async_wait([this](error_code error) { if (!error) io_.stop(); });
}

std::string Core::next_request_id() { return id_prefix_ + std::to_string(++ids_); }

}  // namespace sovirt
