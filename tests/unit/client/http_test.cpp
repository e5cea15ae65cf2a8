#include <gtest/gtest.h>

#include "client/lib/event_stream.hpp"
#include "client/lib/http_message.hpp"

namespace sovirt::client {
namespace {

struct Read {
  int status = 0;
  std::string body;
  bool done = false, keep_alive = false;
  std::size_t left = 0;  // bytes not taken
};

Read read_in_pieces(const std::string& bytes, std::size_t piece, bool end = false) {
  Read read;
  ResponseParser parser([&](std::string_view part) { read.body += part; });
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const std::string_view part = std::string_view(bytes).substr(at, piece);
    read.left += part.size() - parser.feed(part);
  }
  if (end) parser.end_of_stream();
  read.status = parser.response().status;
  read.done = parser.done();
  read.keep_alive = parser.response().keep_alive;
  return read;
}

class InPieces : public testing::TestWithParam<std::size_t> {};

TEST_P(InPieces, ContentLength) {
  const Read read = read_in_pieces("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello", GetParam());
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.body, "hello");
  EXPECT_TRUE(read.done);
  EXPECT_TRUE(read.keep_alive);
}

TEST_P(InPieces, Chunked) {
  const Read read = read_in_pieces("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nB\r\n, my world!\r\n0\r\nA: b\r\n\r\n", GetParam());
  EXPECT_EQ(read.body, "hello, my world!");
  EXPECT_TRUE(read.done);
  EXPECT_EQ(read.left, 0u);
}

TEST_P(InPieces, ContinueComesBeforeTheAnswer) {
  const Read read = read_in_pieces("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", GetParam());
  EXPECT_EQ(read.status, 201);
  EXPECT_TRUE(read.done);
  EXPECT_FALSE(read.keep_alive);
}

TEST_P(InPieces, NoContentHasNoBody) {
  const Read read = read_in_pieces("HTTP/1.1 204 No Content\r\n\r\nx", GetParam());
  EXPECT_TRUE(read.done);
  EXPECT_EQ(read.left, 1u);
}

TEST_P(InPieces, BodyUntilTheEnd) {
  const Read read = read_in_pieces("HTTP/1.1 200 OK\r\n\r\nabc", GetParam(), true);
  EXPECT_EQ(read.body, "abc");
  EXPECT_TRUE(read.done);
  EXPECT_FALSE(read.keep_alive);
}

INSTANTIATE_TEST_SUITE_P(Sizes, InPieces, testing::Values(1, 2, 3, 7, 4096));

class Malformed : public testing::TestWithParam<const char*> {};

TEST_P(Malformed, IsRefused) {
  EXPECT_THROW(read_in_pieces(GetParam(), 4096, true), ProtocolError) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Answers, Malformed, testing::Values(
    "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n", "HTTP/1.1 2000 X\r\n\r\n", "HTTP/1.1 20a X\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
    "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", "HTTP/1.1 200 OK\r\n: c\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));

TEST(Http, HeadIsBounded) {
  ResponseParser parser([](std::string_view) {});
  parser.feed("HTTP/1.1 200 OK\r\n");
  const auto flood = [&] {
    for (int i = 0; i < 3000; ++i) parser.feed("X-Padding: 0123456789012345678901234567890123456789\r\n");
  };
  EXPECT_THROW(flood(), ProtocolError);
}

TEST(EventStream, EventsOverAnyCut) {
  const std::string bytes = ": hello\n\nid: 7\nevent: started\ndata: {\"a\":1}\n\ndata: x\r\ndata: y\r\n\r\nevent: nothing\n\n";
  for (const std::size_t piece : {1u, 2u, 5u, 999u}) {
    std::vector<ServerEvent> seen;
    EventStreamParser parser([&](const ServerEvent& event) {
      seen.push_back(event);
      return true;
    });
    for (std::size_t at = 0; at < bytes.size(); at += piece) EXPECT_TRUE(parser.feed(std::string_view(bytes).substr(at, piece)));
    ASSERT_EQ(seen.size(), 2u) << piece;
    EXPECT_EQ(seen[0].id, "7");
    EXPECT_EQ(seen[0].type, "started");
    EXPECT_EQ(seen[0].data, "{\"a\":1}");
    EXPECT_EQ(seen[1].type, "message");
    EXPECT_EQ(seen[1].data, "x\ny");
  }
}

TEST(EventStream, StopsWhenToldTo) {
  int seen = 0;
  EventStreamParser parser([&](const ServerEvent&) { return ++seen < 2; });
  EXPECT_FALSE(parser.feed("data: 1\n\ndata: 2\n\ndata: 3\n\n"));
  EXPECT_EQ(seen, 2);
}

}  // namespace
}  // namespace sovirt::client
