#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "daemon/server/router.hpp"

namespace sovirt {

class Error;
class Log;

// Everything between a parsed head and an answer that is not input or output: routing, authorization, checks
// of fields, the call, problems, audit and access log. No Boost, so that it can be read and tested alone.
class Dispatcher {
 public:
  Dispatcher(Service& service, Log& log, std::string version, std::size_t body_bytes);

  // Before the body is read: finds the route and checks all that the head says. A reply answers the request
  // without its body. Event loop.
  std::optional<Reply> admit(Request&) const noexcept;
  // May the body be longer than this? nullopt: no limit.
  std::optional<std::uint64_t> body_limit(const Request&) const noexcept;
  // Calls the handler. On the loop or on the pool, as the route says.
  Reply answer(Request&) const noexcept;
  // Runs part of an upload, or a look of a hold, with the same care. A reply: it has failed.
  std::optional<Reply> attempt(const Request&, const std::function<std::optional<Reply>()>&) const noexcept;
  // A problem for something that happened outside of a handler.
  Reply refuse(const Request&, const Error&) const noexcept;
  Reply refuse(const Request&, int status, const Error&) const noexcept;

  // Was it (or would it have been) a change? Then it leaves an audit row.
  bool audited(const Request&, const Reply&) const noexcept;   // event loop
  void audit(const Request&, const Reply&) noexcept;           // pool
  void log(const Request&, const Reply&) const noexcept;

  Service& service() const noexcept { return *service_; }
  const Router& router() const noexcept { return router_; }

 private:
  void check_access(const Request&) const;
  void check_query(const Request&) const;
  void check_fields(const Request&) const;
  bool may_audit_refusal() noexcept;

  Service* service_;
  Log* log_;
  Router router_;
  std::size_t body_bytes_;
  // Refused strangers can make the audit grow only so fast.
  std::atomic<std::int64_t> refusals_minute_ = 0;
  std::atomic<unsigned> refusals_ = 0;
};

}  // namespace sovirt
