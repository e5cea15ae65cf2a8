#include "client/ctl/container_spec.hpp"

#include <nlohmann/json.hpp>

#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

Json environment(const ContainerOptions& options) {
  Json env = Json::object();
  for (const std::string& word : options.env) {
    auto [key, value] = pair_of("--env", word);
    env[key] = value;
  }
  for (const std::string& key : options.remove_env) env[key] = nullptr;
  return env;
}

void put_text(Json& body, const char* key, const std::optional<std::string>& value) {
  if (value) body[key] = *value;
}

}  // namespace

Json container_changes(const ContainerOptions& options) {
  Json body = Json::object();
  put_text(body, "image", options.image);
  put_text(body, "hostname", options.hostname);
  put_text(body, "isolation", options.isolation);
  put_text(body, "cwd", options.cwd);
  put_text(body, "user", options.user);
  put_text(body, "autostart", options.autostart);
  if (options.boot_priority) body["boot_priority"] = integer_of("--boot-priority", *options.boot_priority);
  if (options.boot_delay) body["boot_delay"] = seconds_of("--boot-delay", *options.boot_delay);
  if (options.stop_timeout) body["stop_timeout"] = seconds_of("--stop-timeout", *options.stop_timeout);
  if (!options.command.empty()) body["command"] = options.command;
  if (options.no_nics) body["nics"] = Json::array();
  for (const std::string& nic : options.nics) body["nics"].push_back(nic_of(nic));
  if (Json env = environment(options); !env.empty()) body["env"] = std::move(env);
  put_parts(options.parts, body);
  if (Json all = limits_of(options); !all.empty()) body["limits"] = std::move(all);
  if (!options.labels.empty()) body["labels"] = label_changes(options.labels);
  return body;
}

Json container_body(const ContainerOptions& options) {
  Json body = container_changes(options);
  if (!options.labels.empty()) body["labels"] = labels_of(options.labels);
  return body;
}

void add_container_spec_options(Command& command, ContainerOptions& options) {
  command.option("--nic", "KEY=VALUE,…", "a network interface: bridge= (or netns=, none=yes), name=, mac=, address= (or auto), gateway=, mtu=, dhcp=yes, egress=, ingress=, publish=HOSTPORT:PORT/tcp, peer=, peer-address=; may be repeated, as may the addresses and publish= in it", options.nics);
  command.option("--hostname", "NAME", "host name inside (default: the container's name)", options.hostname);
  command.option("-e,--env", "KEY=VALUE", "an environment variable; may be repeated", options.env);
  command.option("--cwd", "DIR", "working directory (default /)", options.cwd);
  command.option("--user", "UID:GID", "who the command runs as (default 0:0)", options.user);
  add_limit_options(command, options);
  add_part_options(command, options.parts);
  command.option("--autostart", "WHEN", "start with the host: never, always or last-state (default never)", options.autostart)
      .among({"never", "always", "last-state"});
  command.option("--boot-priority", "NUMBER", "lower starts earlier, -1000 to 1000 (default 0)", options.boot_priority);
  command.option("--boot-delay", "TIME", "wait after its start before later priorities (default 0)", options.boot_delay);
  command.option("--stop-timeout", "TIME", "how long a stop waits before it kills (default 10s)", options.stop_timeout);
}

}  // namespace sovirt::ctl
