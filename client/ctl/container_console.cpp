#include <memory>

#include "client/ctl/console_session.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

void make_container_console(Command& command) {
  struct Options {
    ConsoleRun run;
    bool no_scrollback = false;
  };
  auto options = std::make_shared<Options>();
  command.positional("NAME", "name of the container", options->run.container, Names::containers);
  command.flag("--no-scrollback", "begin with what is shown from now on", options->no_scrollback);
  command.flag("-r,--read-only", "watch, and leave the keyboard to others", options->run.watches_only);
  command.flag("--take", "take the keyboard from whoever has it", options->run.takes_keyboard);
  command.about("The console as if one sat at it: the login prompt, and what was shown before. Leave with Ctrl-A Q; Ctrl-A twice is one Ctrl-A. "
                "Several may watch, and the first has the keyboard. A restart of the daemon is waited for.");
  command.example("sovirtctl console sodebian");
  command.runs([options](Session& session) {
    ConsoleRun run = options->run;
    run.scrollback = !options->no_scrollback;
    return run_console(session, run);
  });
}

}  // namespace sovirt::ctl
