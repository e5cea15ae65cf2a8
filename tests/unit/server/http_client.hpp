#pragma once
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <nlohmann/json.hpp>

#include "daemon/async/worker_pool.hpp"
#include "daemon/server/server.hpp"
#include "fake_service.hpp"

namespace sovirt::test {

struct Response {
  int status = 0;                             // 0: the connection ended without an answer
  std::map<std::string, std::string> headers; // lower-case names
  std::string body;
  Json json() const;                          // null if it is none
  std::string code() const;                   // of a problem, "" if it is none
  std::string header(const std::string& name) const;
};

// A connection that sends any bytes, and reads answers as a strict client would. Every wait is bounded.
class Client {
 public:
  explicit Client(const std::string& path);
  bool send(std::string_view bytes);          // false: the server has closed
  void finish_sending();
  // The next answer on this connection. `head`: it was asked by HEAD.
  Response receive(bool head = false, std::chrono::milliseconds within = std::chrono::seconds{5});
  Response call(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view more_headers = {});
  std::string read_some(std::chrono::milliseconds within = std::chrono::seconds{5});   // "": closed or nothing came
  std::string read_until(std::string_view text, std::chrono::milliseconds within = std::chrono::seconds{5});
  bool closed(std::chrono::milliseconds within = std::chrono::seconds{5});             // it ends, perhaps after more bytes
  int fd() const { return fd_.get(); }

 private:
  bool fill(std::chrono::steady_clock::time_point end);
  unique_fd fd_;
  std::string buffer_;
  bool ended_ = false;
};

std::string request_text(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view more_headers = {});

// A directory that goes with its content.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A server on sockets of its own, running.
class RunningServer {
 public:
  explicit RunningServer(ServerLimits limits = {}, std::size_t workers = 64);
  ~RunningServer();
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  std::string path() const { return directory.path() + "/rw.sock"; }
  std::string read_only_path() const { return directory.path() + "/ro.sock"; }
  Response call(std::string_view method, std::string_view target, std::string_view body = {}, std::string_view more_headers = {});
  std::chrono::milliseconds stop();           // how long it took

  TemporaryDirectory directory;
  FakeService service;
  FakeLog log;
  WorkerPool pool;
  std::optional<Server> server;

 private:
  std::thread thread_;
};

template <class Condition>
bool comes_true(Condition condition, std::chrono::milliseconds within = std::chrono::seconds{5}) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

}  // namespace sovirt::test
