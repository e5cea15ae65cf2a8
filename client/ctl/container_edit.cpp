#include <memory>

#include "client/ctl/container_spec.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

namespace {

void start_too(Session& session, const std::string& name) {
  const auto answer = session.change("PUT", client::path_of({"v1", "containers", name, "state"}), Json{{"desired", "running"}}, "starting " + name);
  if (answer) session.show_done("container/" + name, "started", answer->body);
}

int create(Session& session, const ContainerOptions& options) {
  const client::Headers only_new = options.only_new ? client::Headers{{"If-None-Match", "*"}} : client::Headers{};
  const auto answer = session.change("PUT", client::path_of({"v1", "containers", options.name}), container_body(options),
                                     "creating container " + options.name, only_new);
  if (!answer) {
    if (options.start) session.note("After that it would be started, as --start says.");
    return 0;
  }
  // With --start only the last answer is printed where one document is expected.
  if (!options.start || session.for_people()) session.show_done("container/" + options.name, answer->status == 201 ? "created" : "is as asked", answer->body);
  if (options.start) start_too(session, options.name);
  return 0;
}

}  // namespace

void make_container_create(Command& command) {
  auto options = std::make_shared<ContainerOptions>();
  command.positional("NAME", "its name: a-z, 0-9 and hyphens", options->name);
  command.option("--image", "IMAGE", "the image that its root file system is made of", options->image).of(Names::images);
  add_container_spec_options(command, *options);
  command.option("--isolation", "KIND", "container (default), or chroot: all but the file system is the host's", options->isolation)
      .among({"container", "chroot"});
  command.option("-l,--label", "KEY=VALUE", "a label; may be repeated", options->labels);
  command.flag("--new", "refuse if there is a container of this name already", options->only_new);
  command.flag("--start", "start it at once", options->start);
  command.tail("COMMAND", options->command);
  command.about("Without a COMMAND the image's own init is booted.");
  command.example("sovirtctl container create sodebian --image debian --nic bridge=brso1,name=eth0,mac=4a:49:43:49:79:bf,address=172.16.2.10/24,gateway=172.16.2.1 --start");
  command.example("sovirtctl container create box --image debian --memory 512M -- sleep infinity");
  command.runs([options](Session& session) {
    if (!options->image) throw UsageError("--image is missing", "'sovirtctl image ls' lists the images, 'sovirtctl image build' makes one");
    return create(session, *options);
  });
}

void make_container_set(Command& command) {
  auto options = std::make_shared<ContainerOptions>();
  command.positional("NAME", "name of the container", options->name, Names::containers);
  add_container_spec_options(command, *options);
  command.flag("--no-nics", "take all network interfaces away", options->no_nics);
  command.flag("--no-mounts", "take all mounts away", options->parts.no_mounts);
  command.flag("--no-devices", "take all devices away", options->parts.no_devices);
  command.option("--remove-env", "KEY", "remove an environment variable; may be repeated", options->remove_env);
  command.option("-l,--label", "KEY=VALUE", "set a label, or remove it with KEY-; may be repeated", options->labels);
  command.tail("COMMAND", options->command);
  command.about("Changes what is named and leaves the rest. --nic, --mount, --device, --cap-add and --cap-drop replace all of their kind; 'none' removes a limit. What a running container takes on at its next start only, its condition RestartNeeded says.");
  command.example("sovirtctl container set sodebian --memory 512M --autostart always");
  command.runs([options](Session& session) {
    const Json body = container_changes(*options);
    if (body.empty()) throw UsageError("nothing to change was named", "'sovirtctl container set --help' lists what can be changed");
    const auto answer = session.change("PATCH", client::path_of({"v1", "containers", options->name}), body, "changing " + options->name);
    if (answer) session.show_done("container/" + options->name, "changed", answer->body);
    return 0;
  });
}

}  // namespace sovirt::ctl
