#pragma once
#include <string>

namespace sovirt {

struct Options {
  std::string state_dir = "/var/lib/sovirt";
  std::string run_dir = "/run/sovirt";
  std::string socket;                              // empty: RUN/sovirt.sock
  std::string log_level = "info";
  std::string boot_id_file = "/proc/sys/kernel/random/boot_id";
  std::string launcher;                            // empty: beside this program, then ../libexec/sovirt
  std::string libexec;                             // folder of dhcp-event: ../libexec/sovirt, or the sources'
  std::string cgroup_parent = "/";
  std::string templates;                           // empty: ../share/sovirt/templates of this program, then /usr/share
};

// From the command line and the file of --config (TOML: `state-dir = "/srv/sovirt"`). Exits by itself after
// --help, --version and on wrong use, with status 0 and 2.
Options read_options(int argc, char** argv);

}  // namespace sovirt
