#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      text_column("ID", "/id"),
      text_column("KIND", "/kind"),
      {"OBJECT", [](const Json& o) { return Cell(text(o, "/object")); }, 10, 9},
      {"STATE", [](const Json& o) { return state_cell(at(o, "/state")); }},
      {"PROGRESS", [](const Json& o) { return Cell(text(o, "/progress/percent") + "%"); }, 0, 4, true},
      {"MESSAGE", [](const Json& o) { return Cell(at(o, "/error").is_object() ? text(o, "/error/detail") : text(o, "/progress/message")); }, 16, 3},
      {"AGE", [](const Json& o) { return Cell(age(at(o, "/created_at"))); }, 0, 5, true}};
  return all;
}

void fill_page(Page& page, const Json& operation) {
  page.title("operation/" + text(operation, "/id"), state_cell(at(operation, "/state")));
  page.section("Operation");
  page.field("kind", text(operation, "/kind"));
  page.field("object", text(operation, "/object"));
  page.field("progress", text(operation, "/progress/percent") + "%  " + text(operation, "/progress/message"));
  page.field("begun", moment(at(operation, "/created_at")));
  page.field("changed", moment(at(operation, "/updated_at")));
  page.field("by", "uid " + text(operation, "/actor/uid") + ", pid " + text(operation, "/actor/pid"));
  if (!at(operation, "/error").is_object()) return;
  page.section("Error");
  page.field("code", text(operation, "/error/code"));
  page.field("detail", {text(operation, "/error/detail"), Style::bad});
  page.field("hint", text(operation, "/error/hint"));
}

void make_one(Command& command, std::function<int(Session&, const std::string&)> work) {
  auto id = std::make_shared<std::string>();
  command.positional("ID", "id of the operation", *id, Names::operations);
  command.runs([id, work = std::move(work)](Session& session) { return work(session, *id); });
}

}  // namespace

void add_operation(Command& root) {
  Command& operation = root.command("operation", "work that goes on in the background").alias("operations");
  auto filter = std::make_shared<ListFilter>();
  Command& ls = operation.command("ls", "list operations: running ones and those of the last days").alias("list").example("sovirtctl operation ls --state running");
  ls.option("--state", "STATE", "only those in this state", filter->state).among({"running", "done", "failed", "cancelled", "interrupted"});
  ls.runs([filter](Session& session) {
    session.show_list(session.get_all(list_target("operations", *filter)), columns(), "No operations: nothing was built in the last days.");
    return 0;
  });
  make_one(operation.command("show", "show one operation").example("sovirtctl operation show abcdefghijkl"), [](Session& session, const std::string& id) {
    const Json document = session.get(client::path_of({"v1", "operations", id}));
    session.show_page(document, [&](Page& page) { fill_page(page, document); });
    return 0;
  });
  make_one(operation.command("wait", "wait for its end, with progress").example("sovirtctl operation wait abcdefghijkl"), [](Session& session, const std::string& id) {
    const Json document = session.follow_operation(id, "waiting for operation " + id);
    session.show_done("operation/" + id, "is done", document);
    return 0;
  });
  make_one(operation.command("cancel", "cancel a running operation").example("sovirtctl operation cancel abcdefghijkl"), [](Session& session, const std::string& id) {
    const client::Answer answer = session.act("DELETE", client::path_of({"v1", "operations", id}), nullptr, "cancelling " + id);
    session.show_done("operation/" + id, "cancelled", answer.body);
    return 0;
  });
}

}  // namespace sovirt::ctl
