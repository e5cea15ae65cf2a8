#include <gtest/gtest.h>

#include <filesystem>

#include "http_client.hpp"

namespace sovirt::test {
namespace {
using namespace std::chrono_literals;

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 + i / 4096) & 0xff);
  return bytes;
}

TEST(Upload, StreamsIntoTheFile) {
  RunningServer running;
  const std::string content = pattern(20 << 20);  // far above the limit of JSON bodies
  const auto response = running.call("PUT", "/v1/images/debian/content", content, "Content-Type: application/gzip\r\n");
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.header("location"), "/v1/operations/op1");
  EXPECT_TRUE(running.service.uploaded == content);
  EXPECT_EQ(running.service.abandoned, 0);
}

TEST(Upload, TakesChunks) {
  RunningServer running;
  Client client{running.path()};
  client.send("PUT /v1/images/debian/content HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string piece = pattern(100000);
  std::string all;
  for (int i = 0; i < 30; ++i) {
    client.send("186a0\r\n" + piece + "\r\n");
    all += piece;
  }
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 202);
  EXPECT_TRUE(running.service.uploaded == all);
  EXPECT_EQ(client.call("GET", "/healthz").status, 200);
}

TEST(Upload, ContinuesOnceTheFileIsThere) {
  RunningServer running;
  Client client{running.path()};
  const std::string head = " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
  client.send("PUT /v1/images/debian/content" + head);
  EXPECT_EQ(client.receive().status, 100);
  client.send("abc");
  EXPECT_EQ(client.receive().status, 202);
  EXPECT_EQ(running.service.uploaded, "abc");
  client.send("PUT /v1/images/absent/content" + head);
  EXPECT_EQ(client.receive().status, 404);
}

TEST(Upload, NeedsABody) {
  RunningServer running;
  EXPECT_EQ(running.call("PUT", "/v1/images/debian/content").code(), "malformed");
  EXPECT_EQ(running.service.uploads, 0);
}

TEST(Upload, DiskFullIsTold) {
  RunningServer running;
  running.service.upload_target = "/dev/full";
  const auto response = running.call("PUT", "/v1/images/debian/content", pattern(1 << 20), "Content-Type: application/gzip\r\n");
  EXPECT_EQ(response.status, 507);
  EXPECT_EQ(response.code(), "disk-full");
  EXPECT_TRUE(comes_true([&] { return running.service.abandoned == 1; }));
}

TEST(Upload, ThatBreaksOffLeavesNothing) {
  RunningServer running;
  {
    Client client{running.path()};
    client.send("PUT /v1/images/debian/content HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + pattern(300000));
    ASSERT_TRUE(comes_true([&] { return running.service.uploads == 1; }));
  }
  EXPECT_TRUE(comes_true([&] { return running.service.abandoned == 1; }));
  EXPECT_EQ(running.service.uploaded, "");
}

TEST(Upload, BadChunkLeavesNothing) {
  RunningServer running;
  Client client{running.path()};
  client.send("PUT /v1/images/debian/content HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
  EXPECT_EQ(client.receive().code(), "malformed");
  EXPECT_TRUE(comes_true([&] { return running.service.abandoned == 1; }));
}

TEST(Upload, ThatStallsIsEnded) {
  ServerLimits limits;
  limits.body_idle = 150ms;
  RunningServer running{limits};
  Client client{running.path()};
  client.send("PUT /v1/images/debian/content HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
  EXPECT_EQ(client.receive().status, 408);
  EXPECT_TRUE(comes_true([&] { return running.service.abandoned == 1; }));
}

}  // namespace
}  // namespace sovirt::test
