#include "client/ctl/page.hpp"

#include <algorithm>

#include "client/ctl/json_text.hpp"

namespace sovirt::ctl {

void Page::title(const std::string& ref, const Cell& state) {
  out_ += styled(printable(ref), Style::strong, terminal_.colour);
  if (!state.text.empty()) out_ += "  " + styled(printable(state.text), state.style, terminal_.colour);
  out_ += "\n";
}

void Page::section(const std::string& heading) {
  flush_fields();
  out_ += "\n" + styled(heading, Style::strong, terminal_.colour) + "\n";
}

void Page::field(const std::string& label, const Cell& value) {
  if (!value.text.empty()) fields_.emplace_back(label, value);
}

void Page::flush_fields() {
  int widest = 0;
  for (const auto& [label, value] : fields_) widest = std::max(widest, display_width(label));
  for (const auto& [label, value] : fields_) {
    const std::string space(static_cast<std::size_t>(widest - display_width(label) + 2), ' ');
    const int room = terminal_.width > 0 ? std::max(20, terminal_.width - widest - 4) : 1 << 20;
    std::string margin = "  " + styled(label, Style::dim, terminal_.colour) + space;
    for (const std::string& line : wrapped(printable(value.text), room)) {
      out_ += margin + styled(line, value.style, terminal_.colour) + "\n";
      margin.assign(static_cast<std::size_t>(widest + 4), ' ');
    }
  }
  fields_.clear();
}

void Page::table(const std::vector<Column>& columns, const std::vector<Json>& rows) {
  flush_fields();
  out_ += render_table(columns, rows, terminal_, wide_, 2);
}

void Page::conditions(const Json& resource) {
  const Json& all = at(resource, "/status/conditions");
  if (!all.is_array() || all.empty()) return;
  section("Conditions");
  table({text_column("TYPE", "/type"), {"STATUS", [](const Json& c) { return Cell(text(c, "/status")); }}, text_column("REASON", "/reason"),
         {"MESSAGE", [](const Json& c) { return Cell(text(c, "/message")); }, 20},
         {"SINCE", [](const Json& c) { return Cell(age(at(c, "/since"))); }}},
        std::vector<Json>(all.begin(), all.end()));
}

void Page::origin(const Json& resource) {
  section("Record");
  std::string labels;
  const Json& pairs = at(resource, "/labels");
  if (pairs.is_object())
    for (const auto& [key, value] : pairs.items()) labels += (labels.empty() ? "" : ", ") + key + "=" + text(value);
  field("labels", labels);
  field("uid", text(resource, "/uid"));
  field("revision", text(resource, "/revision"));
  field("created", moment(at(resource, "/created_at")));
  if (at(resource, "/updated_at") != at(resource, "/created_at")) field("updated", moment(at(resource, "/updated_at")));
}

std::string Page::finish() {
  flush_fields();
  return std::move(out_);
}

}  // namespace sovirt::ctl
