#pragma once
#include <string>

#include "client/ctl/command.hpp"
#include "client/ctl/terminal.hpp"

namespace sovirt::ctl {

// --help of one command.
std::string help_text(const Command&, const Terminal&);

// sovirtctl.1 with all commands below the root, as roff with the man macros.
std::string man_page(const Command& root);

// What may stand in place of the last word. One candidate a line, a tab and a description after it if there is one.
// `names_of` asks the daemon for the names of a kind, and gives none when it does not answer.
std::string complete(const Command& root, const std::vector<std::string>& words,
                     const std::function<std::vector<std::string>(Names)>& names_of);

}  // namespace sovirt::ctl
