#include "daemon/domain/netns_rules.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

// A step works on the namespace that carries our mark, never on another that has got its name meanwhile.
unique_fd ours(NamespacePins& pins, const Json& args) {
  const auto pin = pins.find(text(args, "name"));
  return pin && pin->mark == text(args, "uid") ? pins.open(pin->name) : unique_fd{};
}

unique_fd need(NamespacePins& pins, const Json& args) {
  unique_fd netns = ours(pins, args);
  if (!netns) throw Error{Code::conflict, "network namespace " + text(args, "name") + " is gone"};
  return netns;
}

}  // namespace

Action NetnsRules::create_action() {
  return {[this](const Json& args, Scratch&) {
            unique_fd before;
            {
              const std::lock_guard lock(mutex_);
              if (const auto held = held_.find(text(args, "uid")); held != held_.end()) before = held->second.netns.duplicate();
            }
            if (before) ports_.pins.pin(text(args, "name"), before.get());
            else ports_.pins.create(text(args, "name"), text(args, "uid"));
            hold(text(args, "uid"), text(args, "name"));
          },
          [this](const Json& args, Scratch&) {
            let_go(text(args, "uid"));
            ports_.pins.remove(text(args, "name"), text(args, "uid"));
          }};
}

Action NetnsRules::sysctl_action() {
  const auto set = [this](const Json& args, const char* value) {
    const unique_fd netns = ours(ports_.pins, args);
    if (netns) ports_.inside.set_sysctl(netns.get(), text(args, "key"), text(args, value));
  };
  return {[this, set](const Json& args, Scratch&) {
            need(ports_.pins, args);
            try {
              set(args, "to");
            } catch (const Error& error) {
              if (error.code() != Code::invalid) throw;
              throw Error{Code::invalid, error.detail()}.with_fields({{"/sysctls/" + text(args, "key"), "refused", error.detail()}}).with_hint(error.hint());
            }
          },
          [set](const Json& args, Scratch&) { set(args, "from"); }};
}

Action NetnsRules::route_action(bool add) {
  const auto change = [this](const Json& args, bool there) {
    const unique_fd netns = ours(ports_.pins, args);
    if (!netns) return;
    const RouteSpec route = read_route(args.at("route"));
    if (there) ports_.inside.add_route(netns.get(), route);
    else ports_.inside.remove_route(netns.get(), route);
  };
  return {[change, add](const Json& args, Scratch&) { change(args, add); },
          [change, add](const Json& args, Scratch&) { change(args, !add); }};
}

ActionTable NetnsRules::actions() {
  ActionTable table;
  table["netns.create"] = create_action();
  table["netns.adopt"] = {[this](const Json& args, Scratch&) {
                            ports_.pins.adopt(text(args, "name"), text(args, "uid"));
                            hold(text(args, "uid"), text(args, "name"));
                          },
                          [this](const Json& args, Scratch&) {
                            let_go(text(args, "uid"));
                            ports_.pins.release(text(args, "name"), text(args, "uid"));
                          }};
  table["netns.delete"] = {[this](const Json& args, Scratch&) {
                             let_go(text(args, "uid"));
                             ports_.pins.remove(text(args, "name"), text(args, "uid"));
                           },
                           [](const Json&, Scratch&) {}};
  table["netns.sysctl"] = sysctl_action();
  table["route.add"] = route_action(true);
  table["route.remove"] = route_action(false);
  return table;
}

}  // namespace sovirt
