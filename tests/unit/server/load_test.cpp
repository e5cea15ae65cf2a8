#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <latch>

#include "http_client.hpp"

namespace sovirt::test {
namespace {
using namespace std::chrono_literals;

TEST(Load, SixtyFourClientsAtOnce) {
  RunningServer running;
  std::atomic<int> good = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 64; ++c)
    clients.emplace_back([&, c] {
      Client client{running.path()};
      const std::string path = "/v1/bridges/br" + std::to_string(c);
      for (int i = 1; i <= 30; ++i) {
        if (client.call("PUT", path, R"({"mtu":)" + std::to_string(1000 + i) + "}").json().value("revision", 0) != i) return;
        if (client.call("GET", path).json()["spec"]["mtu"] != 1000 + i) return;
        ++good;
      }
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 64 * 30);
}

TEST(Load, BlockedChangesDoNotBlockReads) {
  RunningServer running;
  running.service.exec_ms = 300;
  std::vector<std::unique_ptr<Client>> busy;
  for (int i = 0; i < 40; ++i) {
    busy.push_back(std::make_unique<Client>(running.path()));
    busy.back()->send(request_text("POST", "/v1/containers/web/exec", R"({"command":["x"]})"));
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(running.call("GET", "/v1/bridges").status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 200ms);
  for (auto& client : busy) EXPECT_EQ(client->receive().status, 200);
}

TEST(Load, StopsWithinASecondUnderLoad) {
  RunningServer running;
  std::atomic<bool> over = false;
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 16; ++c)
    clients.emplace_back([&] {
      Client client{running.path()};
      while (!over) {
        if (client.call("GET", "/v1/bridges").status != 200) return;
        ++answered;
      }
    });
  Client stream{running.path()}, held{running.path()}, stuck{running.path()}, idle{running.path()};
  stream.send(request_text("GET", "/v1/events"));
  running.service.begin_operation("image/debian");
  held.send(request_text("GET", "/v1/operations/op1?wait=100s"));
  running.service.exec_ms = 1500;
  stuck.send(request_text("POST", "/v1/containers/web/exec", R"({"command":["x"]})"));
  EXPECT_TRUE(comes_true([&] { return answered > 1000 && running.service.listeners() == 2; }));
  EXPECT_LT(running.stop(), 1000ms);
  EXPECT_EQ(held.receive().json()["state"], "running");   // told what is known
  EXPECT_TRUE(stream.closed(1s));
  EXPECT_TRUE(stuck.closed(1s));
  EXPECT_TRUE(idle.closed(1s));
  over = true;
  for (auto& client : clients) client.join();
}

TEST(Load, StopLetsShortWorkFinish) {
  RunningServer running;
  running.service.exec_ms = 200;
  Client client{running.path()};
  client.send(request_text("POST", "/v1/containers/web/exec", R"({"command":["x"]})"));
  std::this_thread::sleep_for(50ms);
  EXPECT_LT(running.stop(), 600ms);
  const auto done = client.receive();
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.header("connection"), "close");
}

TEST(Load, StopBeforeRunAndTwice) {
  RunningServer running;
  running.server->stop();
  EXPECT_LT(running.stop(), 500ms);
}

TEST(Load, ConnectionsAreBounded) {
  ServerLimits limits;
  limits.connections = 8;
  RunningServer running{limits};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(running.path()));
    ASSERT_EQ(clients.back()->call("GET", "/healthz").status, 200);
  }
  Client more{running.path()};
  const auto refused = more.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "unavailable");
  EXPECT_NE(refused.header("retry-after"), "");
  EXPECT_TRUE(more.closed());
  clients.pop_back();
  EXPECT_TRUE(comes_true([&] { return running.call("GET", "/healthz").status == 200; }));
}

// Lets this process open one more descriptor than it has.
class OneDescriptorLeft {
 public:
  OneDescriptorLeft() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const unique_fd next{::dup(0)};
    const rlimit tight{static_cast<rlim_t>(next.get()) + 1, before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  }
  ~OneDescriptorLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  OneDescriptorLeft(const OneDescriptorLeft&) = delete;
  OneDescriptorLeft& operator=(const OneDescriptorLeft&) = delete;

 private:
  rlimit before_{};
};

TEST(Load, WithoutDescriptorsItWaitsAndDoesNotSpin) {
  RunningServer running;
  EXPECT_EQ(running.call("GET", "/healthz").status, 200);
  std::optional<OneDescriptorLeft> tight;
  tight.emplace();
  Client client{running.path()};
  client.send(request_text("GET", "/healthz"));
  ASSERT_TRUE(comes_true([&] { return running.log.text().find("connection not accepted") != std::string::npos; }));
  EXPECT_EQ(client.read_some(500ms), "");
  tight.reset();
  EXPECT_EQ(client.receive().status, 200);
  std::size_t warnings = 0;
  const auto text = running.log.text();
  for (std::size_t at = 0; (at = text.find("connection not accepted", at)) != std::string::npos; ++at) ++warnings;
  EXPECT_LE(warnings, 6u);
}

TEST(Timeouts, SlowHeaderIsEnded) {
  ServerLimits limits;
  limits.header_time = 200ms;
  RunningServer running{limits};
  Client client{running.path()};
  const std::string text = request_text("GET", "/healthz");
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < text.size() - 1 && std::chrono::steady_clock::now() - begin < 3s; ++i) {   // a byte now and then buys no time
    if (!client.send(text.substr(i, 1))) break;
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  EXPECT_EQ(client.receive().status, 408);
  EXPECT_TRUE(client.closed());
}

TEST(Timeouts, SlowBodyIsEnded) {
  ServerLimits limits;
  limits.body_idle = 150ms;
  RunningServer running{limits};
  Client client{running.path()};
  client.send("PUT /v1/bridges/br0 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
  EXPECT_EQ(client.receive().code(), "request-timeout");
  EXPECT_TRUE(client.closed());
}

TEST(Timeouts, IdleConnectionIsClosed) {
  ServerLimits limits;
  limits.keep_alive = 150ms;
  RunningServer running{limits};
  Client client{running.path()};
  EXPECT_EQ(client.call("GET", "/healthz").status, 200);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(client.closed(2s));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
}

TEST(Timeouts, WorkAndWaitingHaveNone) {
  ServerLimits limits;
  limits.keep_alive = limits.header_time = limits.body_idle = limits.write_idle = 100ms;
  RunningServer running{limits};
  running.service.exec_ms = 400;
  EXPECT_EQ(running.call("POST", "/v1/containers/web/exec", R"({"command":["x"]})").status, 200);
  running.service.begin_operation("image/debian");
  EXPECT_EQ(running.call("GET", "/v1/operations/op1?wait=400ms").status, 200);
}

TEST(Timeouts, ClientThatDoesNotReadIsDropped) {
  ServerLimits limits;
  limits.write_idle = 150ms;
  RunningServer running{limits};
  const std::string big(200000, 'a');
  running.call("PUT", "/v1/bridges/br0", R"({"x":")" + big + "\"}");
  Client client{running.path()};
  bool sent = true;
  for (int i = 0; i < 2000 && sent; ++i) sent = client.send(request_text("GET", "/v1/bridges/br0"));
  EXPECT_FALSE(sent);
}

}  // namespace
}  // namespace sovirt::test
