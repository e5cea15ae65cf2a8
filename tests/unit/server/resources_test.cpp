#include <gtest/gtest.h>
#include <signal.h>

#include "http_client.hpp"

namespace sovirt::test {
namespace {

TEST(Resources, PutCreatesThenReplaces) {
  RunningServer running;
  Client client{running.path()};
  const auto created = client.call("PUT", "/v1/bridges/br0", R"({"mtu":1500,"labels":{"a":"b"}})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.header("etag"), "\"1\"");
  EXPECT_EQ(created.header("location"), "/v1/bridges/br0");
  EXPECT_EQ(created.json()["labels"]["a"], "b");
  EXPECT_EQ(created.json()["spec"], (Json{{"mtu", 1500}}));
  const auto replaced = client.call("PUT", "/v1/bridges/br0", R"({"mtu":9000})");
  EXPECT_EQ(replaced.status, 200);
  EXPECT_EQ(replaced.header("etag"), "\"2\"");
  const auto read = client.call("GET", "/v1/bridges/br0");
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.header("etag"), "\"2\"");
  EXPECT_EQ(read.json()["spec"]["mtu"], 9000);
}

TEST(Resources, PostCreatesWhatTheBodyNames) {
  RunningServer running;
  const auto created = running.call("POST", "/v1/bridges", R"({"name":"br0","mtu":1500})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.header("location"), "/v1/bridges/br0");
  EXPECT_EQ(running.call("POST", "/v1/bridges", R"({"name":"br0"})").code(), "exists");
  const auto nameless = running.call("POST", "/v1/bridges", "{}");
  EXPECT_EQ(nameless.status, 422);
  EXPECT_EQ(nameless.json()["errors"][0]["pointer"], "/name");
  EXPECT_EQ(running.call("POST", "/v1/bridges", R"({"name":"Br"})").code(), "bad-name");
}

TEST(Resources, EntityTagsGuardReadsAndChanges) {
  RunningServer running;
  Client client{running.path()};
  client.call("PUT", "/v1/bridges/br0", "{}");
  EXPECT_EQ(client.call("GET", "/v1/bridges/br0", {}, "If-None-Match: \"1\"\r\n").status, 304);
  EXPECT_EQ(client.call("GET", "/v1/bridges/br0", {}, "If-None-Match: W/\"1\"\r\n").status, 304);
  EXPECT_EQ(client.call("GET", "/v1/bridges/br0", {}, "If-None-Match: \"7\", \"1\"\r\n").status, 304);
  EXPECT_EQ(client.call("GET", "/v1/bridges/br0", {}, "If-None-Match: *\r\n").status, 304);
  EXPECT_EQ(client.call("GET", "/v1/bridges/br0", {}, "If-None-Match: \"2\"\r\n").status, 200);
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br0", "{}", "If-Match: \"7\"\r\n").code(), "precondition-failed");
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br0", "{}", "If-Match: W/\"1\"\r\n").code(), "precondition-failed");
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br0", "{}", "If-Match: \"other\"\r\n").code(), "precondition-failed");
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br0", "{}", "If-Match: \"7\", \"1\"\r\n").status, 200);
  EXPECT_EQ(running.service.last_context().if_match, 1);
  EXPECT_EQ(client.call("PATCH", "/v1/bridges/br0", "{}", "If-Match: \"2\"\r\n").status, 200);
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br0", "{}", "If-Match: *\r\n").status, 200);
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br1", "{}", "If-Match: *\r\n").code(), "precondition-failed");
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br0", "{}", "If-None-Match: *\r\n").code(), "precondition-failed");
  EXPECT_EQ(client.call("PUT", "/v1/bridges/br2", "{}", "If-None-Match: *\r\n").status, 201);
}

