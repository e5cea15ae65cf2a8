#include <algorithm>

#include "api/reader.hpp"
#include "daemon/domain/container_inside.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

struct PasswordRequest {
  std::string user = "root";
  std::optional<std::string> password;
};

// What would end its field or line in /etc/shadow, or could not be typed.
bool has_control(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

PasswordRequest read_password(const Json& body) {
  std::vector<FieldError> errors;
  ObjectReader in{body, "", errors};
  PasswordRequest request;
  if (const auto user = in.string("user", 32)) {
    request.user = *user;
    if (user->empty() || has_control(*user) || user->find(':') != std::string::npos) in.fail("user", "format", "a user has a name without colons");
  }
  request.password = in.string("password", 500);
  if (request.password && (request.password->empty() || has_control(*request.password)))
    in.fail("password", "format", "a password has 1 to 500 bytes, none of them a control character");
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

// A password that was given is not given back.
Reply passwd(const Call& call) {
  read_change(call, Kind::container);
  const PasswordRequest request = read_password(read_body(call));
  const std::string password = call.service.inside().set_password(name_of(call), request.user, request.password);
  Reply reply = json_reply(200, {{"user", request.user}, {"password", request.password ? Json() : Json(password)}});
  reply.headers.push_back({"Cache-Control", "no-store"});
  return reply;
}

}  // namespace

void add_inside_routes(Router& router) {
  const std::string one = "/v1/containers/{name}";
  router.add({.method = "GET", .pattern = one + "/processes", .access = Access::read_private, .summary = "What runs in it, with pids of the host and its own",
              .answers = {{200, "ContainerProcessList", "the processes"}}, .kind = Kind::container,
              .handler = [](const Call& call) { return json_reply(200, call.service.inside().processes(name_of(call))); }});
  router.add({.method = "POST", .pattern = one + "/actions/passwd", .access = Access::write, .body = BodyKind::json,
              .summary = "Set the password of a user in it; one that is made up is answered, once", .request_schema = "PasswordRequest",
              .answers = {{200, "Password", "it is in force"}}, .kind = Kind::container, .handler = passwd});
}

}  // namespace sovirt
