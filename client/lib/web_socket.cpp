#include "client/lib/web_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include "client/lib/api_client.hpp"

namespace sovirt::client {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using boost::system::error_code;

constexpr std::size_t most_message_bytes = 4U << 20;

unique_fd connected(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) throw ConnectError(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw ConnectError(path, errno);
  return socket;
}

Json parsed(const std::string& text) {
  Json body = Json::parse(text, nullptr, false);
  return body.is_discarded() ? Json() : body;
}

}  // namespace

class WebSocket::Impl {
 public:
  Impl(const std::string& path, const std::string& target, const std::string& protocol) : stream_(io_) {
    unique_fd socket = connected(path);
    stream_.next_layer().assign(asio::local::stream_protocol{}, socket.release());
    stream_.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
      request.set(beast::http::field::user_agent, "sovirtctl/" SOVIRT_VERSION);
      request.set(beast::http::field::accept, "application/json");
      request.set(beast::http::field::sec_websocket_protocol, protocol);
    }));
    stream_.read_message_max(most_message_bytes);
    stream_.auto_fragment(false);
    stream_.binary(true);
    error_code error;
    stream_.handshake(response_, "localhost", target, error);
    if (error == websocket::error::upgrade_declined) throw ApiError(response_.result_int(), parsed(response_.body()));
    if (error) throw ProtocolError("the daemon does not speak WebSocket here: " + error.message());
  }

  std::string header(const std::string& name) const {
    const auto value = response_[name];
    return {value.data(), value.size()};
  }

  void watch(int fd, std::function<void()> handler) {
    unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
    auto descriptor = std::make_shared<asio::posix::stream_descriptor>(io_, copy.release());
    wait(std::move(descriptor), std::make_shared<std::function<void()>>(std::move(handler)));
  }

  void send(std::string message, std::function<void()> sent) {
    queue_.push_back({std::move(message), std::move(sent)});
    if (queue_.size() == 1) write();
  }

  End run() {
    read();
    io_.run();
    return end_;
  }

  void close() {
    if (ended_) return;
    stream_.async_close(websocket::close_code::normal, [this](error_code) { io_.stop(); });
    io_.restart();
    io_.run_for(std::chrono::seconds(1));
  }

  asio::io_context io_;
  std::function<void(std::string_view)> on_message_;

 private:
  struct Outgoing { std::string bytes; std::function<void()> sent; };

  void wait(std::shared_ptr<asio::posix::stream_descriptor> descriptor, std::shared_ptr<std::function<void()>> handler) {
    auto& waiting = *descriptor;
    waiting.async_wait(asio::posix::descriptor_base::wait_read, [this, descriptor = std::move(descriptor), handler](error_code error) {
      if (error) return;
      (*handler)();
      wait(descriptor, handler);
    });
  }

  void read() {
    stream_.async_read(buffer_, [this](error_code error, std::size_t) {
      if (error) return finish();
      const auto bytes = buffer_.cdata();
      if (on_message_) on_message_({static_cast<const char*>(bytes.data()), bytes.size()});
      buffer_.clear();
      read();
    });
  }

  void write() {
    const Outgoing& next = queue_.front();
    stream_.async_write(asio::buffer(next.bytes), [this](error_code error, std::size_t) {
      if (error) return;   // reading tells how it ended
      const std::function<void()> sent = std::move(queue_.front().sent);
      queue_.pop_front();
      if (!queue_.empty()) write();
      if (sent) sent();
    });
  }

  void finish() {
    ended_ = true;
    const auto& reason = stream_.reason();
    if (reason.code != websocket::close_code::none) end_ = {reason.code, {reason.reason.data(), reason.reason.size()}};
    io_.stop();
  }

  websocket::stream<asio::local::stream_protocol::socket> stream_;
  websocket::response_type response_;
  beast::flat_buffer buffer_;
  std::deque<Outgoing> queue_;
  End end_;
  bool ended_ = false;
};

WebSocket::WebSocket(const std::string& path, const std::string& target, const std::string& protocol)
    : impl_(std::make_unique<Impl>(path, target, protocol)) {}
WebSocket::~WebSocket() = default;

std::string WebSocket::header(const std::string& name) const { return impl_->header(name); }
void WebSocket::on_message(std::function<void(std::string_view)> handler) { impl_->on_message_ = std::move(handler); }
void WebSocket::on_readable(int fd, std::function<void()> handler) { impl_->watch(fd, std::move(handler)); }
void WebSocket::send(std::string message, std::function<void()> sent) { impl_->send(std::move(message), std::move(sent)); }
void WebSocket::post(std::function<void()> work) { asio::post(impl_->io_, std::move(work)); }
void WebSocket::stop() { impl_->io_.stop(); }
WebSocket::End WebSocket::run() { return impl_->run(); }
void WebSocket::close() { impl_->close(); }

HttpRequest upgrade_request(const std::string& target, const std::string& protocol) {
  HttpRequest request;
  request.target = target;
  // The key only has to be 16 bytes in base64.
  request.headers = {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"},
                     {"Sec-WebSocket-Key", "c292aXJ0Y3RsLXNvdmlydA=="}, {"Sec-WebSocket-Protocol", protocol}};
  return request;
}

}  // namespace sovirt::client
