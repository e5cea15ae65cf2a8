#include "daemon/server/web_socket.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket.hpp>

namespace sovirt {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr std::chrono::seconds close_patience{2};
constexpr std::size_t kept_room = 64 * 1024;
constexpr int most_unanswered = 4;

beast::http::request<beast::http::empty_body> upgrade_of(const Request& request) {
  beast::http::request<beast::http::empty_body> upgrade{beast::http::verb::get, "/", request.version};
  for (const char* name : {"host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version"})
    if (const auto* value = request.header(name)) upgrade.set(name, *value);
  return upgrade;
}

class BeastSocket final : public WebSocket, public Line, public std::enable_shared_from_this<BeastSocket> {
 public:
  using Socket = asio::local::stream_protocol::socket;
  BeastSocket(Socket socket, std::shared_ptr<Conversation> conversation, std::string server, std::string protocol, std::chrono::milliseconds ping,
              std::function<void()> ended)
      : stream_(std::move(socket)), timer_(stream_.get_executor()), ping_timer_(stream_.get_executor()), ping_every_(ping), conversation_(std::move(conversation)), server_(std::move(server)),
        protocol_(std::move(protocol)), ended_(std::move(ended)) {}

  void open(const Request& request, const std::vector<Header>& more) override;
  void close(CloseCode code) override { close(code, ""); }
  void abort() override { finish(); }

  asio::io_context& io() noexcept override { return static_cast<asio::io_context&>(stream_.get_executor().context()); }
  void send(std::string_view message, bool binary) override;
  void receive() override;
  void close(CloseCode, std::string_view reason) override;

 private:
  void begin();
  void read_part();
  void on_read(error_code);
  void watch_hangup();
  void ping_later();
  void ping();
  bool has_read_all();
  void finish();

