#include <gtest/gtest.h>

#include "api/problem.hpp"
#include "http_client.hpp"

namespace sovirt::test {
namespace {
using namespace std::chrono_literals;

TEST(Operations, AreAcceptedAndFollowed) {
  RunningServer running;
  const auto accepted = running.call("PUT", "/v1/images/debian", R"({"source":{}})");
  EXPECT_EQ(accepted.status, 202);
  EXPECT_EQ(accepted.header("location"), "/v1/operations/op1");
  EXPECT_EQ(accepted.json()["state"], "running");
  EXPECT_EQ(running.call("GET", "/v1/operations/op1").json()["object"], "image/debian");
  EXPECT_EQ(running.call("GET", "/v1/operations").json()["items"].size(), 1u);
  EXPECT_EQ(running.call("GET", "/v1/operations/op9").status, 404);
  const auto cancelled = running.call("DELETE", "/v1/operations/op1");
  EXPECT_EQ(cancelled.json()["state"], "cancelled");
  EXPECT_EQ(running.call("DELETE", "/v1/operations/op9").status, 404);
}

// Sends, and ends the operation only when the server is waiting for it.
Response held(RunningServer& running, const std::string& request, std::string state, Json error = nullptr) {
  Client client{running.path()};
  client.send(request);
  EXPECT_TRUE(comes_true([&] { return running.service.listeners() == 1; }));
  EXPECT_EQ(client.read_some(20ms), "");
  running.service.end_operation("op1", std::move(state), std::move(error));
  const auto response = client.receive();
  EXPECT_TRUE(comes_true([&] { return running.service.listeners() == 0; }));
  EXPECT_EQ(client.call("GET", "/healthz").status, 200);
  return response;
}

TEST(Operations, PreferWaitAnswersTheResource) {
  RunningServer running;
  const auto done = held(running, request_text("PUT", "/v1/images/debian", R"({"source":{}})", "Prefer: wait=10\r\n"), "done");
  EXPECT_EQ(done.status, 201);
  EXPECT_EQ(done.json()["name"], "debian");
  EXPECT_EQ(done.header("etag"), "\"1\"");
  EXPECT_EQ(done.header("preference-applied"), "wait=10");
}

TEST(Operations, PreferWaitAnswersTheProblem) {
  RunningServer running;
  const Json problem = write_problem(Error{Code::disk_full, "no room for it"}, "", "");
  const auto failed = held(running, request_text("PUT", "/v1/images/debian", R"({"source":{}})", "Prefer: wait=10\r\n"), "failed", problem);
  EXPECT_EQ(failed.status, 507);
  EXPECT_EQ(failed.code(), "disk-full");
  EXPECT_EQ(failed.json()["detail"], "no room for it");
}

TEST(Operations, PreferWaitAnswersCancellation) {
  RunningServer running;
  const auto cancelled = held(running, request_text("PUT", "/v1/images/debian", R"({"source":{}})", "Prefer: wait=10\r\n"), "cancelled");
  EXPECT_EQ(cancelled.status, 409);
  EXPECT_EQ(cancelled.code(), "cancelled");
}

TEST(Operations, PreferWaitEnds) {
  RunningServer running;
  const auto begin = std::chrono::steady_clock::now();
  const auto accepted = running.call("PUT", "/v1/images/debian", R"({"source":{}})", "Prefer: wait=1\r\n");
  EXPECT_EQ(accepted.status, 202);
  EXPECT_EQ(accepted.header("location"), "/v1/operations/op1");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 900ms);
}

TEST(Operations, GetWaits) {
  RunningServer running;
  running.service.begin_operation("image/debian");
  const auto done = held(running, request_text("GET", "/v1/operations/op1?wait=30s"), "done");
  EXPECT_EQ(done.status, 200);
  EXPECT_EQ(done.json()["state"], "done");
  EXPECT_EQ(running.call("GET", "/v1/operations/op1?wait=30s").json()["state"], "done");
  EXPECT_EQ(running.call("GET", "/v1/operations/op1?wait=1h").code(), "bad-query");
}

TEST(Operations, WaitOfAClientThatLeavesIsDropped) {
  RunningServer running;
  running.service.begin_operation("image/debian");
  {
    Client client{running.path()};
    client.send(request_text("GET", "/v1/operations/op1?wait=30s"));
    ASSERT_TRUE(comes_true([&] { return running.service.listeners() == 1; }));
  }
  EXPECT_TRUE(comes_true([&] { return running.service.listeners() == 0; }, 2s));
}

TEST(Operations, HalfClosedClientStillGetsItsAnswer) {
  RunningServer running;
  running.service.begin_operation("image/debian");
  Client client{running.path()};
  client.send(request_text("GET", "/v1/operations/op1?wait=30s"));
  client.finish_sending();
  ASSERT_TRUE(comes_true([&] { return running.service.listeners() == 1; }));
  std::this_thread::sleep_for(20ms);
  running.service.end_operation("op1", "done");
  EXPECT_EQ(client.receive().json()["state"], "done");
}

TEST(Restore, CanBeWaitedFor) {
  RunningServer running;
  EXPECT_EQ(running.call("GET", "/v1/restore?wait=30s").json()["finished"], true);
  running.service.restored = false;
  EXPECT_EQ(running.call("GET", "/v1/restore").json()["finished"], false);
  EXPECT_EQ(running.call("GET", "/v1/restore?wait=100ms").json()["finished"], false);
  Client client{running.path()};
  client.send(request_text("GET", "/v1/restore?wait=30s"));
  EXPECT_EQ(client.read_some(50ms), "");
  running.service.restored = true;  // without any event: it is looked at now and then
  EXPECT_EQ(client.receive().json()["finished"], true);
}

}  // namespace
}  // namespace sovirt::test
