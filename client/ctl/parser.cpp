#include "client/ctl/parser.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>

namespace sovirt::ctl {

namespace {

std::size_t distance(const std::string& a, const std::string& b) {  // Levenshtein with transposition
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const bool same = a[i - 1] == b[j - 1];
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

std::function<void(const std::vector<std::string>&)> each(const std::function<void(const std::string&)>& take) {
  return [&take](const std::vector<std::string>& values) {
    for (const std::string& value : values) take(value);
  };
}

void check_choice(const Option& option, const std::string& value) {
  if (option.choices.empty() || std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end()) return;
  std::string all;
  for (const std::string& choice : option.choices) all += (all.empty() ? "" : ", ") + choice;
  throw UsageError(option.flags.substr(option.flags.find("--")) + ": '" + value + "' is not one of " + all);
}

void bind_options(CLI::App& app, const Command& command) {
  for (const auto& option : command.options) {
    if (option->value.empty()) {
      app.add_flag_callback(option->flags, [&option] { option->take(""); })->trigger_on_parse();
      continue;
    }
    if (!option->repeated) {
      app.add_option_function<std::string>(option->flags, [&option](const std::string& value) {
        check_choice(*option, value);
        option->take(value);
      });
      continue;
    }
    CLI::Option* bound = app.add_option_function<std::vector<std::string>>(option->flags, each(option->take));
    // One value after each mention: without this "--label a=b NAME" would swallow NAME.
    bound->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
  }
}

void bind_arguments(CLI::App& app, const Command& command) {
  for (const Positional& argument : command.arguments) {
    CLI::Option* bound = argument.repeated ? app.add_option_function<std::vector<std::string>>(argument.name, each(argument.take))
                                           : app.add_option_function<std::string>(argument.name, argument.take);
    if (argument.required) bound->required();
  }
}

std::vector<std::string> words_of(const Command& command) {
  std::vector<std::string> words;
  for (const auto& sub : command.commands) words.push_back(sub->name);
  return words;
}

std::vector<std::string> flags_of(const Command& command) {
  std::vector<std::string> flags;
  for (const Command* at = &command; at != nullptr; at = at->parent)
    for (const auto& option : at->options) flags.push_back(option->flags.substr(option->flags.find("--")));
  flags.emplace_back("--help");
  return flags;
}

[[noreturn]] void unknown_command(const Command& at, const std::string& word) {
  const std::string close = nearest(word, words_of(at));
  throw UsageError("unknown command '" + word + "' for '" + at.path() + "'",
                   close.empty() ? "'" + at.path() + " --help' lists the commands" : "did you mean '" + at.path() + " " + close + "'?");
}

// Words before the command may be global options with a value: those of the root say which.
bool takes_value(const Command& root, const std::string& word) {
  if (word.find('=') != std::string::npos) return false;
  for (const auto& option : root.options) {
    if (option->value.empty()) continue;
    const std::string flags = "," + option->flags + ",";
    if (flags.find("," + word + ",") != std::string::npos) return true;
  }
  return false;
}

// Follows the words down to the command and removes those that named it.
const Command& descend(const Command& root, std::vector<std::string>& words) {
  const Command* at = &root;
  for (std::size_t i = 0; i < words.size() && !at->commands.empty();) {
    const std::string& word = words[i];
    if (word.size() > 1 && word[0] == '-') {
      i += takes_value(root, word) ? 2 : 1;
      continue;
    }
    const Command* sub = at->find(word);
    if (sub == nullptr) unknown_command(*at, word);
    at = sub;
    words.erase(words.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return *at;
}

[[noreturn]] void explain(const Command& command, const CLI::App& app, const CLI::ParseError& error, bool has_tail) {
  std::string detail = error.what();
  std::string hint = "usage: " + command.usage();
  const std::string flag = detail.substr(0, detail.find(':'));
  if (error.get_name() == "ArgumentMismatch") detail = flag + (detail.find("missing") != std::string::npos ? " needs a value" : " is given more than once");
  // A mistyped option is the reason, even where CLI11 first misses what was to follow it.
  const std::vector<std::string> extras = app.remaining();
  if (!extras.empty()) {
    const std::string& first = extras.front();
    detail = first.starts_with("-") ? "unknown option '" + first + "'" : "unexpected word '" + first + "'";
    const std::string close = first.starts_with("--") ? nearest(first, flags_of(command)) : "";
    if (!close.empty()) hint = "did you mean '" + close + "'?";
    else if (!command.tail_name.empty() && !has_tail) hint = "put '--' before the command that is to be run: " + command.usage();
  }
  throw UsageError(detail, hint);
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(3, word.size() / 3)) + 1;
  for (const std::string& candidate : candidates) {
    const bool beginning = word.size() >= 2 && candidate.starts_with(word);
    const std::size_t far = beginning ? 1 : distance(word, candidate);
    if (far < best_distance) {
      best = candidate;
      best_distance = far;
    }
  }
  return best;
}

Parsed parse(Command& root, std::vector<std::string> words) {
  const auto separator = std::find(words.begin(), words.end(), "--");
  const std::vector<std::string> tail(separator == words.end() ? separator : separator + 1, words.end());
  const bool has_tail = separator != words.end();
  words.erase(separator, words.end());
  const Command& command = descend(root, words);

  Parsed parsed{&command, false};
  CLI::App app;
  app.set_help_flag();  // ours, so that it wins over missing arguments
  app.add_flag("-h,--help", parsed.help);
  bind_options(app, root);
  if (&command != &root) bind_options(app, command);
  bind_arguments(app, command);
  if (std::any_of(words.begin(), words.end(), [](const std::string& w) { return w == "-h" || w == "--help"; })) {
    parsed.help = true;
    return parsed;
  }
  if (has_tail && command.tail_words == nullptr && command.run) throw UsageError("'" + command.path() + "' takes nothing after '--'", "usage: " + command.usage());
  if (has_tail && command.tail_words != nullptr) *command.tail_words = tail;
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    explain(command, app, error, has_tail);
  }
  return parsed;
}

}  // namespace sovirt::ctl
