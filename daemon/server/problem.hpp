#pragma once
#include <exception>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {

class Log;

// An Error that HTTP itself knows more about than its code says: another status, or header fields that go with it.
class HttpError : public Error {
 public:
  HttpError(int status, Error error, std::vector<Header> headers = {})
      : Error(std::move(error)), status_(status), headers_(std::move(headers)) {}
  int status() const noexcept { return status_; }
  const std::vector<Header>& headers() const noexcept { return headers_; }

 private:
  int status_;
  std::vector<Header> headers_;
};

// The one place where an error becomes an answer: application/problem+json with request id and instance,
// Retry-After with 503.
Reply problem_reply(const Error&, const Request&);
Reply problem_reply(const HttpError&, const Request&);
// Of the exception being handled. What is no Error is a bug: 500, logged with the request's id.
Reply current_problem(const Request&, Log&);

// Every code a client can see, with its status: for the OpenAPI document.
std::vector<std::pair<int, std::string>> known_problems();

}  // namespace sovirt
