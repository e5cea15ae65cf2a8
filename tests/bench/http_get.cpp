// How long a GET takes over a kept-alive connection, from the send(2) of the client to the last byte of the answer:
//   bench_http_get                       against a server of its own, with a container of usual size in memory
//   bench_http_get SOCKET TARGET [N]     against a daemon that runs
// Prints one JSON line: microseconds at the quantiles, and beside them the same exchange with a bare echo server, which
// is what the kernel alone takes for it on this machine.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../unit/server/http_client.hpp"

namespace {

using Clock = std::chrono::steady_clock;

sovirt::unique_fd connect_to(const std::string& path) {
  sovirt::unique_fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror(path.c_str());
    std::exit(1);
  }
  return fd;
}

// One exchange; the answer's size is known after the first, so that reading costs as little as can be.
std::size_t exchange(int fd, const std::string& request, std::size_t size) {
  static char answer[1 << 20];
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) std::exit(1);
  std::size_t got = 0;
  do {
    const auto count = ::recv(fd, answer + got, sizeof answer - got, 0);
    if (count <= 0) std::exit(1);
    got += static_cast<std::size_t>(count);
  } while (got < size);
  if (size == 0 && std::strncmp(answer, "HTTP/1.1 200", 12) != 0) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(got), answer);
    std::exit(1);
  }
  return got;
}

std::vector<double> measure(int fd, const std::string& request, std::size_t size, int rounds) {
  std::vector<double> microseconds;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = Clock::now();
    exchange(fd, request, size);
    microseconds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  return microseconds;
}

void print(const char* name, const std::vector<double>& sorted) {
  const auto at = [&](double q) { return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))]; };
  std::printf("\"%s\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"min\":%.1f}", name, at(0.5), at(0.9), at(0.99), sorted.front());
}

void echo(int fd, std::size_t size) {
  const std::string answer(size, 'x');
  char request[4096];
  while (::recv(fd, request, sizeof request, 0) > 0)
    if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
}

const char* const container = R"({"image":"debian","hostname":"web","isolation":"container","command":null,"env":{"LANG":"C.UTF-8","PATH":"/usr/bin:/bin"},
  "cwd":"/","user":"0:0","nics":[{"name":"eth0","bridge":"brso1","mac":"4a:49:43:49:79:bf","addresses":["172.16.2.10/24"],"gateway":"172.16.2.1","mtu":0}],
  "limits":{"memory":{"max":536870912}},"autostart":"always","boot_priority":0,"boot_delay":0,"stop_timeout":10})";

}  // namespace

int main(int argc, char** argv) {
  std::optional<sovirt::test::RunningServer> own;
  std::string path, target = "/v1/containers/web";
  if (argc >= 3) {
    path = argv[1];
    target = argv[2];
  } else {
    own.emplace();
    path = own->path();
    if (own->call("PUT", target, container).status != 201) return 1;
  }
  const int rounds = argc >= 4 ? std::atoi(argv[3]) : 20000;
  if (rounds < 1) return 1;
  const std::string request = "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n";
  const auto fd = connect_to(path);
  std::size_t size = exchange(fd.get(), request, 0);
  measure(fd.get(), request, size, std::min(rounds, 1000));   // warm
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 1;
  const sovirt::unique_fd near{pair[0]}, far{pair[1]};
  std::thread echoing{[&] { echo(far.get(), size); }};
  std::printf("{\"target\":\"%s\",\"answer_bytes\":%zu,\"rounds\":%d,\"unit\":\"us\",", target.c_str(), size, rounds);
  print("get", measure(fd.get(), request, size, rounds));
  std::printf(",");
  print("echo", measure(near.get(), request, size, rounds));
  std::printf("}\n");
  ::shutdown(near.get(), SHUT_RDWR);
  echoing.join();
  return 0;
}
