#include "client/lib/http_connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace sovirt::client {

namespace {

constexpr std::size_t largest_body = 256U << 20;
constexpr int tick_ms = 100;

std::string head_of(const HttpRequest& request) {
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const auto& [name, value] : request.headers) head += name + ": " + value + "\r\n";
  const bool upload = request.upload >= 0;
  if (upload && request.upload_stream) head += "Transfer-Encoding: chunked\r\n";
  else if (upload || !request.body.empty() || request.method == "PUT" || request.method == "POST")
    head += "Content-Length: " + std::to_string(upload ? request.upload_size : request.body.size()) + "\r\n";
  return head + "\r\n";
}

}  // namespace

ConnectError::ConnectError(std::string path, int number)
    : std::runtime_error(path + ": " + std::generic_category().message(number)), path_(std::move(path)), number_(number) {}

void HttpConnection::open() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof address.sun_path) throw ConnectError(path_, ENAMETOOLONG);
  std::memcpy(address.sun_path, path_.data(), path_.size());
  unique_fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) throw ConnectError(path_, errno);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw ConnectError(path_, errno);
  socket_ = std::move(socket);
}

bool HttpConnection::still_open() const noexcept {
  char byte = 0;
  return socket_ && ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

// Waits in ticks. False: the silence was longer than the watch allows.
bool HttpConnection::ready(short events, const HttpWatch& watch) {
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    std::array<pollfd, 2> polled{{{socket_.get(), events, 0}, {watch.interrupt, POLLIN, 0}}};
    const bool timed = watch.tick || watch.silence.count() != 0;
    const int count = ::poll(polled.data(), polled.size(), timed ? tick_ms : -1);
    if (count < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (count > 0 && polled[1].revents != 0) throw Interrupted();
    if (count > 0 && polled[0].revents != 0) return true;
    if (watch.tick) watch.tick();
    if (watch.silence.count() != 0 && std::chrono::steady_clock::now() - begin > watch.silence) return false;
  }
}

bool HttpConnection::send_bytes(std::string_view bytes, const HttpWatch& watch) {
  while (!bytes.empty()) {
    pollfd polled{socket_.get(), POLLIN, 0};
    if (::poll(&polled, 1, 0) > 0) return false;  // an answer, or the end: let receive() find out which
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!ready(POLLOUT | POLLIN, watch)) throw WaitedTooLong("the server takes no more data");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return false;
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "send");
    }
  }
  return true;
}

void HttpConnection::send(const HttpRequest& request, const HttpWatch& watch) {
  answered_early_ = !send_bytes(head_of(request) + (request.upload < 0 ? request.body : std::string()), watch);
  if (request.upload_stream) return answered_early_ ? void() : send_stream(request, watch);
  std::string block(request.upload < 0 ? 0 : 256 * 1024, '\0');
  for (std::uint64_t sent = 0; request.upload >= 0 && !answered_early_ && sent < request.upload_size;) {
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), request.upload_size - sent));
    const ssize_t count = ::pread(request.upload, block.data(), wanted, static_cast<off_t>(sent));
    if (count <= 0) throw std::runtime_error(request.upload_name + " became shorter while it was sent");
    answered_early_ = !send_bytes(std::string_view(block).substr(0, static_cast<std::size_t>(count)), watch);
    sent += static_cast<std::uint64_t>(count);
    if (watch.sent) watch.sent(sent);
  }
}

// In chunks, as the bytes come: from a pipe, a terminal or a program.
void HttpConnection::send_stream(const HttpRequest& request, const HttpWatch& watch) {
  std::string block(256 * 1024, '\0');
  for (std::uint64_t sent = 0; !answered_early_;) {
    // An answer that comes before the end is an error, and ends the wait for more input.
    std::array<pollfd, 3> polled{{{request.upload, POLLIN, 0}, {socket_.get(), POLLIN, 0}, {watch.interrupt, POLLIN, 0}}};
    const int ready = ::poll(polled.data(), polled.size(), watch.tick ? tick_ms : -1);
    if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
    if (ready > 0 && polled[2].revents != 0) throw Interrupted();
    if (ready > 0 && polled[1].revents != 0) answered_early_ = true;
    if (watch.tick) watch.tick();
    if (ready <= 0 || polled[0].revents == 0 || answered_early_) continue;
    const ssize_t count = ::read(request.upload, block.data(), block.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) throw std::system_error(errno, std::generic_category(), "read " + request.upload_name);
    std::array<char, 24> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", static_cast<std::size_t>(count));
    const std::string chunk = count == 0 ? "0\r\n\r\n" : size.data() + block.substr(0, static_cast<std::size_t>(count)) + "\r\n";
    answered_early_ = !send_bytes(chunk, watch);
    if (count == 0) return;
    sent += static_cast<std::uint64_t>(count);
    if (watch.sent) watch.sent(sent);
  }
}

HttpResponse HttpConnection::receive(ResponseParser& parser, const HttpWatch& watch, const bool& stopped) {
  std::array<char, 65536> bytes;
  while (!parser.done() && !stopped) {
    if (!ready(POLLIN, watch)) throw WaitedTooLong("no answer for " + std::to_string(watch.silence.count() / 1000) + " s");
    const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      if (!parser.begun()) throw ProtocolError("the server closed the connection without an answer");
      parser.end_of_stream();
    } else if (parser.feed({bytes.data(), static_cast<std::size_t>(count)}) != static_cast<std::size_t>(count) && !stopped) {
      throw ProtocolError("the server sent more than one answer");
    }
  }
  return std::move(parser.response());
}

HttpResponse HttpConnection::exchange(const HttpRequest& request, const HttpWatch& watch) {
  if (!still_open()) open();
  std::string collected;
  bool stopped = false;
  ResponseParser* reading = nullptr;
  ResponseParser parser([&](std::string_view part) {
    if (watch.body && reading->response().status < 300) {
      if (!stopped && !watch.body(part)) stopped = true;
    } else if (collected.size() + part.size() > largest_body) {
      throw ProtocolError("the server sent more than 256 MiB");
    } else {
      collected.append(part);
    }
  });
  reading = &parser;
  try {
    send(request, watch);
    HttpResponse response = receive(parser, watch, stopped);
    response.body = std::move(collected);
    // After a half-sent body or a half-read answer, nobody could tell where the next message begins.
    if (!response.keep_alive || answered_early_ || stopped) socket_.reset();
    return response;
  } catch (...) {
    socket_.reset();
    throw;
  }
}

}  // namespace sovirt::client
