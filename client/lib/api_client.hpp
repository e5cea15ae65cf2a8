#pragma once
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "client/lib/http_connection.hpp"
#include "client/lib/uri.hpp"
#include "daemon/base/error.hpp"

namespace sovirt::client {

// The daemon's answer was a problem document (or an error of HTTP without one).
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, const Json& problem);
  int status() const noexcept { return status_; }
  const Error& error() const noexcept { return error_; }
  const Json& problem() const noexcept { return problem_; }
  std::string request_id() const;

 private:
  int status_;
  Error error_;
  Json problem_;
};

struct Answer {
  int status = 0;
  Json body;              // null where there was none
  std::string location;   // of a 202: the operation
};

// The API as JSON in and out. Tries the read-only socket beside the other where that one is not for this user.
class ApiClient {
 public:
  explicit ApiClient(const std::string& socket_path) : connection_(socket_path) {}

  // Sees each request before it is sent.
  void on_request(std::function<void(const std::string& socket, const HttpRequest&)> see) { see_ = std::move(see); }
  void watch(HttpWatch watch) { watch_ = std::move(watch); }
  const HttpWatch& watched() const noexcept { return watch_; }

  Answer call(const std::string& method, const std::string& target, const Json& body = nullptr, const Headers& more = {});
  Json get(const std::string& target) { return call("GET", target).body; }
  // All pages of a list, as one document {"items":[…],"next":null,"seq":N}.
  Json get_all(const std::string& target);
  Answer upload(const std::string& target, int file, std::uint64_t size, const std::string& name);
  // The same from anything that can be read: `size` nullopt sends until it ends.
  Answer put_bytes(const std::string& target, int source, std::optional<std::uint64_t> size, const std::string& name, const std::string& type,
                   const Headers& more);
  // The bytes of a GET as they come, until the sink says false.
  HttpResponse stream(const std::string& target, const std::string& accept, std::function<bool(std::string_view)> sink);

 private:
  HttpResponse send(const HttpRequest&, const HttpWatch&);
  HttpConnection connection_;
  std::function<void(const std::string&, const HttpRequest&)> see_;
  HttpWatch watch_;
};

}  // namespace sovirt::client
