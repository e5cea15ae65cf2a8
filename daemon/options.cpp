#include "daemon/options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>

namespace sovirt {
namespace {

std::string beside_program(const char* relative) {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "" : (program.parent_path() / relative).lexically_normal().string();
}

std::string first_existing(std::initializer_list<std::string> candidates) {
  std::string last;
  for (const std::string& candidate : candidates) {
    if (!candidate.empty() && std::filesystem::exists(candidate)) return candidate;
    last = candidate;
  }
  return last;
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  CLI::App app{"sovirtd owns the containers, bridges and groups of this host and answers on a Unix socket.\n"
               "Several may run on one host, each with directories of its own.", "sovirtd"};
  app.set_version_flag("--version", "sovirtd " SOVIRT_VERSION);
  app.set_config("--config", "", "read options from this file; lines such as state-dir = \"/srv/sovirt\"");
  app.add_option("--state-dir", options.state_dir, "database, images and containers")->capture_default_str();
  app.add_option("--run-dir", options.run_dir, "sockets, and what is gone after a boot")->capture_default_str();
  app.add_option("--socket", options.socket, "the socket that takes changes (default: sovirt.sock in the run directory)");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))->capture_default_str();
  app.add_option("--boot-id-file", options.boot_id_file, "where the id of this boot is read, for tests of the boot path")->capture_default_str();
  app.add_option("--launcher", options.launcher, "the sovirt-launch program (default: beside sovirtd)");
  app.add_option("--cgroup-parent", options.cgroup_parent, "group below which this daemon makes its own")->capture_default_str();
  app.add_option("--templates", options.templates, "folder of image templates");
  app.footer("Example: sovirtd --state-dir /tmp/so/state --run-dir /tmp/so/run\n"
             "         sovirtctl --socket /tmp/so/run/sovirt.sock ls\n"
             "SIGTERM ends the daemon and leaves containers running. See sovirtd(8).");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  const auto absolute = [](std::string& path) {
    if (!path.empty()) path = std::filesystem::absolute(path).lexically_normal().string();
  };
  absolute(options.state_dir);
  absolute(options.run_dir);
  if (options.socket.empty()) options.socket = options.run_dir + "/sovirt.sock";
  absolute(options.socket);
  if (options.launcher.empty())
    options.launcher = first_existing({beside_program("sovirt-launch"), beside_program("../libexec/sovirt/sovirt-launch")});
  const std::string event = first_existing({beside_program("../libexec/sovirt/dhcp-event"), beside_program("../../../packaging/dhcp-event")});
  options.libexec = std::filesystem::path{event}.parent_path().string();
  if (options.templates.empty())
    options.templates = first_existing({beside_program("../share/sovirt/templates"), beside_program("../../../packaging/templates"),
                                        "/usr/share/sovirt/templates"});
  return options;
}

}  // namespace sovirt