TEST(Resources, PatchMergesBothMediaTypes) {
  RunningServer running;
  running.call("PUT", "/v1/bridges/br0", R"({"mtu":1500,"stp":true})");
  const auto patched = running.call("PATCH", "/v1/bridges/br0", R"({"stp":null,"mtu":9000})", "Content-Type: application/merge-patch+json\r\n");
  EXPECT_EQ(patched.status, 200);
  EXPECT_EQ(patched.json()["spec"], (Json{{"mtu", 9000}}));
  EXPECT_EQ(running.call("PATCH", "/v1/bridges/br0", "[]").status, 422);
  EXPECT_EQ(running.call("PATCH", "/v1/bridges/br9", "{}").status, 404);
}

TEST(Resources, DeleteAnswersNothingOrWhoHoldsIt) {
  RunningServer running;
  running.call("PUT", "/v1/bridges/br0", "{}");
  running.call("PUT", "/v1/bridges/held", "{}");
  const auto deleted = running.call("DELETE", "/v1/bridges/br0");
  EXPECT_EQ(deleted.status, 204);
  EXPECT_EQ(deleted.header("content-length"), "");
  EXPECT_EQ(running.call("DELETE", "/v1/bridges/br0").status, 404);
  const auto held = running.call("DELETE", "/v1/bridges/held");
  EXPECT_EQ(held.status, 409);
  EXPECT_EQ(held.json()["conflicts_with"], Json::array({"container/web"}));
}

TEST(Resources, DryRunAnswersThePlan) {
  RunningServer running;
  const auto plan = running.call("PUT", "/v1/bridges/br0?dry_run=true", "{}");
  EXPECT_EQ(plan.status, 200);
  EXPECT_EQ(plan.json()["steps"].size(), 1u);
  EXPECT_EQ(running.call("GET", "/v1/bridges/br0").status, 404);
  running.call("PUT", "/v1/bridges/br0?dry_run=false", "{}");
  EXPECT_EQ(running.call("DELETE", "/v1/bridges/br0?dry_run", {}).status, 200);
  EXPECT_EQ(running.call("GET", "/v1/bridges/br0").status, 200);
}

TEST(Resources, ListsArePagedAndFiltered) {
  RunningServer running;
  for (const char* name : {"br0", "br1", "br2"}) running.call("PUT", std::string{"/v1/bridges/"} + name, R"({"labels":{"net":"a"}})");
  running.call("PUT", "/v1/bridges/other", "{}");
  const auto page = running.call("GET", "/v1/bridges?limit=2&label=net:a").json();
  EXPECT_EQ(page["items"].size(), 2u);
  EXPECT_EQ(page["next"], "br1");
  EXPECT_EQ(page["seq"], 0);
  const auto rest = running.call("GET", "/v1/bridges?limit=2&label=net%3Aa&cursor=br1").json();
  EXPECT_EQ(rest["items"].size(), 1u);
  EXPECT_TRUE(rest["next"].is_null());
}

TEST(Resources, HeadIsGetWithoutItsBody) {
  RunningServer running;
  Client client{running.path()};
  client.call("PUT", "/v1/bridges/br0", "{}");
  const auto get = client.call("GET", "/v1/bridges/br0");
  const auto head = client.call("HEAD", "/v1/bridges/br0");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), get.header("content-length"));
  EXPECT_EQ(head.header("etag"), "\"1\"");
  EXPECT_EQ(client.call("HEAD", "/v1/bridges/br1").status, 404);
  EXPECT_EQ(client.call("GET", "/v1/bridges/br0").status, 200);
}

