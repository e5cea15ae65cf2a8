#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

bool table_like(const Json& value) {
  if (!value.is_array() || value.empty()) return false;
  for (const Json& row : value)
    if (!row.is_object()) return false;
  return true;
}

std::string heading_of(std::string key) {
  for (char& c : key) c = c == '_' ? ' ' : c;
  if (!key.empty() && key[0] >= 'a' && key[0] <= 'z') key[0] = static_cast<char>(key[0] - 'a' + 'A');
  return key;
}

void fill(Page& page, const std::string& heading, const Json& object);

void table(Page& page, const std::string& heading, const Json& rows) {
  page.section(heading);
  std::vector<Column> columns;
  for (const auto& [key, value] : rows.front().items()) {
    std::string title = key;
    for (char& c : title) c = c == '_' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const std::string pointer = "/" + key;
    columns.push_back({title, [pointer](const Json& row) {
                         const Json& cell = at(row, pointer.c_str());
                         return cell.is_string() ? state_cell(cell).style == Style::dim ? Cell(text(cell)) : state_cell(cell) : Cell(text(cell));
                       }, 16, value.is_string() ? 9 : 5});
  }
  page.table(columns, std::vector<Json>(rows.begin(), rows.end()));
}

// The report grows with what the daemon learns to look at; each section is shown as it comes.
void fill(Page& page, const std::string& heading, const Json& object) {
  page.section(heading);
  for (const auto& [key, value] : object.items())
    if (!value.is_object() && !table_like(value)) {
      std::string label = key;
      for (char& c : label) c = c == '_' ? ' ' : c;
      page.field(label, value.is_string() ? Cell(text(value)) : Cell(text(value)));
    }
  for (const auto& [key, value] : object.items()) {
    if (table_like(value)) table(page, heading + ": " + key, value);
    else if (value.is_object() && !value.empty()) fill(page, heading + ": " + key, value);
  }
}

const Json& report_of(const Json& host) { return at(host, "/status").is_object() ? at(host, "/status") : host; }

void make_show(Command& command) {
  command.example("sovirtctl host show");
  command.runs([](Session& session) {
    const Json host = session.get("/v1/host");
    session.show_page(host, [&](Page& page) {
      page.title("host", {});
      for (const auto& [key, value] : report_of(host).items()) {
        if (table_like(value)) table(page, heading_of(key), value);
        else if (value.is_object()) fill(page, heading_of(key), value);
      }
    });
    return 0;
  });
}

}  // namespace

void make_host_check(Command& command) {
  command.about("Exits with 7 if something is missing that containers cannot do without.");
  command.example("sovirtctl check");
  command.runs([](Session& session) {
    const Json host = session.get("/v1/host");
    if (!session.for_people()) session.show_document(host);
    return 0;
  });
}

void add_host(Command& root) {
  Command& host = root.command("host", "the host itself: its kernel, virtualization and cgroups");
  make_show(host.command("show", "show what the host is and has"));
  make_host_check(host.command("check", "what containers need of the kernel: present, missing, and what stops working without it"));
  host.command("stop-containers", "stop all containers in reverse order and note who ran, as at a shutdown")
      .example("sovirtctl host stop-containers")
      .runs([](Session& session) {
        const auto answer = session.change("POST", "/v1/host/actions/stop-containers", nullptr, "stopping all containers");
        if (!answer) return 0;
        const Json& items = at(answer->body, "/items");
        session.show_done("host", items.is_array() ? "stopped " + std::to_string(items.size()) + " containers" : "stopped its containers", answer->body);
        return 0;
      });
}

}  // namespace sovirt::ctl
