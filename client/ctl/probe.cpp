#include <cstdio>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

struct Options {
  std::string to, port;
  std::optional<std::string> from, timeout;
};

// "netns/nsclient", "container/web" or "host".
Json from_of(const std::string& text) {
  if (text == "host") return {{"host", true}};
  const auto slash = text.find('/');
  const std::string place = text.substr(0, slash);
  if (slash == std::string::npos || (place != "netns" && place != "container"))
    throw UsageError("--from: \"" + text + "\" is not a place", "for example: --from netns/nsclient, --from container/web or --from host");
  return {{place, text.substr(slash + 1)}};
}

int probe(Session& session, const std::string& type, const Options& options) {
  Json body{{"type", type}, {"from", from_of(options.from.value_or("host"))}, {"to", options.to}};
  if (type == "tcp") body["port"] = integer_of("PORT", options.port);
  if (options.timeout) body["timeout_ms"] = duration_of("--timeout", *options.timeout).count() / 1'000'000;
  const client::Answer answer = session.act("POST", "/v1/probes", body, "probing " + options.to);
  const bool reachable = at(answer.body, "/reachable") == true;
  if (!session.for_people()) {
    session.show_document(answer.body);
  } else if (reachable) {
    char line[64];
    std::snprintf(line, sizeof line, "%.3f ms", at(answer.body, "/rtt").get<double>() / 1e6);
    session.print(options.to + " is reachable in " + line + "\n");
  } else {
    session.print(options.to + " is not reachable: " + text(answer.body, "/blocked_by/code") + " at " + text(answer.body, "/blocked_by/where") + "\n  " +
                  text(answer.body, "/blocked_by/detail") + "\n");
  }
  return reachable ? 0 : 1;
}

void make_probe(Command& command, const std::string& type) {
  auto options = std::make_shared<Options>();
  command.positional("ADDRESS", "where to", options->to);
  if (type == "tcp") command.positional("PORT", "port that should be listened on", options->port);
  command.option("--from", "PLACE", "where from: netns/NAME, container/NAME or host (default host)", options->from);
  command.option("--timeout", "TIME", "how long to wait for an answer (default 1s)", options->timeout);
  command.about("Exits with 0 if it came through, with 1 if not; then it says what stood in the way.");
  command.example(type == "tcp" ? "sovirtctl probe tcp 10.10.10.1 9043 --from netns/nsclient" : "sovirtctl probe ping 10.10.10.1 --from netns/nsclient");
  command.runs([options, type](Session& session) { return probe(session, type, *options); });
}

}  // namespace

void add_probe(Command& root) {
  Command& command = root.command("probe", "does a packet come through, and if not, what stops it");
  make_probe(command.command("ping", "an ICMP echo"), "ping");
  make_probe(command.command("tcp", "a TCP connection"), "tcp");
}

void add_address(Command& root) {
  Command& address = root.command("address", "the MAC and IP addresses in use, and who has them").alias("addresses");
  Command& ls = address.command("ls", "list them").alias("list").example("sovirtctl address ls");
  ls.runs([](Session& session) {
    session.show_list(session.get("/v1/addresses"),
                      {text_column("TYPE", "/type"), text_column("ADDRESS", "/value"), text_column("HOLDER", "/holder"), text_column("INTERFACE", "/interface")},
                      "No addresses in use.");
    return 0;
  });
}

}  // namespace sovirt::ctl