TEST(Resources, WrongMethodNamesTheRightOnes) {
  RunningServer running;
  EXPECT_EQ(running.call("PATCH", "/v1/bridges").header("allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(running.call("OPTIONS", "/v1/containers/web/state").header("allow"), "PUT, OPTIONS");
}

TEST(Resources, HistoryAndRevert) {
  RunningServer running;
  running.call("PUT", "/v1/bridges/br0", R"({"mtu":1500})");
  EXPECT_EQ(running.call("GET", "/v1/bridges/br0/history").json()["items"][0]["revision"], 1);
  EXPECT_EQ(running.call("POST", "/v1/bridges/br0/actions/revert", R"({"revision":1})").header("etag"), "\"2\"");
  EXPECT_EQ(running.call("POST", "/v1/bridges/br0/actions/revert", R"({"revision":0})").status, 422);
  EXPECT_EQ(running.call("POST", "/v1/bridges/br0/actions/revert", "{}").status, 422);
  EXPECT_EQ(running.call("POST", "/v1/bridges/br0/actions/revert", R"({"revision":1,"x":1})").status, 422);
}

TEST(Containers, StateRestartAndKill) {
  RunningServer running;
  running.call("PUT", "/v1/containers/web", R"({"image":"debian"})");
  const auto started = running.call("PUT", "/v1/containers/web/state", R"({"desired":"running"})");
  EXPECT_EQ(started.status, 200);
  EXPECT_EQ(started.json()["status"]["state"], "running");
  EXPECT_EQ(running.call("PUT", "/v1/containers/web/state", R"({"desired":"flying"})").status, 422);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/restart").status, 200);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/restart", R"({"timeout":5})").status, 200);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/restart", R"({"timeout":-5})").status, 422);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/kill").status, 204);
  EXPECT_EQ(running.service.last_signal, SIGTERM);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/kill", R"({"signal":"SIGUSR1"})").status, 204);
  EXPECT_EQ(running.service.last_signal, SIGUSR1);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/kill", R"({"signal":"RTMIN+3"})").status, 204);
  EXPECT_EQ(running.service.last_signal, SIGRTMIN + 3);
  EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/kill", R"({"signal":9})").status, 204);
  EXPECT_EQ(running.service.last_signal, SIGKILL);
  for (const char* bad : {R"({"signal":"BANANA"})", R"({"signal":0})", R"({"signal":65})", R"({"signal":-1})", R"({"signal":"RTMIN+99"})", R"({"signal":4294967305})"})
    EXPECT_EQ(running.call("POST", "/v1/containers/web/actions/kill", bad).status, 422) << bad;
}

TEST(Containers, ExecAnswersWhateverBytesItPrinted) {
  RunningServer running;
  const auto done = running.call("POST", "/v1/containers/web/exec", R"({"command":["date"],"stdin":"in"})").json();
  EXPECT_EQ(done["exit_code"], 3);
  EXPECT_TRUE(done["signal"].is_null());
  EXPECT_EQ(done["stdout"], "date\xef\xbf\xbd");
  EXPECT_EQ(done["stderr"], "in");
  EXPECT_EQ(running.call("POST", "/v1/containers/web/exec", R"({"command":[]})").status, 422);
}

