#include "client/ctl/command.hpp"

#include <algorithm>

namespace sovirt::ctl {

Command& Command::command(std::string sub_name, std::string sub_summary) {
  commands.push_back(std::make_unique<Command>(std::move(sub_name), std::move(sub_summary)));
  commands.back()->parent = this;
  return *commands.back();
}

Option& Command::flag(std::string flags, std::string help, bool& into) {
  options.push_back(std::make_unique<Option>());
  Option& option = *options.back();
  option.flags = std::move(flags);
  option.help = std::move(help);
  option.take = [&into](const std::string&) { into = true; };
  return option;
}

Option& Command::option(std::string flags, std::string value, std::string help, std::optional<std::string>& into) {
  options.push_back(std::make_unique<Option>());
  Option& option = *options.back();
  option.flags = std::move(flags);
  option.value = std::move(value);
  option.help = std::move(help);
  option.take = [&into](const std::string& text) { into = text; };
  return option;
}

Option& Command::option(std::string flags, std::string value, std::string help, std::vector<std::string>& into) {
  options.push_back(std::make_unique<Option>());
  Option& option = *options.back();
  option.flags = std::move(flags);
  option.value = std::move(value);
  option.help = std::move(help);
  option.repeated = true;
  option.take = [&into](const std::string& text) { into.push_back(text); };
  return option;
}

void Command::positional(std::string argument, std::string help, std::string& into, Names names) {
  arguments.push_back({std::move(argument), std::move(help), [&into](const std::string& text) { into = text; }, true, false, names, {}});
}

void Command::positionals(std::string argument, std::string help, std::vector<std::string>& into, Names names, bool required) {
  arguments.push_back({std::move(argument), std::move(help), [&into](const std::string& text) { into.push_back(text); }, required, true, names, {}});
}

void Command::tail(std::string words_name, std::vector<std::string>& into) {
  tail_name = std::move(words_name);
  tail_words = &into;
}

const Command* Command::find(const std::string& word) const {
  for (const auto& sub : commands)
    if (sub->name == word || std::find(sub->aliases.begin(), sub->aliases.end(), word) != sub->aliases.end()) return sub.get();
  return nullptr;
}

std::string Command::path() const { return parent != nullptr ? parent->path() + " " + name : name; }

std::string Command::usage() const {
  std::string text = path();
  if (!commands.empty()) return text + " COMMAND …";
  for (const Positional& argument : arguments) {
    const std::string word = argument.name + (argument.repeated ? "…" : "");
    text += argument.required ? " " + word : " [" + word + "]";
  }
  if (!options.empty()) text += " [OPTIONS]";
  if (!tail_name.empty()) text += " [-- " + tail_name + "…]";
  return text;
}

}  // namespace sovirt::ctl
