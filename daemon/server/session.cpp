#include "daemon/server/session.hpp"

#include <algorithm>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

using boost::system::error_code;
constexpr std::size_t small_read = 4 * 1024, large_read = 256 * 1024;
constexpr std::size_t longest_framing = 16 * 1024;   // of a chunk's line, or the trailers
constexpr int requests_in_a_row = 32;                // pipelined, before others get their turn

bool good_request_id(std::string_view text) noexcept {
  const auto good = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), good);
}

// What Beast cannot yet make anything of: the line of a chunk's size, or the trailers. It would wait for CRLF.
void check_framing(std::string_view bytes) {
  if (bytes.size() > longest_framing) throw Error{Code::malformed, "a line of the chunked body is too long"};
  for (auto at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1))
    if (at == 0 || bytes[at - 1] != '\r') throw Error{Code::malformed, "a line of the chunked body ends in LF without CR"};
}

}  // namespace

Session::Session(std::shared_ptr<Core> core, unique_fd socket, Peer peer, bool read_only)
    : core_(std::move(core)), socket_(core_->io(), boost::asio::local::stream_protocol{}, socket.get()), peer_(peer),
      read_only_(read_only), scanner_(core_->limits().header_bytes), hold_timer_(core_->io()) {
  socket.release();  // the socket has it now
}

void Session::start() { advance(); }

void Session::set_deadline(std::chrono::milliseconds after) {
  deadline_ = Core::Clock::now() + after;
  core_->watch_deadline(deadline_);
}

void Session::close() {
  if (state_ == State::closed) return;
  if (feed_) core_->stream_ends();
  state_ = State::closed;
  if (web_socket_) std::exchange(web_socket_, nullptr)->abort();
  deadline_ = Core::Clock::time_point::max();
  error_code ignored;
  socket_.close(ignored);
  hold_timer_.cancel();
  hold_.reset();
  hold_subscription_.reset();
  feed_.reset();
  // What an upload undoes touches the disk. A job that is at work on it keeps it until then.
  if (sink_) core_->pool().post([sink = std::move(sink_)] {});
  if (source_) core_->pool().post([source = std::move(source_)] {});
  core_->remove(shared_from_this());
}

// Goes on until something has to be waited for. Not re-entered: an answer given at once from within only leaves
// its state behind, and the loop here goes on with it.
void Session::advance() {
  if (advancing_) return;
  advancing_ = true;
  const auto self = shared_from_this();
  int requests = 0;
  for (bool more = true; more;) {
    switch (state_) {
      case State::idle:
        if (++requests > requests_in_a_row) {
          core_->post([self] { self->advance(); });
          more = false;
        } else {
          more = read_head();
        }
        break;
      case State::head: more = read_head(); break;
      case State::body: more = read_body(); break;
      default: more = false;
    }
  }
  advancing_ = false;
}

void Session::read(std::size_t room) {
  if (reading_) return;
  if (ended_) return on_end();
  if (begin_ == end_) begin_ = end_ = 0;
  if (in_.size() - end_ < room) {
    std::copy(in_.begin() + static_cast<std::ptrdiff_t>(begin_), in_.begin() + static_cast<std::ptrdiff_t>(end_), in_.begin());
    end_ -= begin_;
    begin_ = 0;
    if (in_.size() - end_ < room) in_.resize(end_ + room);
  }
  reading_ = true;
  socket_.async_read_some(boost::asio::buffer(in_.data() + end_, in_.size() - end_),
                          [self = shared_from_this()](error_code error, std::size_t count) {
                            self->reading_ = false;
                            if (self->state_ == State::closed) return;
                            if (error == boost::asio::error::eof) {
                              self->ended_ = true;
                              return self->on_end();
                            }
                            if (error) return self->close();
                            self->on_read(count);
                          });
}

void Session::on_read(std::size_t count) {
  if (state_ == State::lingering) {
    begin_ = end_ = 0;
    return read(large_read);
  }
  end_ += count;
  advance();
}

// The client has sent its last byte; it may still read (shutdown(2)).
void Session::on_end() {
  if (state_ == State::head || state_ == State::body) {
    if (state_ == State::head) new_request();
    return fail(core_->dispatcher().refuse(request_, Error{Code::malformed, "the request ended before it was complete"}));
  }
  if (state_ == State::idle || state_ == State::lingering) close();
}

