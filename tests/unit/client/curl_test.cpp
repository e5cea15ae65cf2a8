#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>

#include "client/lib/curl.hpp"
#include "client/lib/uri.hpp"

namespace sovirt::client {
namespace {

// What a shell makes of the line, one word a line; `curl` is printf for it.
std::string as_the_shell_reads(const std::string& line) {
  const std::string script = "curl() { for word; do printf '<%s>\\n' \"$word\"; done; }; " + line;
  const std::string command = "exec /bin/sh -c " + shell_quote(script);
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
  std::string out;
  std::array<char, 4096> bytes;
  while (const std::size_t count = std::fread(bytes.data(), 1, bytes.size(), pipe.get())) out.append(bytes.data(), count);
  return out;
}

TEST(Curl, ShellReadsWhatWasMeant) {
  HttpRequest request;
  request.method = "PUT";
  request.target = "/v1/bridges/b?dry_run=true&x=1";
  request.headers = {{"Accept", "application/json"}, {"User-Agent", "x"}, {"Content-Type", "application/json"}};
  request.body = R"({"a":"it's $HOME `id` \\ \"q\"","b":["*"]})";
  EXPECT_EQ(as_the_shell_reads(curl_command("/run/my sock's.sock", request)),
            "<--unix-socket>\n</run/my sock's.sock>\n<-X>\n<PUT>\n<-H>\n<Content-Type: application/json>\n<--data-raw>\n<" + request.body +
                ">\n<http://localhost/v1/bridges/b?dry_run=true&x=1>\n");
}

TEST(Curl, GetAndUploadAndStream) {
  HttpRequest get;
  get.target = "/v1/bridges";
  EXPECT_EQ(curl_command("/s", get), "curl --unix-socket /s http://localhost/v1/bridges");
  get.headers = {{"Accept", "text/event-stream"}};
  EXPECT_EQ(curl_command("/s", get), "curl -N --unix-socket /s -H 'Accept: text/event-stream' http://localhost/v1/bridges");
  HttpRequest upload;
  upload.method = "PUT";
  upload.target = "/v1/images/a/content";
  upload.upload = 3;
  upload.upload_name = "a b.tar";
  EXPECT_EQ(curl_command("/s", upload), "curl --unix-socket /s -T 'a b.tar' http://localhost/v1/images/a/content");
}

TEST(Uri, PathParts) {
  EXPECT_EQ(path_of({"v1", "containers", "web-1"}), "/v1/containers/web-1");
  EXPECT_EQ(path_of({"v1", "containers", "a/b?c%d"}), "/v1/containers/a%2Fb%3Fc%25d");
  EXPECT_EQ(path_of({"v1", "containers", ".."}), "/v1/containers/%2E%2E");
  EXPECT_EQ(path_of({"v1", "containers", "a.b"}), "/v1/containers/a.b");
  EXPECT_EQ(path_of({"v1", "containers", "é\n"}), "/v1/containers/%C3%A9%0A");
  EXPECT_EQ(with_query("/v1/a", {{"x", "a&b"}, {"y", "1 2"}}), "/v1/a?x=a%26b&y=1%202");
}

TEST(Shell, QuotesOnlyWhereNeeded) {
  EXPECT_EQ(shell_quote("plain-1.txt"), "plain-1.txt");
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quote("a;b"), "'a;b'");
}

}  // namespace
}  // namespace sovirt::client
