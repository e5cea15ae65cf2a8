#include "client/ctl/container_parts.hpp"

#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

// "on-failure:5"
Json restart_of(const std::string& text) {
  const auto colon = text.find(':');
  Json restart{{"policy", text.substr(0, colon)}, {"max_retries", 0}};
  if (colon != std::string::npos) restart["max_retries"] = integer_of("--restart", text.substr(colon + 1));
  return restart;
}

// "/dev/fuse", "/dev/fuse:rw", "/dev/ttyUSB0=/dev/ttyS0:rw"
Json device_of(const std::string& text) {
  const auto colon = text.rfind(':');
  const bool has_access = colon != std::string::npos && !text.substr(colon + 1).empty() && text.find_first_not_of("rwm", colon + 1) == std::string::npos;
  const std::string paths = has_access ? text.substr(0, colon) : text;
  const auto equals = paths.find('=');
  Json device{{"path", equals == std::string::npos ? paths : paths.substr(equals + 1)}};
  if (equals != std::string::npos) device["source"] = paths.substr(0, equals);
  if (has_access) device["access"] = text.substr(colon + 1);
  return device;
}

void put_mount_value(Json& mount, const std::string& key, const std::string& value) {
  if (key == "read_only" || key == "recursive") mount[key] = yes_no_of("--mount " + key, value);
  else if (key == "size") mount[key] = size_of("--mount size", value);
  else mount[key] = value;
}

struct MountChange {
  std::string name, source, target;
  std::optional<std::string> type, size, propagation;
  bool read_only = false, shallow = false;
};

client::Headers only_if_unchanged(const Json& resource) { return {{"If-Match", "\"" + text(resource, "/revision") + "\""}}; }

// The list is changed as a whole, so the change holds only if nobody else has changed it meanwhile.
int change_mounts(Session& session, const std::string& name, const std::function<void(Json& mounts)>& edit, const std::string& done) {
  const std::string target = client::path_of({"v1", "containers", name});
  const Json resource = session.get(target);
  Json mounts = at(resource, "/spec/mounts").is_array() ? at(resource, "/spec/mounts") : Json::array();
  edit(mounts);
  const auto answer = session.change("PATCH", target, Json{{"mounts", mounts}}, "changing mounts of " + name, only_if_unchanged(resource));
  if (answer) session.show_done("container/" + name, done, answer->body);
  return 0;
}

}  // namespace

Json mount_of(const std::string& text) {
  Json mount = Json::object();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    begin = end + 1;
    if (word == "ro" || word == "read-only") {
      mount["read_only"] = true;
      continue;
    }
    auto [key, value] = pair_of("--mount", word);
    if (key == "src") key = "source";
    if (key == "dst" || key == "destination") key = "target";
    if (key == "read-only") key = "read_only";
    bool known = false;
    for (const char* one : {"type", "source", "target", "read_only", "recursive", "propagation", "size"}) known = known || key == one;
    if (!known) throw UsageError("--mount: unknown key '" + key + "'", "keys: type, source, target, read-only, recursive, propagation, size");
    put_mount_value(mount, key, value);
  }
  if (!mount.contains("target")) throw UsageError("--mount: 'target' is missing", "for example --mount source=/srv/data,target=/mnt");
  return mount;
}

void add_part_options(Command& command, PartOptions& options) {
  command.option("--mount", "KEY=VALUE,…", "source=, target=, type= (bind, tmpfs, volume), size=, propagation=, read-only; may be repeated", options.mounts);
  command.option("--device", "PATH[:rwm]", "a device of the host, also HOST=PATH; may be repeated", options.devices);
  command.option("--restart", "POLICY[:MAX]", "when it ends by itself: no (default), on-failure or always, at most MAX times in a row", options.restart);
  command.option("--cap-add", "CAPABILITY", "give it this too, such as SYS_TIME or ALL; may be repeated", options.cap_add);
  command.option("--cap-drop", "CAPABILITY", "take it away, such as NET_RAW or ALL; may be repeated", options.cap_drop);
  command.option("--seccomp", "PROFILE", "default, or unconfined: every system call", options.seccomp).among({"default", "unconfined"});
  command.option("--privileged", "yes|no", "all capabilities and devices: as powerful as root on the host", options.privileged);
  command.option("--no-new-privileges", "yes|no", "set-id programs inside give nothing", options.no_new_privileges);
}

