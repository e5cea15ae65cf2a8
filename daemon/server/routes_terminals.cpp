#include "daemon/base/error.hpp"
#include "daemon/domain/container_terminals.hpp"
#include "daemon/server/console_conversation.hpp"
#include "daemon/server/console_feed.hpp"
#include "daemon/server/exec_conversation.hpp"
#include "daemon/server/exec_frames.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/routes.hpp"

namespace sovirt {
namespace {

bool flag(const Request& request, const char* key) {
  const auto* value = request.parameter(key);
  return value != nullptr && read_flag(key, *value);
}

// A query says the same as the body of POST …/exec, and is held to the same rules.
Json exec_body(const Request& request) {
  Json body{{"command", Json::array()}};
  for (const auto& [key, value] : request.query) {
    if (key == "command") body["command"].push_back(value);
    if (key == "cwd" || key == "user") body[key] = value;
    if (key != "env") continue;
    const auto equals = value.find('=');
    if (equals == 0 || equals == std::string::npos) throw Error{Code::bad_query, "env must be NAME=VALUE"};
    body["env"][value.substr(0, equals)] = value.substr(equals + 1);
  }
  return body;
}

WindowSize read_window(const Request& request) {
  const auto extent = [&](const char* key, std::uint16_t otherwise) {
    const auto* value = request.parameter(key);
    return value != nullptr ? static_cast<std::uint16_t>(read_number(key, *value, 1, 65535)) : otherwise;
  };
  return {extent("rows", 24), extent("cols", 80)};
}

SessionRequest read_session(const Request& request) {
  SessionRequest session;
  session.process = read_exec_request(exec_body(request));
  const WindowSize size = read_window(request);
  if (flag(request, "tty")) session.terminal = size;
  const auto* end = request.parameter("on_disconnect");
  if (end != nullptr && *end != "end" && *end != "detach") throw Error{Code::bad_query, "on_disconnect is end or detach"};
  session.keep = end != nullptr && *end == "detach";
  return session;
}

Reply upgraded(std::shared_ptr<Conversation> conversation) {
  Reply reply;
  reply.status = 101;
  reply.conversation = std::move(conversation);
  return reply;
}

Reply exec(const Call& call) {
  const SessionRequest request = read_session(call.request);
  return upgraded(make_exec_conversation(call.service.terminals().open_exec(name_of(call), request)));
}

Reply console(const Call& call, const std::shared_ptr<ConsoleFeeds>& feeds) {
  const Request& request = call.request;
  ConsoleRequest wanted;
  wanted.scrollback = flag(request, "scrollback");
  if (const auto* since = request.parameter("since")) wanted.since = read_number("since", *since, 0, INT64_MAX);
  ConsoleManners manners;
  manners.watches_only = flag(request, "read_only");
  manners.takes_keyboard = flag(request, "take");
  if (request.parameter("rows") != nullptr && request.parameter("cols") != nullptr) manners.size = read_window(request);
  OpenConsole console = call.service.terminals().open_console(name_of(call), wanted);
  const std::string begin = std::to_string(console.begin);
  Reply reply = upgraded(make_console_conversation(feeds, std::move(console), manners));
  reply.headers.push_back({"X-Sovirt-Log-Begin", begin});
  return reply;
}

}  // namespace

void add_terminal_routes(Router& router) {
  router.add({.method = "GET", .pattern = "/v1/containers/{name}/exec", .access = Access::write,
              .summary = "Run a command in it over a WebSocket: binary messages whose first byte is the channel, 0 stdin (empty: closes it), "
                         "1 stdout, 2 stderr, 3 resize {rows, cols}, 4 signal, 5 exit {code, signal}",
              .query = {{"command", "string", "the program, then its arguments, one each", true},
                        {"tty", "boolean", "with a terminal of its own"},
                        {"rows", "integer", "of the terminal, 1 to 65535 (24)"},
                        {"cols", "integer", "of the terminal, 1 to 65535 (80)"},
                        {"env", "string", "NAME=VALUE", true},
                        {"cwd", "string", "working directory"},
                        {"user", "string", "UID:GID"},
                        {"on_disconnect", "string", "end (kill all that it started), or detach (leave it alone)"}},
              .answers = {{101, "", "it runs; sovirt.exec.v1 from here on"}},
              .protocol = std::string{exec_protocol}, .kind = Kind::container, .handler = exec});
  router.add({.method = "GET", .pattern = "/v1/containers/{name}/console", .access = Access::write,
              .summary = "Its console over a WebSocket, as exec; many may watch, one has the keyboard. X-Sovirt-Log-Begin is the offset in the log of "
                         "the first byte shown; what the daemon itself says comes on channel 2",
              .query = {{"scrollback", "boolean", "begin with the last of what was shown before"},
                        {"since", "integer", "begin with this byte of the log, as far as it is kept"},
                        {"read_only", "boolean", "only watch"},
                        {"take", "boolean", "take the keyboard from whoever has it"},
                        {"rows", "integer", "of the terminal that has the keyboard"},
                        {"cols", "integer", "of the terminal that has the keyboard"}},
              .answers = {{101, "", "sovirt.exec.v1 from here on; exit is that of the container"}},
              .protocol = std::string{exec_protocol}, .kind = Kind::container,
              .handler = [feeds = std::make_shared<ConsoleFeeds>()](const Call& call) { return console(call, feeds); }});
}

}  // namespace sovirt
