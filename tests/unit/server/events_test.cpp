#include <gtest/gtest.h>

#include "http_client.hpp"

namespace sovirt::test {
namespace {
using namespace std::chrono_literals;

// An open event stream, past its header.
class Stream {
 public:
  Stream(RunningServer& running, const std::string& target, std::string_view headers = {}) : client_(running.path()) {
    client_.send(request_text("GET", target, {}, headers));
    response = client_.receive();
    EXPECT_EQ(client_.read_until(":\n\n"), ":\n\n");
  }
  // The next event as {"id","event","data"}; null when none comes.
  Json next(std::chrono::milliseconds within = 5s) {
    std::string text = client_.read_until("\n\n", within);
    while (text.starts_with(":")) text = client_.read_until("\n\n", within);
    if (text.empty()) return nullptr;
    Json event;
    for (std::size_t at = 0; at < text.size() - 1;) {
      const auto end = text.find('\n', at), colon = text.find(": ", at);
      event[text.substr(at, colon - at)] = text.substr(colon + 2, end - colon - 2);
      at = end + 1;
    }
    event["data"] = Json::parse(event["data"].get<std::string>());
    return event;
  }
  Client& client() { return client_; }
  Response response;

 private:
  Client client_;
};

TEST(Events, ComeWhileTheyHappen) {
  RunningServer running;
  running.service.add_event("created", "bridge", "before");
  Stream stream{running, "/v1/events"};
  EXPECT_EQ(stream.response.header("content-type"), "text/event-stream");
  running.service.add_event("created", "bridge", "br0");
  const Json event = stream.next();
  EXPECT_EQ(event["id"], "2");
  EXPECT_EQ(event["event"], "created");
  EXPECT_EQ(event["data"]["name"], "br0");
  EXPECT_EQ(event["data"]["id"], 2);
  EXPECT_TRUE(stream.next(50ms).is_null());
}

TEST(Events, AreReplayedWithoutGapOrRepetition) {
  RunningServer running;
  for (int i = 0; i < 350; ++i) running.service.add_event("created", "bridge", "br" + std::to_string(i));
  Stream stream{running, "/v1/events?since=0"};
  std::thread more{[&] { for (int i = 350; i < 700; ++i) running.service.add_event("created", "bridge", "br" + std::to_string(i)); }};
  for (int i = 1; i <= 700; ++i) ASSERT_EQ(stream.next()["id"], std::to_string(i));
  more.join();
  EXPECT_TRUE(stream.next(50ms).is_null());
}

TEST(Events, BeginAfterTheLastOneSeen) {
  RunningServer running;
  for (int i = 0; i < 5; ++i) running.service.add_event("created", "bridge", "br");
  EXPECT_EQ((Stream{running, "/v1/events?since=3"}.next()["id"]), "4");
  EXPECT_EQ((Stream{running, "/v1/events", "Last-Event-ID: 2\r\n"}.next()["id"]), "3");
  EXPECT_EQ((Stream{running, "/v1/events?since=1", "Last-Event-ID: 4\r\n"}.next()["id"]), "5");
  EXPECT_EQ(running.call("GET", "/v1/events", {}, "Last-Event-ID: x\r\n").code(), "malformed");
  EXPECT_EQ(running.call("GET", "/v1/events?since=-1").code(), "bad-query");
}

TEST(Events, AreFiltered) {
  RunningServer running;
  Stream stream{running, "/v1/events?kind=container&name=web&type=started"};
  running.service.add_event("started", "bridge", "web");
  running.service.add_event("started", "container", "db");
  running.service.add_event("stopped", "container", "web");
  running.service.add_event("started", "container", "web");
  EXPECT_EQ(stream.next()["id"], "4");
}

TEST(Events, GapIsToldByReset) {
  RunningServer running;
  for (int i = 0; i < 10; ++i) running.service.add_event("created", "bridge", "br");
  running.service.forget_events_before(8);
  Stream old{running, "/v1/events?since=3"};
  const Json reset = old.next();
  EXPECT_EQ(reset["event"], "reset");
  EXPECT_EQ(reset["id"], "10");
  EXPECT_EQ(reset["data"], (Json{{"id", 10}, {"type", "reset"}, {"oldest", 8}, {"seq", 10}}));
  running.service.add_event("created", "bridge", "br");
  EXPECT_EQ(old.next()["id"], "11");
  EXPECT_EQ((Stream{running, "/v1/events?since=7"}.next()["id"]), "8");           // nothing is missed yet
  EXPECT_EQ((Stream{running, "/v1/events?since=99"}.next()["event"]), "reset");   // from another database
}

TEST(Events, HeartbeatOnlyWhileNothingHappens) {
  ServerLimits limits;
  limits.heartbeat = 50ms;
  RunningServer running{limits};
  Stream stream{running, "/v1/events"};
  EXPECT_EQ(stream.client().read_until(":\n\n", 2s), ":\n\n");
  EXPECT_EQ(stream.client().read_until(":\n\n", 2s), ":\n\n");
}

TEST(Events, SubscriptionGoesWithTheLastClient) {
  RunningServer running;
  {
    Stream one{running, "/v1/events"}, two{running, "/v1/events"};
    EXPECT_EQ(running.service.listeners(), 1u);
  }
  EXPECT_TRUE(comes_true([&] { return running.service.listeners() == 0; }, 2s));
  Stream again{running, "/v1/events"};
  running.service.add_event("created", "bridge", "br0");
  EXPECT_EQ(again.next()["id"], "1");
}

TEST(Events, SlowReaderCostsNoMemoryAndIsDropped) {
  ServerLimits limits;
  limits.write_idle = 200ms;
  RunningServer running{limits};
  Stream stream{running, "/v1/events"};
  for (int i = 0; i < 20000; ++i) running.service.add_event("created", "bridge", "br");
  EXPECT_TRUE(comes_true([&] { return running.service.listeners() == 0; }, 5s));   // dropped
  EXPECT_EQ(running.call("GET", "/healthz").status, 200);
}

TEST(Events, ReaderOverrunWhileConnectedIsReset) {
  RunningServer running;
  Stream stream{running, "/v1/events"};
  for (int i = 0; i < 20000; ++i) running.service.add_event("created", "bridge", "br");
  std::this_thread::sleep_for(50ms);   // its socket is full by now
  running.service.forget_events_before(20000);
  Json event = Json::object();
  for (int i = 0; i < 20001 && event.value("event", "") != "reset"; ++i) event = stream.next();
  EXPECT_EQ(event["event"], "reset");
  EXPECT_EQ(event["id"], "20000");
}

TEST(Events, AcceptAndHead) {
  RunningServer running;
  EXPECT_EQ(running.call("GET", "/v1/events", {}, "Accept: application/json\r\n").status, 406);
  Client client{running.path()};
  EXPECT_EQ(client.call("HEAD", "/v1/events").status, 200);
  Stream stream{running, "/v1/events", "Accept: text/event-stream\r\n"};
  EXPECT_EQ(stream.response.status, 200);
}

}  // namespace
}  // namespace sovirt::test