void put_parts(const PartOptions& options, Json& body) {
  if (options.no_mounts) body["mounts"] = Json::array();
  for (const std::string& mount : options.mounts) body["mounts"].push_back(mount_of(mount));
  if (options.no_devices) body["devices"] = Json::array();
  for (const std::string& device : options.devices) body["devices"].push_back(device_of(device));
  if (options.restart) body["restart"] = restart_of(*options.restart);
  if (!options.cap_add.empty()) body["security"]["capabilities"]["add"] = options.cap_add;
  if (!options.cap_drop.empty()) body["security"]["capabilities"]["drop"] = options.cap_drop;
  if (options.seccomp) body["security"]["seccomp"] = *options.seccomp;
  if (options.privileged) body["security"]["privileged"] = yes_no_of("--privileged", *options.privileged);
  if (options.no_new_privileges) body["security"]["no_new_privileges"] = yes_no_of("--no-new-privileges", *options.no_new_privileges);
}

void make_container_mount(Command& command) {
  auto change = std::make_shared<MountChange>();
  command.positional("NAME", "name of the container", change->name, Names::containers);
  command.positional("SOURCE", "a path of this host, a volume's name with --type volume, or - with --type tmpfs", change->source, Names::files);
  command.positional("TARGET", "where in the container", change->target);
  command.option("--type", "TYPE", "bind (default), volume or tmpfs", change->type).among({"bind", "volume", "tmpfs"});
  command.option("--size", "SIZE", "of a tmpfs, such as 64M", change->size);
  command.option("--propagation", "HOW", "of later mounts below it: private (default), slave or shared", change->propagation).among({"private", "slave", "shared"});
  command.flag("--read-only", "nothing can be written through it", change->read_only);
  command.flag("--shallow", "without what is mounted below the source", change->shallow);
  command.about("At once where the container runs, and at each of its starts.");
  command.example("sovirtctl container mount sodebian /srv/shared /mnt");
  command.runs([change](Session& session) {
    const auto add = [&](Json& mounts) {
      Json mount{{"target", change->target}, {"type", change->type.value_or("bind")}, {"read_only", change->read_only}};
      if (change->source != "-") mount["source"] = change->source;
      if (change->size) mount["size"] = size_of("--size", *change->size);
      if (change->propagation) mount["propagation"] = *change->propagation;
      if (change->shallow) mount["recursive"] = false;
      mounts.push_back(std::move(mount));
    };
    return change_mounts(session, change->name, add, "has " + change->target);
  });
}

void make_container_unmount(Command& command) {
  auto change = std::make_shared<MountChange>();
  command.alias("umount");
  command.positional("NAME", "name of the container", change->name, Names::containers);
  command.positional("TARGET", "where it is mounted in the container", change->target);
  command.example("sovirtctl container unmount sodebian /mnt");
  command.runs([change](Session& session) {
    const auto remove = [&](Json& mounts) {
      const std::size_t before = mounts.size();
      Json kept = Json::array();
      for (const Json& mount : mounts)
        if (text(mount, "/target") != change->target) kept.push_back(mount);
      mounts = std::move(kept);
      if (mounts.size() == before)
        throw Error(Code::not_found, "container/" + change->name + " has no mount at " + change->target)
            .with_hint("'sovirtctl container show " + change->name + " -o yaml' lists them");
    };
    return change_mounts(session, change->name, remove, "has " + change->target + " no more");
  });
}

}  // namespace sovirt::ctl
