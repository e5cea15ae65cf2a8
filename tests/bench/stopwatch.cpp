// How long requests take over one kept-alive connection, from the send(2) of the client to the last byte of the answer.
//   stopwatch SOCKET
// Each line of its input is one measurement, "COUNT METHOD TARGET [BODY]", and has one line of output:
//   STATUS BYTES us us us …      of the last answer, and the microseconds of each of the COUNT exchanges
// An answer of 400 or more ends the measurement early: its line has the answer's body in place of the times.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(const char* path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    std::fprintf(stderr, "%s: too long for a socket\n", path);
    std::exit(2);
  }
  std::strcpy(address.sun_path, path);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die(path);
  return fd;
}

struct Answer {
  int status = 0;
  std::string body;
};

// What follows the head, by its Content-Length; without one there is no body (204).
std::size_t body_size(const std::string& head) {
  const auto at = head.find("Content-Length:");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 15, nullptr, 10);
}

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}

  Answer exchange(const std::string& request) {
    for (std::size_t sent = 0; sent < request.size();) {
      const auto count = ::send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) die("send");
      sent += static_cast<std::size_t>(count);
    }
    bytes_.clear();
    std::size_t end = std::string::npos;
    while ((end = bytes_.find("\r\n\r\n")) == std::string::npos) receive();
    end += 4;
    const std::size_t size = body_size(bytes_.substr(0, end));
    while (bytes_.size() < end + size) receive();
    return {std::atoi(bytes_.c_str() + std::strlen("HTTP/1.1 ")), bytes_.substr(end)};
  }

 private:
  void receive() {
    static char block[1 << 18];
    const auto count = ::recv(fd_, block, sizeof block, 0);
    if (count <= 0) die("recv");
    bytes_.append(block, static_cast<std::size_t>(count));
  }

  int fd_;
  std::string bytes_;
};

std::string request_of(const std::string& method, const std::string& target, const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n";
  if (!body.empty()) text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

void measure(Connection& connection, const std::string& request, int count) {
  std::ostringstream times;
  Answer last;
  for (int i = 0; i < count && last.status < 400; ++i) {
    const auto begin = Clock::now();
    last = connection.exchange(request);
    times << ' ' << std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
  }
  std::cout << last.status << ' ' << last.body.size() << (last.status < 400 ? times.str() : " " + last.body) << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: stopwatch SOCKET\n");
    return 2;
  }
  Connection connection{connect_to(argv[1])};
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    int count = 0;
    std::string method, target, body;
    if (!(words >> count >> method >> target) || count < 1 || count > 1'000'000) return 2;
    words >> std::ws;
    std::getline(words, body);
    measure(connection, request_of(method, target, body), count);
  }
  return 0;
}