void Session::expire() {
  deadline_ = Core::Clock::time_point::max();
  const bool owes_request = (state_ == State::head || state_ == State::body) && !sending_;
  if (!owes_request) return close();
  const bool head = state_ == State::head;
  if (head) new_request();
  fail(core_->dispatcher().refuse(request_, 408, Error{Code::timed_out, head ? "the header did not come in time" : "the body did not come in time"}));
}

void Session::new_request() {
  request_ = Request{};
  request_.id = core_->next_request_id();
  request_.peer = peer_;
  request_.read_only = read_only_;
  request_.begun = Core::Clock::now();
  audited_ = false;
}

bool Session::read_head() {
  if (state_ == State::idle) {
    // One empty line before a request is allowed: old clients end a body with it (RFC 9112, 2.2).
    if (unread().starts_with("\r\n")) begin_ += 2;
    if (unread().empty()) {
      if (in_.size() > large_read) std::vector<char>{}.swap(in_);
      begin_ = end_ = 0;
      set_deadline(core_->limits().keep_alive);
      read(small_read);
      return false;
    }
    state_ = State::head;
    slow_head_ = false;
    scanner_.reset();
  }
  std::size_t size = 0;
  std::optional<Error> wrong;
  try {
    size = scanner_.scan(unread());
    if (size == 0) {
      if (!slow_head_) set_deadline(core_->limits().header_time);
      slow_head_ = true;
      read(small_read);
      return false;
    }
  } catch (const Error& error) {
    wrong = error;
  }
  new_request();
  keep_alive_ = false;
  parser_.emplace();
  try {
    if (wrong) throw *wrong;
    check_head(unread().substr(0, size));
    parser_->head(unread().substr(0, size), request_);
  } catch (const Error& error) {
    fail(core_->dispatcher().refuse(request_, error));
    return false;
  }
  begin_ += size;
  begin_request();
  return true;
}

void Session::begin_request() {
  deadline_ = Core::Clock::time_point::max();
  keep_alive_ = parser_->keep_alive();
  if (const auto* id = request_.header("x-request-id"); id != nullptr && good_request_id(*id)) request_.id = *id;
  state_ = State::working;
  chunk_.clear();
  early_ = core_->dispatcher().admit(request_);
  if (!request_.has_body)
    return early_ ? respond(*std::exchange(early_, std::nullopt)) : request_.route->sink ? begin_upload() : dispatch();
  const bool expected = request_.version == 11 && request_.header("expect") != nullptr && unread().empty();
  // A client that asks first need not send what will be refused.
  if (early_ && expected) return fail(*std::exchange(early_, std::nullopt));
  const auto* route = request_.route;
  const bool upload = !early_ && route->body == BodyKind::bytes;
  try {
    parser_->begin_body(early_ ? core_->limits().body_bytes : core_->dispatcher().body_limit(request_), upload || early_ ? chunk_ : request_.body);
  } catch (const Error& error) {
    return fail(early_ ? *std::exchange(early_, std::nullopt) : core_->dispatcher().refuse(request_, error));
  }
  if (upload) return begin_upload();
  take_body(expected);
}

void Session::take_body(bool expected) {
  // Sent outside of out_: nothing else is on its way now, and 25 bytes fit the socket's buffer.
  static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  if (expected && ::send(socket_.native_handle(), go_on.data(), go_on.size(), MSG_NOSIGNAL | MSG_DONTWAIT) != static_cast<ssize_t>(go_on.size()))
    return close();
  state_ = State::body;
  set_deadline(core_->limits().body_idle);
}

bool Session::read_body() {
  std::size_t used = 0;
  try {
    used = parser_->body(unread());
    begin_ += used;
    if (!parser_->done() && used == 0) check_framing(unread());
  } catch (const Error& error) {
    fail(early_ ? *std::exchange(early_, std::nullopt) : core_->dispatcher().refuse(request_, error));
    return false;
  }
  if (sink_ && !chunk_.empty()) {
    write_chunk();
    return false;
  }
  if (early_) chunk_.clear();
  if (parser_->done()) {
    finish_body();
    return true;
  }
  if (used > 0 && !unread().empty()) return true;
  set_deadline(core_->limits().body_idle);
  read(large_read);
  return false;
}

void Session::finish_body() {
  deadline_ = Core::Clock::time_point::max();
  state_ = State::working;
  if (early_) return respond(*std::exchange(early_, std::nullopt));
  if (sink_) return finish_upload();
  dispatch();
}

}  // namespace sovirt
