#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <sys/stat.h>

#include "daemon/server/listener.hpp"
#include "daemon/server/peer_cred.hpp"
#include "http_client.hpp"

namespace sovirt::test {
namespace {

TEST(Peers, AreKnownByTheirSocket) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const unique_fd one{pair[0]}, two{pair[1]};
  const auto peer = read_peer(one.get(), std::nullopt);
  EXPECT_EQ(peer.uid, ::geteuid());
  EXPECT_EQ(peer.pid, ::getpid());
  EXPECT_TRUE(peer.privileged);
  EXPECT_FALSE(read_peer(-1, std::nullopt).privileged);
  EXPECT_EQ(find_group("no-such-group-here"), std::nullopt);
}

// As another user with these groups, connects and gives what `ask` makes of it as exit status.
template <class Ask>
int as_stranger(std::vector<gid_t> groups, Ask ask) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(99);
    try {
      ::_exit(ask());
    } catch (...) {
      ::_exit(98);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

#define NEEDS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user"

TEST(Peers, StrangerIsPrivilegedByGroupOnly) {
  NEEDS_ROOT();
  const TemporaryDirectory directory;
  Listen listen;
  listen.path = directory.path() + "/s";
  listen.mode = 0666;
  Listener listener{std::move(listen)};
  for (const bool member : {false, true}) {
    int connected[2];
    ASSERT_EQ(::pipe(connected), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const std::vector<gid_t> groups = member ? std::vector<gid_t>{4711, 4712} : std::vector<gid_t>{4712};
      if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(99);
      const Client client{listener.path()};
      char byte;
      [[maybe_unused]] const auto ignored = ::read(connected[0], &byte, 1);
      ::_exit(0);
    }
    unique_fd socket;
    ASSERT_TRUE(comes_true([&] { socket.reset(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC)); return static_cast<bool>(socket); }));
    const auto peer = read_peer(socket.get(), 4711);
    EXPECT_EQ(peer.uid, 65534u);
    EXPECT_EQ(peer.pid, child);
    EXPECT_EQ(peer.privileged, member);
    ASSERT_EQ(::write(connected[1], "x", 1), 1);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(connected[0]);
    ::close(connected[1]);
  }
}

TEST(Access, StrangersMayReadWhatIsNoSecret) {
  NEEDS_ROOT();
  RunningServer running;
  running.call("PUT", "/v1/containers/web", R"({"image":"debian","env":{"PASSWORD":"hunter2"}})");
  const auto path = running.read_only_path();
  const auto status = [&](const std::string& method, const std::string& target, const std::string& body = {}) {
    return as_stranger({}, [&] { return Client{path}.call(method, target, body).status / 10; });
  };
  EXPECT_EQ(status("GET", "/v1/containers/web"), 20);
  EXPECT_EQ(status("HEAD", "/v1/containers"), 20);
  EXPECT_EQ(status("GET", "/v1/openapi.json"), 20);
  EXPECT_EQ(status("GET", "/v1/containers/web/log"), 40);
  EXPECT_EQ(status("GET", "/v1/audit"), 40);
  EXPECT_EQ(status("PUT", "/v1/bridges/br0", "{}"), 40);
  for (const std::string target : {"/v1/containers/web", "/v1/containers", "/v1/containers/web/history"})
    EXPECT_EQ(as_stranger({}, [&] {
      const auto body = Client{path}.call("GET", target).body;
      return (body.find("PASSWORD") != std::string::npos && body.find("hunter2") == std::string::npos) ? 1 : 0;
    }), 1) << target;
  EXPECT_NE(running.call("GET", "/v1/containers/web").body.find("hunter2"), std::string::npos);
}

TEST(Access, StrangersGetNothingOnTheOtherSocket) {
  NEEDS_ROOT();
  RunningServer running;
  ASSERT_EQ(::chmod(running.path().c_str(), 0666), 0);
  for (const std::string target : {"/healthz", "/v1/bridges", "/v1/nothing"})
    EXPECT_EQ(as_stranger({}, [&] { return Client{running.path()}.call("GET", target).code() == "forbidden"; }), 1) << target;
  EXPECT_EQ(as_stranger({}, [&] { return Client{running.path()}.call("PUT", "/v1/bridges/br0", "{}").code() == "forbidden"; }), 1);
  EXPECT_EQ(running.call("GET", "/v1/bridges/br0").status, 404);
}

TEST(Access, ReadOnlySocketChangesNothingForAnybody) {
  RunningServer running;
  const auto ask = [&](const std::string& method, const std::string& target, const std::string& body = {}) {
    return Client{running.read_only_path()}.call(method, target, body);
  };
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  EXPECT_EQ(ask("GET", "/v1/containers/web/log").status, 200);   // privileged, as this process is the daemon's own user
  EXPECT_EQ(ask("GET", "/v1/audit").code(), "forbidden");
  const auto refused = ask("PUT", "/v1/bridges/br0", "{}");
  EXPECT_EQ(refused.code(), "forbidden");
  EXPECT_NE(refused.json().value("hint", ""), "");
  EXPECT_EQ(ask("DELETE", "/v1/bridges/br0").code(), "forbidden");
  EXPECT_EQ(ask("POST", "/v1/containers/web/exec", R"({"command":["id"]})").code(), "forbidden");
  EXPECT_EQ(ask("PUT", "/v1/images/debian/content", "x").code(), "forbidden");
  EXPECT_EQ(running.call("GET", "/v1/bridges/br0").status, 404);
}

TEST(Audit, HasEachChangeAndEachRefusal) {
  RunningServer running;
  const auto rows = [&] { return running.service.audit_rows(1000); };
  running.call("GET", "/v1/bridges");
  running.call("PUT", "/v1/bridges/br0?dry_run=true", "{}");
  EXPECT_TRUE(rows().empty());
  running.call("PUT", "/v1/bridges/br0", "{}", "X-Request-Id: first\r\n");
  ASSERT_EQ(rows().size(), 1u);   // written before the answer
  EXPECT_EQ(rows()[0].actor.action, "PUT /v1/bridges/br0");
  EXPECT_EQ(rows()[0].object, "bridge/br0");
  EXPECT_EQ(rows()[0].status, 201);
  EXPECT_EQ(rows()[0].code, "");
  EXPECT_EQ(rows()[0].actor.request_id, "first");
  EXPECT_EQ(rows()[0].actor.pid, ::getpid());
  running.call("PUT", "/v1/bridges/br0", R"({"bad":1})");
  EXPECT_EQ(rows()[0].code, "invalid");
  running.call("PUT", "/v1/bridges/br0", "{}", "Content-Type: text/plain\r\n");   // refused on the loop
  ASSERT_TRUE(comes_true([&] { return rows().size() == 3; }));
  EXPECT_EQ(rows()[0].status, 415);
  Client{running.read_only_path()}.call("DELETE", "/v1/bridges/br0");
  ASSERT_TRUE(comes_true([&] { return rows().size() == 4; }));
  EXPECT_EQ(rows()[0].status, 403);
  running.call("PUT", "/v1/images/debian", R"({"source":{}})");
  EXPECT_EQ(rows()[0].status, 202);
  running.call("PUT", "/v1/images/debian/content", "x", "Content-Type: application/gzip\r\n");
  ASSERT_EQ(rows().size(), 6u);
  EXPECT_EQ(rows()[0].object, "image/debian");
  const auto listed = running.call("GET", "/v1/audit?limit=2").json();
  ASSERT_EQ(listed["items"].size(), 2u);
  EXPECT_EQ(listed["items"][1]["action"], "PUT /v1/images/debian");
}

TEST(Audit, StrangersCannotFillIt) {
  NEEDS_ROOT();
  RunningServer running;
  EXPECT_EQ(as_stranger({}, [&] {
    Client client{running.read_only_path()};
    for (int i = 0; i < 500; ++i)
      if (client.call("DELETE", "/v1/bridges/br0").status != 403) return 1;
    return 0;
  }), 0);
  running.pool.post([] {});
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  const auto count = running.service.audit_rows(10000).size();
  EXPECT_GE(count, 1u);
  EXPECT_LE(count, 120u);   // 60 a minute, and the minute may change
}

}  // namespace
}  // namespace sovirt::test
