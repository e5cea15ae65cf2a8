#include <algorithm>

#include "daemon/domain/container_nics.hpp"
#include "daemon/domain/end_state.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

RouteSpec default_route(const Json& args, const Json& gateway) {
  RouteSpec route;
  route.via = IpAddress::parse(gateway.get<std::string>());
  route.dev = text(args, "name");
  return route;
}

}  // namespace

unique_fd ContainerNics::place_of(const Json& args) const {
  const std::string netns = text(args, "netns");
  return netns.empty() ? unique_fd{} : namespaces_.open(catalog_.need(Kind::netns, netns)->resource);
}

unique_fd ContainerNics::inside_of(const Json& args) const {
  try {
    return kernel_.network.open_netns(args.at("pid").get<pid_t>());
  } catch (const Error& error) {
    if (error.code() == Code::not_found) return {};
    throw;
  }
}

void ContainerNics::plug(const Json& args, int netns) const {
  if (text(args, "bridge").empty()) connect(args, netns);
  else kernel_.network.plug(read_nic_args(args, netns));
  if (args.value("egress", std::uint64_t{0}) != 0 || args.value("ingress", std::uint64_t{0}) != 0) shape(args, netns);
}

// Onto no bridge: a pair with its outer end in a namespace, or on the host, where it stays down.
void ContainerNics::connect(const Json& args, int netns) const {
  const unique_fd place = place_of(args);
  const LinkEnd outer{place.get(), nic_mark(args)}, inner{netns, nic_mark(args)};
  NicPlug wanted = read_nic_args(args, netns);
  EndState outside, inside;
  outside.name = text(args, "outer_name");
  outside.mac = Mac::derived(wanted.host_name);
  outside.mtu = inside.mtu = wanted.mtu;
  outside.up = place.get() >= 0;
  for (const Json& one : args.at("outer_addresses")) outside.addresses.push_back(Cidr::parse(one.get<std::string>()).value());
  inside.name = wanted.name;
  inside.mac = wanted.mac;
  inside.addresses = wanted.addresses;
  auto& ends = kernel_.netns.ends;
  if (ends.find(outer) && !ends.find(inner)) ends.remove(outer);   // of a container that is dying
  ends.make_pair(outer, outside, inner, inside);
  try {
    ends.configure(outer, outside);
    ends.configure(inner, inside);
    if (wanted.gateway) kernel_.netns.inside.add_route(netns, default_route(args, args.at("gateway")));
  } catch (const Error&) {
    ends.remove(outer);
    throw;
  }
}

void ContainerNics::shape(const Json& args, int netns) const {
  const unique_fd place = place_of(args);
  const auto limit = [&](const LinkEnd& end, const char* rate) {
    auto found = kernel_.netns.ends.find(end);
    if (!found) throw Error{Code::conflict, "an end of " + text(args, "name") + " is gone"};
    found->state.egress = args.at(rate).get<std::uint64_t>();
    kernel_.netns.ends.configure(end, found->state);
  };
  limit({netns, nic_mark(args)}, "egress");
  limit({place.get(), nic_mark(args)}, "ingress");
}

void ContainerNics::unplug(const Json& args) const noexcept {
  try {
    if (text(args, "netns").empty()) kernel_.network.delete_link(text(args, "host_name"), text(args, "uid"));
    kernel_.netns.ends.remove({place_of(args).get(), nic_mark(args)});
  } catch (const std::exception&) {
    // The namespace of its other end is gone, and took it along.
  }
}

// The end is found before it is changed: what has gone meanwhile has nothing to be undone.
void ContainerNics::set_end(const Json& args, bool inside, const Json& state) const {
  const unique_fd netns = inside ? inside_of(args) : place_of(args);
  if (inside && !netns) return;
  const LinkEnd end{netns.get(), nic_mark(args)};
  if (!kernel_.netns.ends.find(end)) return;
  kernel_.netns.ends.configure(end, read_end_state(state));
  if (!state.contains("isolated") || !state.at("isolated").is_boolean() || text(state, "bridge").empty()) return;
  LinkChange change;
  change.isolated = state.at("isolated").get<bool>();
  kernel_.network.change_link(text(args, "host_name"), change);
}

void ContainerNics::set_route(const Json& args, const Json& from, const Json& to) const {
  const unique_fd netns = inside_of(args);
  if (!netns) return;
  if (!from.is_null()) kernel_.netns.inside.remove_route(netns.get(), default_route(args, from));
  if (!to.is_null()) kernel_.netns.inside.add_route(netns.get(), default_route(args, to));
}

ActionTable ContainerNics::actions() {
  const auto plug_into = [this](const Json& args, Scratch&) {
    if (const unique_fd netns = inside_of(args)) plug(args, netns.get());
    if (notice_) notice_->look_at(text(args, "uid"));
  };
  const auto unplug_it = [this](const Json& args, Scratch&) { unplug(args); };
  const auto end = [this](const char* which) {
    return [this, which](const Json& args, Scratch&) { set_end(args, args.at("inside").get<bool>(), args.at(which)); };
  };
  const auto route = [this](const char* from, const char* to) {
    return [this, from, to](const Json& args, Scratch&) { set_route(args, args.at(from), args.at(to)); };
  };
  return {{"nic.plug", {plug_into, unplug_it}},
          {"nic.unplug", {unplug_it, plug_into}},
          {"nic.replug", {plug_into, unplug_it}},
          {"nic.change", {end("to"), end("from")}},
          {"nic.route", {route("from", "to"), route("to", "from")}}};
}

std::shared_ptr<void> ContainerNics::watch(Notice& notice) {
  notice_ = &notice;
  auto watches = std::make_shared<std::vector<std::shared_ptr<void>>>();
  watches->push_back(kernel_.netns.watch.listen([this, &notice](const std::string& key, const LinkEvent& event, bool lost) {
    std::string uid;
    {
      const std::lock_guard lock(mutex_);
      if (lost && key == "host") {
        for (const auto& [container, pid] : followed_) notice.look_at(container);
        return;
      }
      uid = holders_.heard(key, event);
      if (uid.empty() && followed_.count(key) != 0) uid = key;
    }
    if (!uid.empty()) notice.look_at(uid);
  }));
  for (const EntryPtr& container : catalog_.all(Kind::container))
    if (container->runtime.alive()) started(container->resource.uid);
  return watches;
}

void ContainerNics::started(const std::string& uid) const {
  if (notice_) notice_->look_at(uid);
}

// Not at the start itself, which is to be short, but with the first look behind it.
void ContainerNics::follow(const std::string& uid, pid_t init, int netns) const {
  {
    const std::lock_guard lock(mutex_);
    const auto known = followed_.find(uid);
    if (known != followed_.end() && known->second == init) return;
    followed_[uid] = init;
  }
  kernel_.netns.watch.follow(uid, netns);
}

void ContainerNics::forget(const std::string& uid) const {
  holders_.forget(uid);
  {
    const std::lock_guard lock(mutex_);
    if (followed_.erase(uid) == 0) return;
  }
  kernel_.netns.watch.forget(uid);
  for (const char* condition : {"Ready", "Drifted", "Contested"}) catalog_.clear_condition(uid, condition);
}

}  // namespace sovirt
