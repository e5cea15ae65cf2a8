#include <gtest/gtest.h>

#include "http_client.hpp"

namespace sovirt::test {
namespace {

constexpr const char* web = "/v1/containers/web/files?path=";

std::string url(const std::string& path) { return web + path; }

TEST(Files, GivesBytesWithWhatTheyAre) {
  RunningServer running;
  running.service.file_store.files["/etc/hosts"] = "127.0.0.1 web\n";
  const auto answer = running.call("GET", url("/etc/hosts"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "127.0.0.1 web\n");
  EXPECT_EQ(answer.header("content-type"), "application/octet-stream");
  EXPECT_EQ(answer.header("x-sovirt-mode"), "0644");
  EXPECT_EQ(answer.header("x-sovirt-uid"), "7");
  EXPECT_EQ(answer.header("x-sovirt-gid"), "8");
}

TEST(Files, StreamsWhatIsLarge) {
  RunningServer running;
  std::string content(9 << 20, 'x');
  for (std::size_t i = 0; i < content.size(); i += 101) content[i] = static_cast<char>(i % 251);
  running.service.file_store.files["/big"] = content;
  Client client{running.path()};
  for (int again = 0; again < 2; ++again) {   // and the connection goes on
    const auto answer = client.call("GET", url("/big"));
    EXPECT_EQ(answer.header("content-length"), std::to_string(content.size()));
    EXPECT_TRUE(answer.body == content);
  }
  EXPECT_TRUE(comes_true([&] { return running.service.file_store.open == 0; }));
}

TEST(Files, StreamsInChunksWhatHasNoSize) {
  RunningServer running;
  const std::string content(3 << 20, 'y');
  running.service.file_store.files["/tree"] = content;
  // An archive is of the fake's making: its size is not said.
  const auto answer = running.call("GET", url("/etc"), "", "Accept: application/x-tar\r\n");
  EXPECT_EQ(answer.status, 404);   // look() comes first
  const auto archive = running.call("GET", url("/"), "", "Accept: application/x-tar\r\n");
  EXPECT_EQ(archive.header("content-type"), "application/x-tar");
  EXPECT_EQ(archive.body, "archive of /");
}

TEST(Files, AClientThatDoesNotReadCostsOneBlock) {
  RunningServer running;
  running.service.file_store.files["/big"] = std::string(64 << 20, 'z');
  Client client{running.path()};
  client.send(request_text("GET", url("/big")));
  EXPECT_TRUE(comes_true([&] { return running.service.file_store.given > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds{200});
  EXPECT_LT(running.service.file_store.given, 4u << 20);
}

TEST(Files, AClientThatGoesEndsTheTransfer) {
  RunningServer running;
  running.service.file_store.files["/big"] = std::string(64 << 20, 'z');
  {
    Client client{running.path()};
    client.send(request_text("GET", url("/big")));
    EXPECT_FALSE(client.read_some().empty());
  }
  EXPECT_TRUE(comes_true([&] { return running.service.file_store.open == 0; }));
  EXPECT_EQ(running.call("GET", "/healthz").status, 200);
}

TEST(Files, AFileThatShrinksBreaksTheAnswerOff) {
  RunningServer running;
  running.service.file_store.files["/big"] = std::string(1 << 20, 'z');
  running.service.file_store.claims_more = 10;
  Client client{running.path()};
  client.send(request_text("GET", url("/big")));
  EXPECT_TRUE(client.closed());
}

TEST(Files, HeadHasNoBody) {
  RunningServer running;
  running.service.file_store.files["/big"] = std::string(1 << 20, 'z');
  Client client{running.path()};
  client.send(request_text("HEAD", url("/big")));
  EXPECT_EQ(client.receive(true).header("content-length"), std::to_string(1 << 20));
  EXPECT_EQ(client.call("GET", "/healthz").status, 200);
}

TEST(Files, ListsADirectoryInPages) {
  RunningServer running;
  for (int i = 0; i < 5; ++i) running.service.file_store.files["/f" + std::to_string(i)] = "x";
  const auto first = running.call("GET", url("/") + "&limit=3").json();
  EXPECT_EQ(first.at("type"), "directory");
  ASSERT_EQ(first.at("items").size(), 3u);
  EXPECT_EQ(first.at("items")[2].at("name"), "f2");
  EXPECT_EQ(first.at("items")[2].at("mode"), "0644");
  const auto rest = running.call("GET", url("/") + "&limit=3&cursor=" + first.at("next").get<std::string>()).json();
  ASSERT_EQ(rest.at("items").size(), 2u);
  EXPECT_TRUE(rest.at("next").is_null());
  EXPECT_EQ(running.call("GET", url("/") + "&cursor=xyz").code(), "bad-query");
  EXPECT_EQ(running.call("GET", url("/") + "&limit=0").code(), "bad-query");
}

TEST(Files, JsonOfAFileIsWhatItIs) {
  RunningServer running;
  running.service.file_store.files["/a"] = "12345";
  const auto answer = running.call("GET", url("/a"), "", "Accept: application/json\r\n").json();
  EXPECT_EQ(answer.at("size"), 5);
  EXPECT_EQ(answer.at("type"), "file");
  EXPECT_EQ(running.call("GET", url("/a"), "", "Accept: text/html\r\n").status, 406);
}

TEST(Files, PutsBytes) {
  RunningServer running;
  auto& files = running.service.file_store;
  const auto answer = running.call("PUT", url("/tmp/a"), "hello", "X-Sovirt-Mode: 4755\r\nX-Sovirt-Uid: 1000\r\n");
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(files.files["/tmp/a"], "hello");
  EXPECT_EQ(files.last.mode, 04755u);
  EXPECT_EQ(files.last.uid, 1000u);
  EXPECT_FALSE(files.last.gid);
  EXPECT_EQ(running.call("PUT", url("/tmp/empty")).status, 204);
  EXPECT_EQ(files.files.at("/tmp/empty"), "");
  EXPECT_EQ(running.call("PUT", url("/tmp"), "tar", "Content-Type: application/x-tar\r\n").status, 204);
  EXPECT_EQ(files.files.at("/tmp(unpacked)"), "tar");
}

TEST(Files, RefusesBadRequestsAndKeepsNothing) {
  RunningServer running;
  const auto code = [&](const std::string& target, const std::string& headers = {}) { return running.call("PUT", target, "x", headers).code(); };
  EXPECT_EQ(code("/v1/containers/web/files"), "bad-query");
  EXPECT_EQ(code(url("etc/passwd")), "bad-query");
  EXPECT_EQ(code(url("/a/../b")), "bad-query");
  EXPECT_EQ(code(url("/..")), "bad-query");
  EXPECT_EQ(code(url("")), "bad-query");
  EXPECT_EQ(code(url("/" + std::string(4096, 'a'))), "bad-query");
  EXPECT_EQ(code(url("/a%00b")), "bad-query");
  EXPECT_EQ(code(url("/a"), "X-Sovirt-Mode: 9\r\n"), "malformed");
  EXPECT_EQ(code(url("/a"), "X-Sovirt-Mode: 17777\r\n"), "malformed");
  EXPECT_EQ(code(url("/a"), "X-Sovirt-Mode: 0o644\r\n"), "malformed");
  EXPECT_EQ(code(url("/a"), "X-Sovirt-Uid: -1\r\n"), "malformed");
  EXPECT_EQ(code(url("/a"), "X-Sovirt-Gid: 4294967295\r\n"), "malformed");
  EXPECT_EQ(code(url("/a") + "&mode=1"), "bad-query");
  EXPECT_TRUE(running.service.file_store.files.empty());
}

TEST(Files, AnUploadThatBreaksOffLeavesNothing) {
  RunningServer running;
  {
    Client client{running.path()};
    client.send("PUT " + url("/a") + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf");
    EXPECT_TRUE(comes_true([&] { return running.service.file_store.open == 1; }));
  }
  EXPECT_TRUE(comes_true([&] { return running.service.file_store.open == 0; }));
  EXPECT_TRUE(running.service.file_store.files.empty());
}

TEST(Files, AreNotForTheReadOnlySocket) {
  RunningServer running;
  running.service.file_store.files["/a"] = "x";
  Client client{running.read_only_path()};
  EXPECT_EQ(client.call("GET", url("/a")).status, 403);
}

TEST(Files, Removes) {
  RunningServer running;
  running.service.file_store.files["/a"] = "x";
  EXPECT_EQ(running.call("DELETE", url("/a")).status, 204);
  EXPECT_EQ(running.call("DELETE", url("/a")).status, 404);
}

}  // namespace
}  // namespace sovirt::test
