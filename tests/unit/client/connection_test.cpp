#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "client/lib/api_client.hpp"

namespace sovirt::client {
namespace {

// A socket in a directory of its own that answers the n-th connection with the n-th script.
class ConnectionTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(directory_), nullptr);
    listen_on(path());
  }
  void TearDown() override {
    if (server_.joinable()) server_.join();
    ::unlink(path().c_str());
    ::rmdir(directory_);
  }
  std::string path() const { return std::string(directory_) + "/s.sock"; }

  void listen_on(const std::string& where) {
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, where.data(), where.size());
    ASSERT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener_.get(), 8), 0);
  }

  // For each connection: for each answer, reads until `until` was seen, then writes the answer; then closes.
  void serve(std::vector<std::vector<std::string>> connections, std::string until = "\r\n\r\n") {
    server_ = std::thread([this, connections = std::move(connections), until = std::move(until)] {
      for (const auto& answers : connections) {
        pollfd waiting{listener_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 5000) != 1) return;
        const unique_fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        for (const std::string& answer : answers) {
          std::string got;
          char bytes[4096];
          while (got.find(until) == std::string::npos) {
            const ssize_t count = ::recv(client.get(), bytes, sizeof bytes, 0);
            if (count <= 0) break;
            got.append(bytes, static_cast<std::size_t>(count));
          }
          seen_ += got;
          if (::send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
        }
      }
    });
  }

  char directory_[32] = "/tmp/sovirt-client-XXXXXX";
  unique_fd listener_;
  std::thread server_;
  std::string seen_;
};

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}";

TEST_F(ConnectionTest, KeepsTheConnection) {
  serve({{ok, ok}});
  ApiClient api(path());
  EXPECT_EQ(api.get("/v1/a")["a"], 1);
  EXPECT_EQ(api.get("/v1/b")["a"], 1);
  server_.join();
  EXPECT_NE(seen_.find("GET /v1/b HTTP/1.1\r\nHost: localhost\r\n"), std::string::npos);
}

TEST_F(ConnectionTest, OpensAnotherWhenTheServerClosed) {
  serve({{ok}, {ok}});
  ApiClient api(path());
  EXPECT_EQ(api.get("/v1/a")["a"], 1);
  ::usleep(50'000);  // the server's close is there by now
  EXPECT_EQ(api.get("/v1/b")["a"], 1);
}

TEST_F(ConnectionTest, CollectsAllPages) {
  const auto page = [](const std::string& body) { return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body; };
  serve({{page(R"({"items":[1,2],"next":"c d","seq":9})"), page(R"({"items":[3],"next":null,"seq":9})")}});
  ApiClient api(path());
  EXPECT_EQ(api.get_all("/v1/a?label=x").dump(), R"({"items":[1,2,3],"next":null,"seq":9})");
  server_.join();
  EXPECT_NE(seen_.find("GET /v1/a?label=x&cursor=c%20d HTTP"), std::string::npos) << seen_;
}

TEST_F(ConnectionTest, ProblemsBecomeErrors) {
  const std::string body = R"({"code":"in-use","detail":"it is used","conflicts_with":["container/web"],"request_id":"r7"})";
  serve({{"HTTP/1.1 409 Conflict\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body}});
  ApiClient api(path());
  try {
    api.call("DELETE", "/v1/bridges/b");
    FAIL() << "no error";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 409);
    EXPECT_EQ(error.error().code(), Code::in_use);
    EXPECT_EQ(error.error().conflicts_with(), std::vector<std::string>{"container/web"});
    EXPECT_EQ(error.request_id(), "r7");
  }
}

TEST_F(ConnectionTest, ErrorWithoutProblemStillHasItsKind) {
  serve({{"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n<p/>"}});
  ApiClient api(path());
  try {
    api.get("/v1/x");
    FAIL() << "no error";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.error().code(), Code::not_found);
  }
}

TEST_F(ConnectionTest, EarlyRefusalOfAnUpload) {
  serve({{"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"}});
  const unique_fd file(::memfd_create("upload", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(file.get(), 64 << 20), 0);
  ApiClient api(path());
  try {
    api.upload("/v1/images/a/content", file.get(), 64 << 20, "a.tar");
    FAIL() << "no error";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.error().code(), Code::forbidden);
  }
}

TEST_F(ConnectionTest, ServerThatSaysNothing) {
  serve({{""}});
  ApiClient api(path());
  EXPECT_THROW(api.get("/v1/a"), ProtocolError);
}

TEST_F(ConnectionTest, TwoAnswersToOneRequest) {
  serve({{ok + ok}});
  ApiClient api(path());
  EXPECT_THROW(api.get("/v1/a"), ProtocolError);
}

TEST_F(ConnectionTest, InterruptedWhileItWaits) {
  serve({{}}, "never");
  const unique_fd interrupt(::eventfd(1, EFD_CLOEXEC));
  ApiClient api(path());
  HttpWatch watch;
  watch.interrupt = interrupt.get();
  api.watch(std::move(watch));
  EXPECT_THROW(api.get("/v1/a"), Interrupted);
}

TEST_F(ConnectionTest, SilenceHasAnEnd) {
  ApiClient api(path());  // connects by the backlog, nobody accepts
  HttpWatch watch;
  watch.silence = std::chrono::milliseconds(150);
  api.watch(std::move(watch));
  EXPECT_THROW(api.get("/v1/a"), WaitedTooLong);
}

TEST_F(ConnectionTest, NobodyThere) {
  ApiClient api(std::string(directory_) + "/none.sock");
  EXPECT_THROW(api.get("/v1/a"), ConnectError);
  ApiClient too_long(std::string(200, 'x'));
  EXPECT_THROW(too_long.get("/v1/a"), ConnectError);
}

TEST_F(ConnectionTest, StreamStopsWhenToldTo) {
  serve({{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}});
  ApiClient api(path());
  std::string got;
  api.stream("/v1/events", "text/event-stream", [&](std::string_view bytes) {
    got += bytes;
    return false;
  });
  EXPECT_EQ(got, "abc");
}

}  // namespace
}  // namespace sovirt::client
