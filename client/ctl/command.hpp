#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sovirt::ctl {

class Session;

// What a word on the command line names: completion asks the daemon for them.
enum class Names { none, bridges, containers, netns, links, images, templates, operations, cgroups, files };

// A wrong command line: exit status 2.
class UsageError : public std::exception {
 public:
  explicit UsageError(std::string detail, std::string hint = {}) : detail_(std::move(detail)), hint_(std::move(hint)) {}
  const char* what() const noexcept override { return detail_.c_str(); }
  const std::string& hint() const noexcept { return hint_; }

 private:
  std::string detail_;
  std::string hint_;
};

struct Option {
  std::string flags;                              // "-f,--follow"
  std::string value;                              // "SIZE"; "" for a flag
  std::string help;
  std::function<void(const std::string&)> take;   // each value in order ("" for a flag)
  bool repeated = false;
  Names names = Names::none;
  std::vector<std::string> choices;
  Option& of(Names kind) { names = kind; return *this; }
  Option& among(std::vector<std::string> values) { choices = std::move(values); return *this; }
};

struct Positional {
  std::string name;                               // "NAME"
  std::string help;
  std::function<void(const std::string&)> take;
  bool required = true;
  bool repeated = false;
  Names names = Names::none;
  std::vector<std::string> choices;
};

// One command, as data: the parser, the help, the man page and completion are all made of it, so they cannot differ.
class Command {
 public:
  Command(std::string own_name, std::string own_summary) : name(std::move(own_name)), summary(std::move(own_summary)) {}

  Command& command(std::string sub_name, std::string sub_summary);
  Command& alias(std::string other) { aliases.push_back(std::move(other)); return *this; }
  Command& about(std::string text) { description = std::move(text); return *this; }
  Command& example(std::string line) { examples.push_back(std::move(line)); return *this; }
  Command& runs(std::function<int(Session&)> work) { run = std::move(work); return *this; }

  Option& flag(std::string flags, std::string help, bool& into);
  Option& option(std::string flags, std::string value, std::string help, std::optional<std::string>& into);
  Option& option(std::string flags, std::string value, std::string help, std::vector<std::string>& into);
  void positional(std::string name, std::string help, std::string& into, Names = Names::none);
  void positionals(std::string name, std::string help, std::vector<std::string>& into, Names = Names::none, bool required = true);
  // What follows "--" goes here untouched.
  void tail(std::string name, std::vector<std::string>& into);

  const Command* find(const std::string& word) const;  // by name or alias

  std::string name;
  std::string summary;
  std::string description;
  std::vector<std::string> aliases;
  std::vector<std::string> examples;
  std::vector<std::unique_ptr<Command>> commands;
  std::vector<std::unique_ptr<Option>> options;
  std::vector<Positional> arguments;
  std::string tail_name;
  std::vector<std::string>* tail_words = nullptr;
  std::function<int(Session&)> run;
  const Command* parent = nullptr;

  std::string path() const;   // "sovirtctl bridge create"
  std::string usage() const;  // "sovirtctl bridge create NAME [options]"
};

}  // namespace sovirt::ctl
