#pragma once
#include <string>
#include <vector>

#include "client/ctl/command.hpp"

namespace sovirt::ctl {

struct Parsed {
  const Command* command = nullptr;  // the one that the words lead to, perhaps one that has only sub-commands
  bool help = false;                 // --help was among them
};

// Finds the command that the words name, and hands its options and arguments to it. `words` is without argv[0].
// Global options (those of the root) are taken anywhere before "--". Throws UsageError with the nearest command or option.
Parsed parse(Command& root, std::vector<std::string> words);

// The candidate closest to the word, "" if none is close enough to be what was meant.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace sovirt::ctl
