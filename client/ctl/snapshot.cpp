#include <map>
#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

struct SnapshotOptions { std::string container, name; };

// The name with the lines of the tree before it, which depend on all the others.
Json with_tree(const Json& list) {
  std::map<std::string, std::vector<const Json*>> children;
  for (const Json& one : at(list, "/items")) children[text(one, "/parent")].push_back(&one);
  Json rows = Json::array();
  const std::function<void(const std::string&, const std::string&)> add = [&](const std::string& parent, const std::string& before) {
    const auto& own = children[parent];
    for (std::size_t i = 0; i < own.size(); ++i) {
      const bool last = i + 1 == own.size();
      Json row = *own[i];
      row["tree"] = (parent.empty() ? "" : before + (last ? "└─ " : "├─ ")) + text(row, "/name");
      rows.push_back(std::move(row));
      add(text(*own[i], "/name"), parent.empty() ? "" : before + (last ? "   " : "│  "));
    }
  };
  add("", "");
  return {{"items", std::move(rows)}};
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"NAME", [](const Json& s) { return Cell(text(s, "/tree"), at(s, "/current") == true ? Style::strong : Style::plain); }},
      {"CURRENT", [](const Json& s) { return Cell(at(s, "/current") == true ? "yes" : ""); }},
      {"SIZE", [](const Json& s) { return Cell(size_text(at(s, "/size"))); }, 0, 8, true},
      {"AGE", [](const Json& s) { return Cell(age(at(s, "/created_at"))); }, 0, 5, true}};
  return all;
}

std::shared_ptr<SnapshotOptions> both(Command& command, const char* help) {
  auto options = std::make_shared<SnapshotOptions>();
  command.positional("CONTAINER", "name of the container", options->container, Names::containers);
  command.positional("NAME", help, options->name);
  return options;
}

void make_create(Command& command) {
  auto options = both(command, "name of the snapshot");
  command.about("Keeps the container's files as they are. Of a stopped one nothing is copied; a running one is frozen while its own files are copied.");
  command.example("sovirtctl snapshot create sodebian before-upgrade");
  command.runs([options](Session& session) {
    const std::string doing = "making snapshot " + options->name + " of " + options->container;
    const auto answer = session.change("POST", client::path_of({"v1", "containers", options->container, "actions", "snapshot"}), Json{{"name", options->name}}, doing);
    if (!answer) return 0;
    Json made = answer->body;
    if (answer->status == 202) made = at(session.follow_operation(text(answer->body, "/id"), doing), "/result");
    session.show_done("container/" + options->container, "has snapshot " + options->name, made);
    return 0;
  });
}

void make_list(Command& command) {
  auto name = std::make_shared<std::string>();
  command.alias("list").positional("CONTAINER", "name of the container", *name, Names::containers);
  command.example("sovirtctl snapshot ls sodebian");
  command.runs([name](Session& session) {
    const Json list = session.get(client::path_of({"v1", "containers", *name, "snapshots"}));
    session.show_list(session.for_people() ? with_tree(list) : list, columns(), "No snapshots. Make one with: sovirtctl snapshot create " + *name + " NAME");
    return 0;
  });
}

void make_restore(Command& command) {
  auto options = both(command, "the snapshot to go back to");
  command.about("The container must be stopped. What it has written since is gone, unless another snapshot keeps it. Its configuration stays.");
  command.example("sovirtctl snapshot restore sodebian before-upgrade");
  command.runs([options](Session& session) {
    const auto answer = session.change("POST", client::path_of({"v1", "containers", options->container, "actions", "restore"}), Json{{"snapshot", options->name}},
                                       "restoring " + options->container);
    if (answer) session.show_done("container/" + options->container, "is as it was in " + options->name, answer->body);
    return 0;
  });
}

void make_remove(Command& command) {
  auto options = both(command, "the snapshot to delete");
  command.alias("delete").example("sovirtctl snapshot rm sodebian before-upgrade");
  command.runs([options](Session& session) {
    const auto answer = session.change("DELETE", client::path_of({"v1", "containers", options->container, "snapshots", options->name}), nullptr, "deleting snapshot " + options->name);
    if (answer) session.show_done("container/" + options->container, "has no snapshot " + options->name + " any more");
    return 0;
  });
}

}  // namespace

void add_snapshot(Command& root) {
  Command& snapshot = root.command("snapshot", "earlier states of containers").alias("snapshots");
  make_create(snapshot.command("create", "keep a container's files as they are now"));
  make_list(snapshot.command("ls", "list the snapshots of a container, as a tree"));
  make_restore(snapshot.command("restore", "bring a container's files back to a snapshot"));
  make_remove(snapshot.command("rm", "delete a snapshot"));
}

}  // namespace sovirt::ctl
