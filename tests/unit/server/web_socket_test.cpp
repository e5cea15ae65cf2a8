// WebSockets by hand: what the frames on the wire are, and when the daemon gives a client up.
#include <gtest/gtest.h>

#include "http_client.hpp"

namespace sovirt::test {
namespace {
using namespace std::chrono_literals;

constexpr const char* upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c292aXJ0Y3RsLXNvdmlydA==\r\n";

// A WebSocket that reads frames and answers none by itself.
class Line {
 public:
  Line(RunningServer& running, const std::string& target) : client_(running.path()) {
    client_.send(request_text("GET", target, {}, upgrade));
    head_ = client_.read_until("\r\n\r\n");
  }
  const std::string& head() const { return head_; }
  struct Frame { int opcode = -1; std::string text; };   // -1: none came
  Frame next(std::chrono::milliseconds within = 5s) {
    const auto end = std::chrono::steady_clock::now() + within;
    while (!whole()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      const std::string more = left.count() > 0 ? client_.read_some(left) : "";
      if (more.empty()) return {};
      bytes_ += more;
    }
    Frame frame{bytes_[0] & 0x0f, bytes_.substr(header(), size())};
    bytes_.erase(0, header() + size());
    return frame;
  }
  Json event() {
    Frame frame = next();
    while (frame.opcode == 9) frame = next();
    return frame.opcode == 1 ? Json::parse(frame.text) : Json();
  }
  void pong() { client_.send(std::string{"\x8a\x80\0\0\0\0", 6}); }
  Client& client() { return client_; }

 private:
  std::size_t header() const { return (bytes_[1] & 0x7f) == 126 ? 4 : 2; }
  std::size_t size() const {
    const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes_[at])); };
    return header() == 2 ? byte(1) : byte(2) << 8 | byte(3);
  }
  bool whole() const { return bytes_.size() >= 2 && bytes_.size() >= header() && bytes_.size() >= header() + size(); }

  Client client_;
  std::string head_, bytes_;
};

TEST(EventsOverWebSockets, AreTheSameDocuments) {
  RunningServer running;
  for (int i = 0; i < 250; ++i) running.service.add_event("created", "bridge", "br" + std::to_string(i));
  Line line{running, "/v1/events?since=100"};
  ASSERT_TRUE(line.head().starts_with("HTTP/1.1 101 ")) << line.head();
  for (int i = 101; i <= 250; ++i) {
    const Json event = line.event();
    ASSERT_TRUE(event.is_object()) << i;
    ASSERT_EQ(event["id"], i);
    ASSERT_EQ(event["type"], "created");
  }
  running.service.add_event("deleted", "bridge", "br7");
  const Json event = line.event();
  EXPECT_EQ(event["id"], 251);
  EXPECT_EQ(event["name"], "br7");
}

TEST(EventsOverWebSockets, AreFilteredAndReset) {
  RunningServer running;
  for (int i = 0; i < 9; ++i) running.service.add_event(i % 2 ? "created" : "deleted", "bridge", "br");
  Line line{running, "/v1/events?since=0&type=created"};
  for (int id : {2, 4, 6, 8}) EXPECT_EQ(line.event()["id"], id);
  Line ahead{running, "/v1/events?since=1000"};
  const Json reset = ahead.event();
  EXPECT_EQ(reset["type"], "reset");
  EXPECT_EQ(reset["seq"], 9);
}

TEST(EventsOverWebSockets, WrongUpgradesAreRefused) {
  RunningServer running;
  EXPECT_EQ(running.call("GET", "/v1/events", {}, "Connection: Upgrade\r\nUpgrade: websocket\r\n").status, 426);
  EXPECT_EQ(running.call("GET", "/v1/events", {}, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n").status, 400);
  EXPECT_EQ(running.call("GET", "/v1/events?nosuch=1", {}, upgrade).status, 400);
}

TEST(Pings, AreSentAndAClientThatReadsButNeverAnswersIsGivenUp) {
  ServerLimits limits;
  limits.ping = 20ms;
  RunningServer running{limits};
  Line line{running, "/v1/events"};
  int pings = 0;
  while (line.next(3s).opcode == 9) ++pings;
  EXPECT_GE(pings, 2);
  EXPECT_TRUE(line.client().closed());
}

TEST(Pings, AClientThatAnswersOrDoesNotReadStays) {
  ServerLimits limits;
  limits.ping = 20ms;
  RunningServer running{limits};
  Line answers{running, "/v1/events"}, sleeps{running, "/v1/events"};
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(answers.next().opcode, 9) << i;
    answers.pong();
  }
  running.service.add_event("created", "bridge", "br0");
  EXPECT_EQ(answers.event()["name"], "br0");
  EXPECT_EQ(sleeps.event()["name"], "br0");
}

}  // namespace
}  // namespace sovirt::test