  websocket::stream<Socket> stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer timer_, ping_timer_;
  std::chrono::milliseconds ping_every_;
  std::shared_ptr<Conversation> conversation_;
  std::string server_, protocol_;
  std::function<void()> ended_;
  int unanswered_ = 0;
  bool pinging_ = false, heard_ = false;
  bool open_ = false, reading_ = false, closing_ = false, finished_ = false;
};

void BeastSocket::open(const Request& request, const std::vector<Header>& more) {
  stream_.set_option(websocket::stream_base::decorator([this, id = request.id, more](websocket::response_type& response) {
    response.set(beast::http::field::server, server_);
    response.set("X-Request-Id", id);
    for (const Header& field : more) response.set(field.name, field.value);
    if (!protocol_.empty()) response.set(beast::http::field::sec_websocket_protocol, protocol_);
  }));
  // The bound is kept by read_part(): Beast's own ends the connection before the client can read why.
  stream_.read_message_max(0);
  stream_.set_option(websocket::stream_base::timeout{close_patience, websocket::stream_base::none(), false});
  stream_.auto_fragment(false);
  stream_.control_callback([this](websocket::frame_type, beast::string_view) { heard_ = true; });
  stream_.async_accept(upgrade_of(request), [self = shared_from_this()](error_code error) {
    if (error || self->finished_) return self->finish();
    self->begin();
  });
}

void BeastSocket::begin() {
  open_ = true;
  watch_hangup();
  ping_later();
  try {
    conversation_->begin(*this);
  } catch (const std::exception& error) {   // no descriptors, above all
    close(CloseCode::internal, error.what());
  }
}

void BeastSocket::send(std::string_view message, bool binary) {
  if (closing_ || finished_) return;
  stream_.binary(binary);
  stream_.async_write(asio::buffer(message.data(), message.size()), [self = shared_from_this()](error_code error, std::size_t) {
    if (self->finished_ || self->closing_) return;
    if (error) return self->finish();
    self->conversation_->on_sent();
  });
}

void BeastSocket::receive() {
  if (reading_ || closing_ || finished_) return;
  buffer_.clear();
  if (buffer_.capacity() > kept_room) buffer_.shrink_to_fit();
  read_part();
}

void BeastSocket::read_part() {
  reading_ = true;
  stream_.async_read_some(buffer_, kept_room, [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
}

void BeastSocket::on_read(error_code error) {
  reading_ = false;
  heard_ = true;
  if (finished_) return;
  if (error) {
    // Beast has said why already (too big, not as the RFC has it); while we close, the other side's answer ends it.
    if (!closing_) finish();
    return;
  }
  if (closing_) return;
  if (buffer_.size() > most_message_bytes) return close(CloseCode::too_big, "a message has at most " + std::to_string(most_message_bytes) + " bytes");
  if (!stream_.is_message_done()) return read_part();
  try {
    const auto bytes = buffer_.cdata();
    conversation_->on_message({static_cast<const char*>(bytes.data()), bytes.size()}, stream_.got_binary());
  } catch (const Violation& violation) {
    close(violation.code(), violation.what());
  }
}

void BeastSocket::close(CloseCode code, std::string_view reason) {
  if (closing_ || finished_) return;
  closing_ = true;
  if (!open_) return finish();
  const auto self = shared_from_this();
  // A client that neither reads nor answers is not waited for.
  timer_.expires_after(close_patience);
  timer_.async_wait([self](error_code error) {
    if (!error) self->finish();
  });
  const websocket::close_reason said{static_cast<websocket::close_code>(code), beast::string_view{reason.data(), std::min<std::size_t>(reason.size(), 120)}};
  stream_.async_close(said, [self](error_code) { self->finish(); });
}

// While no message is wanted nothing is read, and then only this tells that the client has gone.
void BeastSocket::watch_hangup() {
  stream_.next_layer().async_wait(asio::socket_base::wait_error, [self = shared_from_this()](error_code error) {
    if (error || self->finished_ || self->reading_) return;
    pollfd one{self->stream_.next_layer().native_handle(), 0, 0};
    if (::poll(&one, 1, 0) > 0 && (one.revents & (POLLHUP | POLLERR)) != 0) self->finish();
  });
}

void BeastSocket::ping_later() {
  ping_timer_.expires_after(ping_every_);
  ping_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!error && self && !self->closing_ && !self->finished_) self->ping();
  });
}

// Who has taken pings off its socket without an answer is no client any more, but perhaps what forwarded it. One that
// does not read at all is only slow, or stopped: the kernel would tell its end. While nothing is read here its answers
// cannot be seen.
void BeastSocket::ping() {
  if (std::exchange(heard_, false) || !reading_ || pinging_ || !has_read_all()) unanswered_ = 0;
  else if (++unanswered_ > most_unanswered) return finish();
  ping_later();
  if (std::exchange(pinging_, true)) return;
  stream_.async_ping({}, [self = shared_from_this()](error_code error) {
    self->pinging_ = false;
    if (error && !self->closing_) self->finish();
  });
}

bool BeastSocket::has_read_all() {
  int waiting = 0;   // in the other end's queue: a Unix socket keeps it until it is read
  return ::ioctl(stream_.next_layer().native_handle(), SIOCOUTQ, &waiting) == 0 && waiting == 0;
}

void BeastSocket::finish() {
  if (finished_) return;
  finished_ = true;
  const auto self = shared_from_this();
  timer_.cancel();
  ping_timer_.cancel();
  error_code ignored;
  stream_.next_layer().close(ignored);
  conversation_->on_end();
  if (ended_) std::exchange(ended_, nullptr)();
}

}  // namespace

std::shared_ptr<WebSocket> make_web_socket(asio::local::stream_protocol::socket socket, std::shared_ptr<Conversation> conversation,
                                           std::string server, std::string protocol, std::chrono::milliseconds ping,
                                           std::function<void()> ended) {
  return std::make_shared<BeastSocket>(std::move(socket), std::move(conversation), std::move(server), std::move(protocol), ping, std::move(ended));
}

}  // namespace sovirt
