#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

void add_filter_options(Command& command, ListFilter& filter, bool with_state) {
  command.option("--name", "GLOB", "only names like this, such as 'web*'", filter.name);
  command.option("-l,--label", "KEY=VALUE", "only those with this label; may be repeated", filter.labels);
  if (with_state) command.option("--state", "STATE", "only those in this state", filter.state);
}

std::string list_target(const std::string& plural, const ListFilter& filter) {
  client::Query query;
  if (filter.name) query.emplace_back("name", *filter.name);
  if (filter.state) query.emplace_back("state", *filter.state);
  for (const std::string& label : filter.labels) {
    const auto [key, value] = pair_of("--label", label);
    query.emplace_back("label", key + ":" + value);
  }
  return client::with_query(client::path_of({"v1", plural}), query);
}

void make_history(Command& command, const std::string& kind, const std::string& plural, Names names) {
  auto name = std::make_shared<std::string>();
  command.positional("NAME", "name of the " + kind, *name, names);
  command.runs([name, kind, plural](Session& session) {
    const Json list = session.get(client::path_of({"v1", plural, *name, "history"}));
    session.show_list(list,
                      {{"REVISION", [](const Json& r) { return Cell(text(r, "/revision")); }, 0, 10, true},
                       {"AT", [](const Json& r) { return Cell(moment(at(r, "/at"))); }},
                       {"UID", [](const Json& r) { return Cell(text(r, "/actor/uid")); }, 0, 10, true},
                       {"PID", [](const Json& r) { return Cell(text(r, "/actor/pid")); }, 0, 5, true},
                       {"REQUEST", [](const Json& r) { return Cell(text(r, "/request_id")); }, 8, 3},
                       {"SPEC", [](const Json& r) { return Cell(text(r, "/spec")); }, 20, 4}},
                      "No revisions of " + kind + "/" + *name + ".");
    return 0;
  });
}

void make_revert(Command& command, const std::string& kind, const std::string& plural, Names names) {
  struct Asked { std::string name, revision; };
  auto asked = std::make_shared<Asked>();
  command.positional("NAME", "name of the " + kind, asked->name, names);
  command.positional("REVISION", "number of the revision, as 'history' lists it", asked->revision);
  command.runs([asked, kind, plural](Session& session) {
    const Json body{{"revision", integer_of("REVISION", asked->revision)}};
    const auto answer = session.change("POST", client::path_of({"v1", plural, asked->name, "actions", "revert"}), body, "reverting " + asked->name);
    if (answer) session.show_done(kind + "/" + asked->name, "reverted to revision " + asked->revision, answer->body);
    return 0;
  });
}

void make_rm(Command& command, const std::string& kind, const std::string& plural, Names names) {
  auto all = std::make_shared<std::vector<std::string>>();
  command.alias("delete");
  command.positionals("NAME", "what to delete", *all, names);
  command.runs([all, kind, plural](Session& session) {
    return for_each_name(session, *all, [&](const std::string& name) {
      if (session.change("DELETE", client::path_of({"v1", plural, name}), nullptr, "deleting " + name))
        session.show_done(kind + "/" + name, "deleted");
    });
  });
}

}  // namespace sovirt::ctl