TEST(Containers, LogIsBytesOrADocument) {
  RunningServer running;
  const auto text = running.call("GET", "/v1/containers/web/log");
  EXPECT_EQ(text.header("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(text.body, "console \x1b[1mline\n");
  EXPECT_EQ(text.header("x-sovirt-log-end"), std::to_string(text.body.size()));
  EXPECT_EQ(running.call("GET", "/v1/containers/web/log?since=8&limit=5").body, "\x1b[1ml");
  const auto document = running.call("GET", "/v1/containers/web/log", {}, "Accept: application/json\r\n").json();
  EXPECT_EQ(document["log"], text.body);
  EXPECT_EQ(document["end"], text.body.size());
  EXPECT_EQ(running.call("GET", "/v1/containers/web/log?since=1970-01-01T00:00:00.000008Z&limit=5").body, "\x1b[1ml");
  EXPECT_EQ(running.call("GET", "/v1/containers/web/log?since=yesterday").code(), "bad-query");
  EXPECT_EQ(running.call("GET", "/v1/containers/web/log?follow=perhaps").code(), "bad-query");
  EXPECT_EQ(running.call("GET", "/v1/containers/web/log?follow=true&limit=5").code(), "bad-query");
}

TEST(Host, IsTold) {
  RunningServer running;
  EXPECT_EQ(running.call("GET", "/v1/host").json()["kind"], "host");
  EXPECT_EQ(running.call("GET", "/healthz").json()["status"], "ok");
  EXPECT_EQ(running.call("GET", "/v1/templates").json()["items"][0]["name"], "debian");
  EXPECT_EQ(running.call("POST", "/v1/host/actions/stop-containers").json()["dry_run"], false);
  EXPECT_EQ(running.call("POST", "/v1/host/actions/stop-containers?dry_run=true", "{}").json()["dry_run"], true);
  EXPECT_EQ(running.call("POST", "/v1/host/actions/stop-containers", R"({"x":1})").status, 422);
}

TEST(Requests, IdIsTheClientsOrOurs) {
  RunningServer running;
  EXPECT_EQ(running.call("GET", "/healthz", {}, "X-Request-Id: my.id_1-2\r\n").header("x-request-id"), "my.id_1-2");
  EXPECT_NE(running.call("GET", "/healthz", {}, "X-Request-Id: my id\r\n").header("x-request-id"), "my id");
  EXPECT_NE(running.call("GET", "/healthz").header("x-request-id"), running.call("GET", "/healthz").header("x-request-id"));
  running.call("PUT", "/v1/bridges/br0", "{}", "X-Request-Id: from-client\r\n");
  const auto context = running.service.last_context();
  EXPECT_EQ(context.actor.request_id, "from-client");
  EXPECT_EQ(context.actor.uid, ::geteuid());
  EXPECT_EQ(context.actor.pid, ::getpid());
  EXPECT_NE(running.log.text().find("request_id=from-client method=PUT target=/v1/bridges/br0 status=201"), std::string::npos);
}

TEST(Requests, UnexpectedExceptionsTellTheLogOnly) {
  RunningServer running;
  const auto response = running.call("GET", "/v1/bridges/explode");
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
  EXPECT_NE(running.log.text().find("a secret of the implementation"), std::string::npos);
  EXPECT_NE(running.log.text().find(response.header("x-request-id")), std::string::npos);
}

TEST(Requests, PipelinedOnesAreAnsweredInOrder) {
  RunningServer running;
  Client client{running.path()};
  std::string all;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "/v1/bridges/br" + std::to_string(i);
    all += request_text("PUT", name, R"({"mtu":)" + std::to_string(1000 + i) + "}");
    all += request_text("GET", name);
  }
  ASSERT_TRUE(client.send(all));
  client.finish_sending();  // half-closed: the answers come all the same
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.receive().status, 201);
    EXPECT_EQ(client.receive().json()["spec"]["mtu"], 1000 + i);
  }
  EXPECT_TRUE(client.closed());
}

TEST(Requests, ExpectIsAnsweredBeforeTheBodyComes) {
  RunningServer running;
  Client client{running.path()};
  const std::string head = "PUT /v1/bridges/br0 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
  client.send(head);
  EXPECT_EQ(client.receive().status, 100);
  client.send("{}");
  EXPECT_EQ(client.receive().status, 201);
  client.send("PUT /v1/bridges/br0 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  const auto refused = client.receive();
  EXPECT_EQ(refused.status, 415);
  EXPECT_EQ(refused.header("connection"), "close");
}

TEST(Requests, CutShortAreTold) {
  RunningServer running;
  for (const char* bytes : {"GET /healthz HT", "PUT /v1/bridges/br0 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"}) {
    Client client{running.path()};
    client.send(bytes);
    client.finish_sending();
    EXPECT_EQ(client.receive().code(), "malformed") << bytes;
    EXPECT_TRUE(client.closed());
  }
  EXPECT_EQ(running.call("GET", "/v1/bridges/br0").status, 404);
}

}  // namespace
}  // namespace sovirt::test
