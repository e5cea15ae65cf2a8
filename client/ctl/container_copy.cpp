#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

struct CopyOptions {
  std::string name, to;
  std::optional<std::string> identity;
  bool start = false;
};

int copy(Session& session, const CopyOptions& options) {
  Json body{{"name", options.to}};
  if (options.identity) body["identity"] = *options.identity;
  const std::string doing = "copying " + options.name;
  const auto answer = session.change("POST", client::path_of({"v1", "containers", options.name, "actions", "copy"}), body, doing);
  if (!answer) return 0;
  Json made = answer->body;
  if (answer->status == 202) made = at(session.follow_operation(text(answer->body, "/id"), doing), "/result");
  if (!options.start || session.for_people()) session.show_done("container/" + options.to, "is a copy of " + options.name, made);
  for (const Json& shared : at(made, "/status/shared_identity"))
    session.note("It has the " + text(shared, "/type") + " " + text(shared, "/value") + " of " + text(shared, "/with") + ": only one of them can run at a time.");
  if (!options.start) return 0;
  const auto started = session.change("PUT", client::path_of({"v1", "containers", options.to, "state"}), Json{{"desired", "running"}}, "starting " + options.to);
  if (started) session.show_done("container/" + options.to, "started", started->body);
  return 0;
}

}  // namespace

void make_container_copy(Command& command) {
  auto options = std::make_shared<CopyOptions>();
  command.positional("NAME", "name of the container to copy", options->name, Names::containers);
  command.positional("NEW", "name of the copy", options->to);
  command.option("--identity", "HOW", "what becomes of a fixed MAC or address: fail (default), regenerate or keep", options->identity)
      .among({"fail", "regenerate", "keep"});
  command.flag("--start", "start the copy at once", options->start);
  command.about(
      "The copy shares what the original has written, so nothing is copied. It has a MAC, host name, machine-id and ssh host keys of its own. "
      "A running original is frozen while its own files are copied. With --identity regenerate it takes the next free address of the subnet; with keep "
      "it has the same one, and only one of the two can run.");
  command.example("sovirtctl copy sodebian so1");
  command.example("sovirtctl copy sodebian so2 --identity regenerate --start");
  command.runs([options](Session& session) { return copy(session, *options); });
}

void make_container_rename(Command& command) {
  auto names = std::make_shared<CopyOptions>();
  command.positional("NAME", "its name now; it must be stopped", names->name, Names::containers);
  command.positional("NEW", "its new name", names->to);
  command.example("sovirtctl rename so1 web");
  command.runs([names](Session& session) {
    const auto answer = session.change("POST", client::path_of({"v1", "containers", names->name, "actions", "rename"}), Json{{"name", names->to}}, "renaming " + names->name);
    if (answer) session.show_done("container/" + names->name, "is now container/" + names->to, answer->body);
    return 0;
  });
}

}  // namespace sovirt::ctl
