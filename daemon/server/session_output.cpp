#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>

#include "daemon/domain/byte_stream.hpp"
#include "daemon/base/error.hpp"
#include "daemon/server/event_conversation.hpp"
#include "daemon/server/event_feed.hpp"
#include "daemon/server/session.hpp"
#include "daemon/server/upgrade.hpp"

namespace sovirt {

using boost::system::error_code;

void Session::respond(Reply reply) {
  if (reply.hold) return begin_hold(std::move(reply.hold));
  if (reply.stream && wants_upgrade(request_)) reply.conversation = make_event_conversation(std::move(reply.stream), core_);
  if (reply.conversation) return upgrade(std::move(reply));
  const bool stream = reply.stream && request_.method == "GET";
  if (reply.close || stream || core_->stopping()) keep_alive_ = false;
  const bool unbounded = reply.source && !reply.length && request_.version != 11;
  if (unbounded) keep_alive_ = false;   // HTTP/1.0 knows the end of such an answer by the end of the connection
  core_->writer().write(out_, reply, request_, keep_alive_);
  core_->dispatcher().log(request_, reply);
  if (!audited_ && core_->dispatcher().audited(request_, reply)) audit_later(reply);
  out_done_ = 0;
  state_ = State::answering;
  if (stream) {
    feed_ = std::move(reply.stream);
    state_ = State::streaming;
    out_ += ":\n\n";  // shows a client at once that it is connected
    core_->stream_begins();
    watch_hangup();
  }
  if (reply.source && request_.method != "HEAD") {
    source_ = std::move(reply.source);
    source_left_ = reply.length;
    chunked_ = !reply.length && !unbounded;
  }
  flush();
}

void Session::upgrade(Reply reply) {
  if (!unread().empty()) {
    // Nothing may be said before the answer has come, and what is said cannot be given back to the socket.
    return fail(core_->dispatcher().refuse(request_, Error{Code::malformed, "bytes behind the request for an upgrade"}));
  }
  reply.status = 101;
  core_->dispatcher().log(request_, reply);
  state_ = State::upgraded;
  std::vector<char>{}.swap(in_);
  begin_ = end_ = 0;
  const auto* offered = request_.header("sec-websocket-protocol");
  web_socket_ = make_web_socket(std::move(socket_), std::move(reply.conversation), core_->writer().server(),
                                offered != nullptr ? request_.route->protocol : std::string{}, core_->limits().ping, [weak = weak_from_this()] {
                                  if (const auto self = weak.lock()) self->close();
                                });
  web_socket_->open(request_, reply.headers);
}

// A change refused before it came to the pool.
void Session::audit_later(const Reply& reply) {
  Reply outcome;
  outcome.status = reply.status;
  outcome.code = reply.code;
  core_->pool().post([core = core_, request = request_, outcome = std::move(outcome)] { core->dispatcher().audit(request, outcome); });
}

void Session::fail(Reply reply) {
  keep_alive_ = false;
  lingers_ = true;
  deadline_ = Core::Clock::time_point::max();
  early_.reset();
  if (sink_) core_->pool().post([sink = std::move(sink_)] {});
  respond(std::move(reply));
}

// Most answers leave with one send(2) right here, without a turn through the loop.
void Session::flush() {
  sending_ = true;
  while (out_done_ < out_.size()) {
    const ssize_t count = ::send(socket_.native_handle(), out_.data() + out_done_, out_.size() - out_done_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      out_done_ += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return close();
    set_deadline(core_->limits().write_idle);
    socket_.async_wait(boost::asio::socket_base::wait_write, [self = shared_from_this()](error_code error) {
      if (self->state_ == State::closed) return;
      if (error) return self->close();
      self->flush();
      self->advance();
    });
    return;
  }
  sending_ = false;
  deadline_ = Core::Clock::time_point::max();
  sent();
}

void Session::sent() {
  if (out_.capacity() > (1u << 20)) std::string{}.swap(out_);
  if (state_ == State::streaming) return pull_stream();
  if (source_) return pull_source();
  if (keep_alive_ && !core_->stopping()) {
    state_ = State::idle;
    return;
  }
  if (lingers_) return linger();
  close();
}

// Closing a Unix socket with bytes unread makes the client's next read fail, and it might not see the answer.
void Session::linger() {
  state_ = State::lingering;
  error_code ignored;
  socket_.shutdown(boost::asio::local::stream_protocol::socket::shutdown_send, ignored);
  set_deadline(core_->limits().linger);
  begin_ = end_ = 0;
  read(4096);
}

void Session::wake_stream() {
  if (state_ == State::streaming && !sending_ && !pulling_) pull_stream();
}

void Session::beat_stream() {
  if (state_ != State::streaming || sending_ || pulling_) return;
  out_ = ":\n\n";
  out_done_ = 0;
  flush();
}

void Session::pull_stream() {
  const auto self = shared_from_this();
  bool behind = false;
  const auto failed = core_->dispatcher().attempt(request_, [&]() -> std::optional<Reply> {
    behind = feed_->behind();
    return std::nullopt;
  });
  if (failed) return close();
  if (!behind) return;
  pulling_ = true;
  const bool posted = core_->pool().post([self, feed = feed_] {
    const auto text = std::make_shared<std::string>();
    const bool broken = self->core_->dispatcher().attempt(self->request_, [&]() -> std::optional<Reply> {
      *text = feed->pull();
      return std::nullopt;
    }).has_value();
    self->core_->post([self, text, broken] {
      self->pulling_ = false;
      if (self->state_ == State::closed) return;
      if (broken) return self->close();
      self->out_ = std::move(*text);
      self->out_done_ = 0;
      self->flush();  // and looks again: there may be more
    });
  });
  if (!posted) close();
}

// One block is in memory: the next is read when the client has taken this one.
void Session::pull_source() {
  const bool posted = core_->pool().post([self = shared_from_this(), source = source_] {
    constexpr std::size_t block_bytes = 256 * 1024;
    const auto block = std::make_shared<std::string>();
    bool later = false;
    const bool broken = self->core_->dispatcher().attempt(self->request_, [&]() -> std::optional<Reply> {
      *block = source->read(block_bytes);
      later = block->empty() && source->more_later();
      return std::nullopt;
    }).has_value();
    self->core_->post([self, block, broken, later] {
      if (self->state_ == State::closed) return;
      // Too late for a problem document: the client sees that the body is not whole.
      if (broken) return self->close();
      if (later) return self->pull_later();
      self->send_block(std::move(*block));
      self->advance();
    });
  });
  if (!posted) close();
}

// Nothing is written meanwhile that would tell that the client has gone.
void Session::pull_later() {
  constexpr std::chrono::milliseconds a_while{200};
  following_ = true;
  if (core_->stopping()) return close();
  hold_timer_.expires_after(a_while);
  hold_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->state_ == State::closed) return;
    pollfd entry{self->socket_.native_handle(), 0, 0};
    if (::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0) return self->close();
    self->following_ = false;
    self->pull_source();
  });
}

void Session::send_block(std::string block) {
  if (source_left_) {
    if (block.size() > *source_left_) block.resize(static_cast<std::size_t>(*source_left_));
    *source_left_ -= block.size();
    if (block.empty() && *source_left_ > 0) return close();   // it has become shorter than was said
  }
  const bool last = block.empty() || source_left_ == 0u;
  out_.clear();
  if (chunked_ && !block.empty()) {
    char size[20];
    out_.append(size, static_cast<std::size_t>(std::snprintf(size, sizeof size, "%zx\r\n", block.size())));
  }
  out_.append(block);
  if (chunked_) out_.append(block.empty() ? "0\r\n\r\n" : "\r\n");
  out_done_ = 0;
  if (last) core_->pool().post([source = std::move(source_)] {});
  flush();
}

void Session::stop() {
  switch (state_) {
    case State::idle:
    case State::head:
    case State::lingering:
    case State::streaming: return close();
    case State::holding: return look(hold_, true);
    case State::upgraded: return web_socket_->close(CloseCode::going_away);
    default:
      keep_alive_ = false;
      if (following_) close();
  }
}

}  // namespace sovirt
