#include "daemon/domain/bridges.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

Cidr cidr(const Json& args) { return Cidr::parse(text(args, "address")).value(); }

LinkChange read_change(const Json& to) {
  LinkChange change;
  if (to.contains("mtu")) change.mtu = to.at("mtu").get<unsigned>();
  if (to.contains("mac")) change.mac = Mac::parse(text(to, "mac"));
  if (to.contains("stp")) change.stp = to.at("stp").get<bool>();
  if (to.contains("up")) change.up = to.at("up").get<bool>();
  return change;
}

Action create_bridge(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) {
            network.create_bridge({text(args, "name"), text(args, "uid"), Mac::parse(text(args, "mac")),
                                   args.at("mtu").get<unsigned>(), args.at("stp").get<bool>()});
          },
          [&network](const Json& args, Scratch&) { network.delete_link(text(args, "name"), text(args, "uid")); }};
}

Action delete_bridge(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) { network.delete_link(text(args, "name"), text(args, "uid")); },
          [](const Json&, Scratch&) {}};
}

// Undo must not touch a link that is gone or became somebody else's.
bool still_ours(NetworkKernel& network, const std::string& name, const std::string& uid) {
  const auto link = network.find_link(name);
  return link && link->mark == uid;
}

Action change_link(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) { network.change_link(text(args, "name"), read_change(args.at("to"))); },
          [&network](const Json& args, Scratch&) {
            if (still_ours(network, text(args, "name"), text(args, "uid")))
              network.change_link(text(args, "name"), read_change(args.at("from")));
          }};
}

Action add_address(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) { network.add_address(text(args, "link"), cidr(args)); },
          [&network](const Json& args, Scratch&) {
            if (network.find_link(text(args, "link"))) network.remove_address(text(args, "link"), cidr(args));
          }};
}

Action remove_address(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) { network.remove_address(text(args, "link"), cidr(args)); },
          [&network](const Json& args, Scratch&) {
            if (network.find_link(text(args, "link"))) network.add_address(text(args, "link"), cidr(args));
          }};
}

void isolate(NetworkKernel& network, const std::string& port, bool isolated) {
  LinkChange change;
  change.isolated = isolated;
  network.change_link(port, change);
}

Action isolate_port(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) { isolate(network, text(args, "name"), args.at("isolated").get<bool>()); },
          [&network](const Json& args, Scratch&) {
            if (still_ours(network, text(args, "name"), text(args, "uid"))) isolate(network, text(args, "name"), !args.at("isolated").get<bool>());
          }};
}

Action attach_port(NetworkKernel& network) {
  return {[&network](const Json& args, Scratch&) {
            const auto bridge = network.find_link(text(args, "bridge"));
            if (!bridge) throw Error{Code::conflict, "bridge " + text(args, "bridge") + " is gone"};
            LinkChange change;
            change.master = bridge->ifindex;
            change.up = true;
            network.change_link(text(args, "host_name"), change);
            isolate(network, text(args, "host_name"), args.value("isolated", false));
          },
          [](const Json&, Scratch&) {}};  // being a port of its bridge is what the spec asks: nothing to go back to
}

}  // namespace

ActionTable Bridges::actions() {
  ActionTable table{{"bridge.create", create_bridge(network_)}, {"bridge.delete", delete_bridge(network_)},
          {"link.change", change_link(network_)},     {"address.add", add_address(network_)},
          {"address.remove", remove_address(network_)}, {"port.attach", attach_port(network_)},
          {"port.isolate", isolate_port(network_)}};
  table.merge(uplinks_.actions());
  return table;
}

}  // namespace sovirt
