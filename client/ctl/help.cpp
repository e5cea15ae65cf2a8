#include "client/ctl/help.hpp"

#include <algorithm>

#include "client/ctl/exit_statuses.hpp"

namespace sovirt::ctl {

namespace {

using Row = std::pair<std::string, std::string>;

std::string section(const std::string& heading, const std::vector<Row>& rows, const Terminal& terminal) {
  if (rows.empty()) return {};
  int widest = 0;
  for (const Row& row : rows) widest = std::max(widest, std::min(display_width(row.first), 26));
  const int width = std::max(30, (terminal.width > 0 ? std::min(terminal.width, 110) : 100) - widest - 4);
  const std::string margin(static_cast<std::size_t>(widest + 4), ' ');
  std::string out = "\n" + styled(heading, Style::strong, terminal.colour) + "\n";
  for (const auto& [left, right] : rows) {
    out += "  " + styled(left, Style::info, terminal.colour);
    const bool fits = display_width(left) <= widest;
    out += fits ? std::string(static_cast<std::size_t>(widest - display_width(left) + 2), ' ') : "\n" + margin;
    bool first = true;
    for (const std::string& line : wrapped(right, width)) {
      out += (first ? "" : margin) + line + "\n";
      first = false;
    }
  }
  return out;
}

std::vector<Row> option_rows(const Command& command) {
  std::vector<Row> rows;
  for (const auto& option : command.options) {
    const bool is_short = option->flags.size() > 1 && option->flags[1] != '-';
    std::string flags = (is_short ? "" : "    ") + option->flags;
    if (const std::size_t comma = flags.find(','); comma != std::string::npos) flags.insert(comma + 1, " ");
    rows.emplace_back(flags + (option->value.empty() ? "" : " " + option->value), option->help);
  }
  return rows;
}

std::string exits(const Terminal& terminal) {
  std::vector<Row> rows;
  for (const auto& [status, meaning] : exit_statuses) rows.emplace_back(std::to_string(static_cast<int>(status)), meaning);
  return section("Exit status", rows, terminal);
}

}  // namespace

std::string help_text(const Command& command, const Terminal& terminal) {
  std::string out = command.summary + ".\n";
  if (out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 'a' + 'A');
  if (!command.description.empty()) out += command.description + "\n";
  out += "\n" + styled("Usage", Style::strong, terminal.colour) + "\n  " + command.usage() + "\n";
  std::vector<Row> nouns, verbs, arguments;
  for (const auto& sub : command.commands) {
    if (sub->summary.empty()) continue;
    const bool noun = !sub->commands.empty();
    (noun ? nouns : verbs).emplace_back(sub->name, sub->summary);
  }
  for (const Positional& argument : command.arguments) arguments.emplace_back(argument.name, argument.help);
  const bool root = command.parent == nullptr;
  out += section("Kinds", nouns, terminal);
  out += section(root ? "Short forms" : "Commands", verbs, terminal);
  out += section("Arguments", arguments, terminal);
  out += section(root ? "Options of every command" : "Options", option_rows(command), terminal);
  if (root) out += exits(terminal);
  if (!command.examples.empty()) out += "\n" + styled(command.examples.size() > 1 ? "Examples" : "Example", Style::strong, terminal.colour) + "\n";
  for (const std::string& example : command.examples) out += "  " + example + "\n";
  if (!root && command.run) out += "\nOptions of every command, such as -o json and --dry-run, and exit statuses: sovirtctl --help\n";
  if (!command.commands.empty()) out += "\nMore on one of them: " + command.path() + " COMMAND --help\n";
  return out;
}

}  // namespace sovirt::ctl
