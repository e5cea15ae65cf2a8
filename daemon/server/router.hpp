#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/names.hpp"
#include "daemon/server/message.hpp"
#include "daemon/server/target.hpp"

namespace sovirt {

class Service;

enum class Access {
  read,          // everybody, on either socket
  read_private,  // GET, but only for privileged peers
  admin,         // GET, but only on the read-write socket
  write,         // the read-write socket
};
enum class Where { loop, pool };              // loop: only for calls of Service marked [fast]
enum class BodyKind { none, json, optional_json, bytes };

struct QueryParameter {
  std::string name;
  std::string type;                // of the schema: "integer", "boolean", "string"
  std::string description;
  bool repeatable = false;
  bool required = false;
};

struct Answer {
  int status;
  std::string schema;              // name in schemas.hpp, "" without body
  std::string description;
};

// What a handler works with: the request has passed every check that its route declares.
struct Call {
  Service& service;
  const Request& request;
};

struct Route {
  std::string method{};
  std::string pattern{};             // "/v1/bridges/{name}"
  Access access = Access::read;
  Where where = Where::pool;
  BodyKind body = BodyKind::none;
  std::string summary{};
  std::vector<QueryParameter> query{};
  std::string request_schema{};      // of a JSON body
  std::vector<Answer> answers{};     // of success; problems follow from the rest
  std::string produces = "application/json";
  std::vector<std::string> also_produces{};   // the handler looks at Accept itself
  bool empty_body = false;           // of BodyKind::bytes: no body is one of no bytes
  std::string protocol{};            // of a route that is spoken over a WebSocket: its subprotocol
  std::optional<Kind> kind{};        // `{name}` is a name of it
  std::function<Reply(const Call&)> handler{};
  std::function<std::shared_ptr<BodySink>(const Call&)> sink{};   // for BodyKind::bytes, instead of handler

  bool change() const noexcept { return access == Access::write; }
};

// The table of all routes: what dispatches, and what the OpenAPI document is written from.
class Router {
 public:
  void add(Route);                 // a pattern has `{parameter}` as whole segments only
  const std::vector<std::unique_ptr<Route>>& routes() const noexcept { return routes_; }

  // The route of method and path; parameters are decoded, and names checked, into request.params.
  // nullptr for OPTIONS. Throws Error{not_found}, Error{bad_name}, HttpError 405 with Allow.
  const Route* match(const Target&, Request&) const;
  std::string allow(const Target&) const;   // "GET, HEAD, PUT, OPTIONS"; "" for an unknown path

 private:
  struct Path {
    std::vector<std::string> segments;      // as in the pattern
    std::vector<const Route*> routes;
  };
  const Path* find(const Target&) const noexcept;
  static std::string allow(const Path&);

  std::vector<std::unique_ptr<Route>> routes_;
  std::vector<Path> paths_;
};

bool is_parameter(std::string_view segment) noexcept;   // "{name}"

}  // namespace sovirt
