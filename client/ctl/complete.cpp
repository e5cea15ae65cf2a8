#include <algorithm>

#include "client/ctl/help.hpp"

namespace sovirt::ctl {

namespace {

std::vector<std::string> flags_of(const Option& option) {
  std::vector<std::string> flags;
  for (std::size_t begin = 0; begin < option.flags.size();) {
    const std::size_t end = std::min(option.flags.find(',', begin), option.flags.size());
    flags.push_back(option.flags.substr(begin, end - begin));
    begin = end + 1;
  }
  return flags;
}

const Option* find_option(const Command& command, const std::string& flag) {
  for (const Command* at = &command; at != nullptr; at = at->parent)
    for (const auto& option : at->options) {
      const auto flags = flags_of(*option);
      if (std::find(flags.begin(), flags.end(), flag) != flags.end()) return option.get();
    }
  return nullptr;
}

// Where the words before the one being typed lead.
struct Place {
  const Command* command;
  const Option* awaiting = nullptr;  // an option whose value comes next
  std::size_t arguments = 0;         // positional words so far
  bool after_separator = false;
};

Place walk(const Command& root, const std::vector<std::string>& words) {
  Place place{&root};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (place.awaiting != nullptr) {
      place.awaiting = nullptr;
    } else if (place.after_separator || word == "--") {
      place.after_separator = true;
    } else if (word.size() > 1 && word[0] == '-') {
      const Option* option = find_option(*place.command, word.substr(0, word.find('=')));
      if (option != nullptr && !option->value.empty() && word.find('=') == std::string::npos) place.awaiting = option;
    } else if (const Command* sub = place.command->find(word); sub != nullptr && place.arguments == 0) {
      place.command = sub;
    } else {
      ++place.arguments;
    }
  }
  return place;
}

class Candidates {
 public:
  explicit Candidates(std::string beginning) : beginning_(std::move(beginning)) {}
  void add(const std::string& word, const std::string& help = {}) {
    if (word.starts_with(beginning_)) out_ += word + (help.empty() ? "" : "\t" + help) + "\n";
  }
  std::string text() && { return std::move(out_); }

 private:
  std::string beginning_, out_;
};

void add_values(Candidates& out, const std::vector<std::string>& choices, Names names, const std::string& before,
                const std::function<std::vector<std::string>(Names)>& names_of) {
  for (const std::string& choice : choices) out.add(before + choice);
  if (names == Names::files) out.add("__files__");
  else if (names != Names::none)
    for (const std::string& name : names_of(names)) out.add(before + name);
}

// "bridge=<here>" inside of --nic: the keys, and after bridge= the bridges.
void add_nic_parts(Candidates& out, const std::string& typed, const std::function<std::vector<std::string>(Names)>& names_of) {
  const std::size_t comma = typed.rfind(',');
  const std::string before = comma == std::string::npos ? "" : typed.substr(0, comma + 1);
  if (typed.substr(before.size()).starts_with("bridge=")) add_values(out, {}, Names::bridges, before + "bridge=", names_of);
  else for (const char* key : {"bridge=", "name=", "mac=", "address=", "gateway=", "mtu=", "dhcp=yes", "publish="}) out.add(before + key);
}

}  // namespace

std::string complete(const Command& root, const std::vector<std::string>& words, const std::function<std::vector<std::string>(Names)>& names_of) {
  const std::string typed = words.empty() ? "" : words.back();
  const Place place = walk(root, words);
  Candidates out(typed);
  if (place.after_separator) return {};
  if (place.awaiting != nullptr) {
    if (place.awaiting->flags == "--nic") add_nic_parts(out, typed, names_of);
    else if (place.awaiting->names == Names::files) return "__files__\n";
    else add_values(out, place.awaiting->choices, place.awaiting->names, "", names_of);
    return std::move(out).text();
  }
  if (typed.starts_with("-")) {
    for (const Command* at = place.command; at != nullptr; at = at->parent)
      for (const auto& option : at->options)
        for (const std::string& flag : flags_of(*option))
          if (flag.starts_with("--")) out.add(flag, option->help);
    out.add("--help", "explain this command");
    return std::move(out).text();
  }
  for (const auto& sub : place.command->commands)
    if (!sub->summary.empty()) out.add(sub->name, sub->summary);
  const auto& arguments = place.command->arguments;
  if (!arguments.empty()) {
    const bool past = place.arguments >= arguments.size();
    const Positional& argument = past ? arguments.back() : arguments[place.arguments];
    if (!past || argument.repeated) add_values(out, argument.choices, argument.names, "", names_of);
  }
  return std::move(out).text();
}

}  // namespace sovirt::ctl
