#include "http_client.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace sovirt::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

}  // namespace

Json Response::json() const {
  Json document = Json::parse(body, nullptr, false);
  return document.is_discarded() ? Json{} : document;
}

std::string Response::code() const {
  if (header("content-type") != "application/problem+json") return {};
  return json().value("code", "");
}

std::string Response::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Client::Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw errno_error("connect", path);
}

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void Client::finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }

bool Client::fill(Clock::time_point end) {
  if (ended_) return false;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
  pollfd entry{fd_.get(), POLLIN, 0};
  if (left < 0 || ::poll(&entry, 1, static_cast<int>(left)) <= 0) return false;
  char bytes[65536];
  const auto count = ::recv(fd_.get(), bytes, sizeof bytes, 0);
  if (count <= 0) {
    ended_ = true;
    return false;
  }
  buffer_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

Response Client::receive(bool head, std::chrono::milliseconds within) {
  const auto end = Clock::now() + within;
  Response response;
  std::size_t size;
  while ((size = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill(end)) return response;
  const std::string text = buffer_.substr(0, size + 2);
  buffer_.erase(0, size + 4);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 "));
  response.status = std::stoi(text.substr(9, 3));
  for (std::size_t at = text.find("\r\n") + 2; at < text.size();) {
    const auto line_end = text.find("\r\n", at);
    const auto colon = text.find(": ", at);
    EXPECT_LT(colon, line_end);
    const auto name = lower(text.substr(at, colon - at));
    EXPECT_EQ(response.headers.count(name), 0u) << "twice: " << name;
    response.headers[name] = text.substr(colon + 2, line_end - colon - 2);
    at = line_end + 2;
  }
  if (head || response.status == 204 || response.status == 304 || response.status < 200) return response;
  if (response.headers.count("content-length") == 0) return response;   // a stream
  const auto length = std::stoul(response.header("content-length"));
  while (buffer_.size() < length)
    if (!fill(end)) return {};
  response.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return response;
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body, std::string_view more_headers) {
  std::string text{method};
  text.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n").append(more_headers);
  if (!body.empty()) {
    if (lower(std::string{more_headers}).find("content-type") == std::string::npos) text.append("Content-Type: application/json\r\n");
    text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  return text.append("\r\n").append(body);
}

Response Client::call(std::string_view method, std::string_view target, std::string_view body, std::string_view more_headers) {
  if (!send(request_text(method, target, body, more_headers))) return {};
  return receive(method == "HEAD");
}

std::string Client::read_some(std::chrono::milliseconds within) {
  if (buffer_.empty()) fill(Clock::now() + within);
  return std::exchange(buffer_, {});
}

std::string Client::read_until(std::string_view text, std::chrono::milliseconds within) {
  const auto end = Clock::now() + within;
  std::size_t found;
  while ((found = buffer_.find(text)) == std::string::npos)
    if (!fill(end)) return {};
  const std::string taken = buffer_.substr(0, found + text.size());
  buffer_.erase(0, found + text.size());
  return taken;
}

bool Client::closed(std::chrono::milliseconds within) {
  const auto end = Clock::now() + within;
  while (fill(end)) {}
  return ended_;
}

TemporaryDirectory::TemporaryDirectory() {
  char name[] = "/tmp/sovirt-server-test-XXXXXX";
  if (::mkdtemp(name) == nullptr) throw errno_error("mkdtemp");
  path_ = name;
  std::filesystem::permissions(path_, std::filesystem::perms{0755});
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

RunningServer::RunningServer(ServerLimits limits, std::size_t workers) : pool(workers) {
  service.upload_directory = directory.path();
  ServerOptions options;
  Listen rw, ro;
  rw.path = path();
  ro.path = read_only_path();
  ro.read_only = true;
  ro.mode = 0666;
  options.listen.push_back(std::move(rw));
  options.listen.push_back(std::move(ro));
  options.limits = limits;
  options.version = "0.0-test";
  server.emplace(std::move(options), service, pool, log);
  thread_ = std::thread{[this] { server->run(); }};
}

std::chrono::milliseconds RunningServer::stop() {
  const auto begin = Clock::now();
  server->stop();
  if (thread_.joinable()) thread_.join();
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
}

RunningServer::~RunningServer() {
  stop();
  pool.stop(std::chrono::seconds{5});
  server.reset();
}

Response RunningServer::call(std::string_view method, std::string_view target, std::string_view body, std::string_view more_headers) {
  return Client{path()}.call(method, target, body, more_headers);
}

}  // namespace sovirt::test
