#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

std::vector<Column> columns() {
  return {{"NAME", [](const Json& r) { return Cell(text(r, "/name"), Style::strong); }},
          {"STATE", [](const Json& r) { return Cell(text(r, "/status/state")); }},
          {"USED BY", [](const Json& r) { return Cell(text(r, "/status/used_by")); }, 8, 5},
          {"CREATED", [](const Json& r) { return Cell(moment(at(r, "/created_at"))); }, 0, 3},
          {"PATH", [](const Json& r) { return Cell(text(r, "/status/path")); }, 12, 4, false, true}};
}

void make_create(Command& command) {
  struct Asked { std::string name; std::vector<std::string> labels; };
  auto asked = std::make_shared<Asked>();
  command.positional("NAME", "its name", asked->name);
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", asked->labels);
  command.example("sovirtctl volume create data");
  command.runs([asked](Session& session) {
    Json body = Json::object();
    if (!asked->labels.empty()) body["labels"] = labels_of(asked->labels);
    const auto answer = session.change("PUT", client::path_of({"v1", "volumes", asked->name}), body, "creating volume " + asked->name);
    if (answer) session.show_done("volume/" + asked->name, answer->status == 201 ? "created" : "is as asked", answer->body);
    return 0;
  });
}

void make_ls(Command& command) {
  auto filter = std::make_shared<ListFilter>();
  command.alias("list").example("sovirtctl volume ls");
  add_filter_options(command, *filter, false);
  command.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("volumes", *filter)), columns(), "No volumes yet: 'sovirtctl volume create NAME' makes one.");
    return 0;
  });
}

void make_show(Command& command) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the volume", *name);
  command.example("sovirtctl volume show data");
  command.runs([name](Session& session) {
    const Json volume = session.get(client::path_of({"v1", "volumes", *name}));
    session.show_list(Json{{"items", Json::array({volume})}}, columns(), "");
    return 0;
  });
}

}  // namespace

void add_volume(Command& root) {
  Command& volume = root.command("volume", "named directories that outlive the containers they are mounted in").alias("volumes");
  make_ls(volume.command("ls", "list the volumes"));
  make_show(volume.command("show", "show one volume: where it is, who uses it").alias("get"));
  make_create(volume.command("create", "create a volume"));
  make_rm(volume.command("rm", "delete volumes and what is in them").example("sovirtctl volume rm data"), "volume", "volumes", Names::none);
}

}  // namespace sovirt::ctl
