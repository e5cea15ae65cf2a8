#include <algorithm>

#include "client/ctl/exit_statuses.hpp"
#include "client/ctl/help.hpp"

namespace sovirt::ctl {

namespace {

// roff reads a backslash anywhere, and a dot or quote at the start of a line, as its own.
std::string roff(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') out += "\\e";
    else if (text[i] == '-') out += "\\-";
    else if (text.compare(i, 3, "…") == 0) {
      out += "\\&...";
      i += 2;
    } else out += text[i];
  }
  if (!out.empty() && (out[0] == '.' || out[0] == '\'')) out.insert(0, "\\&");
  return out;
}

std::string quoted(const std::string& text) {
  std::string out = roff(text);
  for (std::size_t at = 0; (at = out.find('"', at)) != std::string::npos; at += 4) out.replace(at, 1, "\\(dq");
  return "\"" + out + "\"";
}

void add_options(std::string& out, const Command& command) {
  for (const auto& option : command.options)
    out += ".TP\n.B " + quoted(option->flags + (option->value.empty() ? "" : " " + option->value)) + "\n" + roff(option->help) + "\n";
}

void add_command(std::string& out, const Command& command) {
  if (command.summary.empty()) return;
  for (const auto& sub : command.commands) add_command(out, *sub);
  if (!command.run) return;
  out += ".SS " + quoted(command.usage()) + "\n" + roff(command.summary) + ".\n";
  if (!command.description.empty()) out += roff(command.description) + "\n";
  for (const Positional& argument : command.arguments) out += ".TP\n.I " + quoted(argument.name) + "\n" + roff(argument.help) + "\n";
  add_options(out, command);
  for (const std::string& example : command.examples) out += ".PP\n.EX\n" + roff(example) + "\n.EE\n";
}

}  // namespace

std::string man_page(const Command& root) {
  std::string out = ".\\\" Made from the command tree of sovirtctl: change that, not this.\n.TH SOVIRTCTL 1 \"\" \"sovirt " SOVIRT_VERSION "\" \"sovirt\"\n"
                    ".SH NAME\nsovirtctl \\- " + roff(root.summary) + "\n.SH SYNOPSIS\n.B sovirtctl\n.I KIND VERB NAME\n.RI [ OPTIONS ]\n.SH DESCRIPTION\n" +
                    roff(root.description) + "\n.SH \"OPTIONS OF EVERY COMMAND\"\n";
  add_options(out, root);
  for (const auto& sub : root.commands) {
    if (sub->commands.empty() || sub->summary.empty()) continue;
    std::string heading = sub->name;
    std::transform(heading.begin(), heading.end(), heading.begin(), [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    out += ".SH " + quoted(heading) + "\n" + roff(sub->summary) + ".\n";
    add_command(out, *sub);
  }
  out += ".SH \"SHORT FORMS\"\n";
  for (const auto& sub : root.commands)
    if (sub->commands.empty() && !sub->summary.empty()) out += ".TP\n.B " + quoted(sub->name) + "\n" + roff(sub->summary) + "\n";
  out += ".SH \"EXIT STATUS\"\n";
  for (const auto& [status, meaning] : exit_statuses)
    out += ".TP\n.B " + std::to_string(static_cast<int>(status)) + "\n" + roff(meaning) + "\n";
  out += ".PP\n.B exec\nends with the status of the command that it ran.\n"
         ".SH ENVIRONMENT\n.TP\n.B SOVIRT_SOCKET\nthe daemon's socket, if not /run/sovirt/sovirt.sock\n"
         ".TP\n.B NO_COLOR\nif set to anything, no colour is used\n.TP\n.B COLUMNS\nwidth to use instead of the terminal's\n"
         ".SH EXAMPLES\n";
  for (const std::string& example : root.examples) out += ".EX\n" + roff(example) + "\n.EE\n";
  return out + ".SH \"SEE ALSO\"\n.BR sovirtd (8),\n.BR sovirt\\-launch (8)\n";
}

}  // namespace sovirt::ctl
