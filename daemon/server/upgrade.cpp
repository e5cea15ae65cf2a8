#include "daemon/server/upgrade.hpp"

#include <algorithm>

#include "daemon/server/head_check.hpp"
#include "daemon/server/problem.hpp"

namespace sovirt {
namespace {

bool lists(const std::string* value, std::string_view word) noexcept {
  if (value == nullptr) return false;
  for (std::size_t at = 0; at <= value->size();) {
    const auto end = std::min(value->find(',', at), value->size());
    if (same_text(trim_blanks(std::string_view{*value}.substr(at, end - at)), word)) return true;
    at = end + 1;
  }
  return false;
}

bool is_key(const std::string* key) {
  // 16 bytes in base64.
  const auto good = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/'; };
  return key != nullptr && key->size() == 24 && key->ends_with("==") && std::all_of(key->begin(), key->end() - 2, good);
}

}  // namespace

bool wants_upgrade(const Request& request) noexcept { return lists(request.header("upgrade"), "websocket"); }

void check_upgrade(const Request& request, std::string_view protocol) {
  if (request.method != "GET" || request.version != 11 || !wants_upgrade(request))
    throw HttpError{426, Error{Code::malformed, "this is spoken over a WebSocket"}.with_hint("GET with Upgrade: websocket"),
                    {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}}};
  const auto* version = request.header("sec-websocket-version");
  if (version == nullptr || *version != "13")
    throw HttpError{426, Error{Code::malformed, "the version of WebSockets spoken here is 13"}, {{"Sec-WebSocket-Version", "13"}}};
  if (!lists(request.header("connection"), "upgrade")) throw Error{Code::malformed, "an upgrade needs Connection: Upgrade"};
  if (!is_key(request.header("sec-websocket-key"))) throw Error{Code::malformed, "Sec-WebSocket-Key is not 16 bytes in base64"};
  const auto* offered = request.header("sec-websocket-protocol");
  if (offered != nullptr && !protocol.empty() && !lists(offered, protocol))
    throw Error{Code::malformed, "the subprotocol spoken here is " + std::string{protocol}};
}

}  // namespace sovirt
