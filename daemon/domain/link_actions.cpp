#include <algorithm>

#include "daemon/base/failpoint.hpp"
#include "daemon/domain/end_state.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/link_rules.hpp"
#include "daemon/domain/step_args.hpp"

namespace sovirt {
namespace {

// A link as the args of a step hold it.
Resource link_of(const Json& args) {
  Resource link;
  link.kind = Kind::link;
  link.name = text(args, "name");
  link.uid = text(args, "uid");
  link.spec = args.at("spec");
  link.facts = args.at("facts");
  return link;
}

EndpointSpec read_endpoint_place(const Json& json) {
  EndpointSpec end;
  for (const Place place : {Place::netns, Place::bridge, Place::container})
    if (const std::string key{place_text(place)}; json.contains(key)) {
      end.place = place;
      end.of = text(json, key.c_str());
    }
  return end;
}

// In the namespace where ends wait, names of different containers' interfaces meet.
std::string parked_name(const std::string& uid, std::size_t index) { return "p" + std::string{uid_random(uid)} + std::to_string(index); }

}  // namespace

void LinkRules::make(const Resource& link) const {
  const LinkSpec spec = read_link_spec(link.spec);
  std::vector<Where> places;
  std::vector<EndState> states;
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    places.push_back(where(spec.endpoints[i], true));
    states.push_back(wanted_state(link, spec, i));
    if (places[i].parked) states[i].name = parked_name(link.uid, i);
  }
  if (spec.endpoints.size() == 2)
    ports_.ends.make_pair(places[0].end(link.uid, 0), states[0], places[1].end(link.uid, 1), states[1]);
  else
    ports_.ends.make_single(places[0].end(link.uid, 0), states[0], spec);
  for (std::size_t i = 0; i < places.size(); ++i)
    if (const auto made = ports_.ends.find(places[i].end(link.uid, i))) holders_.remember(places[i].key, made->ifindex, link.uid);
}

// Wherever an end of it can be: a place that is gone has taken its end along.
void LinkRules::unmake(const Resource& link) const {
  const LinkSpec spec = read_link_spec(link.spec);
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    try {
      ports_.ends.remove(where(spec.endpoints[i], false).end(link.uid, i));
    } catch (const Error& error) {
      if (error.code() != Code::conflict && error.code() != Code::not_found) throw;
    }
    if (spec.endpoints[i].place == Place::container) ports_.ends.remove(parking().end(link.uid, i));
  }
}

void LinkRules::configure(const Json& args, const char* to) const {
  const auto index = args.at("end").get<std::size_t>();
  const Where place = where(read_endpoint_place(args.at("endpoint")), true);
  if (place.parked) return;   // its container has ended meanwhile
  const LinkEnd end = place.end(text(args, "uid"), index);
  ports_.ends.configure(end, read_end_state(args.at(to)));
}

ActionTable LinkRules::actions() {
  ActionTable table;
  const auto nothing = [](const Json&, Scratch&) {};
  table["link.create"] = {[this](const Json& args, Scratch&) { make(link_of(args)); },
                          [this](const Json& args, Scratch&) { unmake(link_of(args)); }};
  table["link.remove"] = {[this](const Json& args, Scratch&) { unmake(link_of(args)); },
                          [this](const Json& args, Scratch&) {
                            const Resource link = link_of(args);
                            make(link);
                            const LinkSpec spec = read_link_spec(link.spec);
                            for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
                              const Where place = where(spec.endpoints[i], true);
                              if (!place.parked) ports_.ends.configure(place.end(link.uid, i), wanted_state(link, spec, i));
                            }
                          }};
  table["link.configure"] = {[this](const Json& args, Scratch&) { configure(args, "to"); },
                             [this](const Json& args, Scratch&) {
                               const Where place = where(read_endpoint_place(args.at("endpoint")), false);
                               if (ports_.ends.find(place.end(text(args, "uid"), args.at("end").get<std::size_t>()))) configure(args, "from");
                             }};
  table["link.move"] = {[this](const Json& args, Scratch&) {
                          const Where to = where(read_endpoint_place(args.at("endpoint")), true);
                          const auto index = args.at("end").get<std::size_t>();
                          if (!to.parked) ports_.ends.move(parking().end(text(args, "uid"), index), to.netns.get(), text(args, "to"));
                        },
                        nothing};
  return table;
}

template <class Visit>
void LinkRules::for_each_end_in(const std::string& container_uid, Visit visit) const {
  const EntryPtr container = catalog_.find_uid(container_uid);
  if (!container) return;
  for (const EntryPtr& entry : catalog_.dependents(container_uid)) {
    if (entry->resource.kind != Kind::link) continue;
    const LinkSpec spec = read_link_spec(entry->resource.spec);
    for (std::size_t i = 0; i < spec.endpoints.size(); ++i)
      if (spec.endpoints[i].place == Place::container && spec.endpoints[i].of == container->resource.name) visit(entry->resource, i);
  }
}

void LinkRules::enter(const std::string& container_uid, int netns) {
  bool any = false;
  for_each_end_in(container_uid, [&](const Resource&, std::size_t) { any = true; });
  if (!any) return;
  ports_.kept.keep(container_uid, netns);
  ports_.watch.follow(container_uid, netns);
  for_each_end_in(container_uid, [&](const Resource& link, std::size_t index) { move_in(link, index, netns); });
}

void LinkRules::move_in(const Resource& link, std::size_t index, int netns) {
  const LinkSpec spec = read_link_spec(link.spec);
  const EndState wanted = wanted_state(link, spec, index);
  const Where waiting = parking();
  const LinkEnd parked = waiting.end(link.uid, index);
  if (!ports_.ends.find(parked)) {   // it is damaged: made again as soon as somebody looks
    if (notice_) notice_->look_at(link.uid);
    return;
  }
  ports_.ends.move(parked, netns, wanted.name);
  const LinkEnd inside{netns, parked.mark};
  ports_.ends.configure(inside, wanted);
  const EntryPtr container = catalog_.find(Kind::container, spec.endpoints[index].of);
  const auto found = ports_.ends.find(inside);
  if (found && container) holders_.remember(container->resource.uid, found->ifindex, link.uid);
}

void LinkRules::leave(const std::string& container_uid) {
  const unique_fd netns = ports_.kept.kept(container_uid);
  if (!netns) return;
  ports_.watch.forget(container_uid);
  for_each_end_in(container_uid, [&](const Resource& link, std::size_t index) {
    const LinkEnd inside{netns.get(), link.uid + ":" + std::to_string(index)};
    if (!ports_.ends.find(inside)) return;
    ports_.ends.move(inside, ports_.kept.parking().get(), parked_name(link.uid, index));
  });
  failpoint::reach("link.leave:parked");
  ports_.kept.let_go(container_uid);
}

std::shared_ptr<void> LinkRules::watch(Notice& notice) {
  notice_ = &notice;
  ports_.watch.follow("host", -1);
  for (const std::string& key : ports_.kept.keys())
    if (const unique_fd netns = ports_.kept.kept(key)) ports_.watch.follow(key, netns.get());
  return ports_.watch.listen([this, &notice](const std::string& key, const LinkEvent& event, bool lost) { heard(notice, key, event, lost); });
}

void LinkRules::heard(Notice& notice, const std::string& key, const LinkEvent& event, bool lost) const {
  if (lost) return notice.look_at_all(Kind::link);
  if (key.empty() || event.ifindex == 0) return;
  if (const std::string uid = holders_.heard(key, event); !uid.empty()) notice.look_at(uid);
}

// After a crash: ends and namespaces of containers that ended meanwhile, and of links that nobody knows.
void LinkRules::collect_orphans(std::string_view instance) {
  for (const std::string& key : ports_.kept.keys()) {
    const EntryPtr container = catalog_.find_uid(key);
    if (!container || !container->runtime.alive()) leave(key);
  }
  const unique_fd parking_place = ports_.kept.parking();
  for (const Interface& one : ports_.inside.interfaces(parking_place.get())) {
    if (!uid_is_of(one.link.mark, instance) || catalog_.find_uid(one.link.mark)) continue;
    for (const std::size_t index : {0, 1}) ports_.ends.remove({parking_place.get(), one.link.mark + ":" + std::to_string(index)});
  }
}

Json LinkRules::end_status(const Resource& link, const LinkSpec& spec, std::size_t index, const Observed& observed) const {
  const EndpointSpec& end = spec.endpoints[index];
  const EndState wanted = wanted_state(link, spec, index);
  Json shown{{std::string{place_text(end.place)}, end.place == Place::host ? Json(true) : Json(end.of)},
             {"name", wanted.name}, {"ifindex", nullptr}, {"mac", wanted.mac.text()}, {"mtu", nullptr}, {"up", false},
             {"carrier", false}, {"addresses", Json::array()}, {"parked", observed.where.parked || observed.elsewhere},
             {"rate", {{"egress", nullptr}}}};
  if (!observed.found) return shown;
  const FoundEnd& found = *observed.found;
  shown["ifindex"] = found.ifindex;
  shown["mac"] = found.state.mac.text();
  shown["mtu"] = found.state.mtu;
  shown["up"] = found.state.up;
  shown["carrier"] = found.carrier;
  for (const Cidr& cidr : found.state.addresses) shown["addresses"].push_back(cidr.text());
  if (found.state.egress != 0) shown["rate"]["egress"] = found.state.egress;
  return shown;
}

Json LinkRules::status(const Entry& entry) const {
  const LinkSpec spec = read_link_spec(entry.resource.spec);
  Json ends = Json::array();
  std::string state = "ready";
  for (std::size_t i = 0; i < spec.endpoints.size(); ++i) {
    Observed observed;
    try {
      observed = observe(entry.resource, spec.endpoints[i], i);
    } catch (const Error&) {
      observed = {};   // what it ends in is not there
    }
    if (!observed.found) state = "absent";
    else if (observed.where.parked && state == "ready") state = "parked";
    ends.push_back(end_status(entry.resource, spec, i, observed));
  }
  return {{"state", state}, {"type", link_type_text(spec.type)}, {"endpoints", std::move(ends)}};
}

}  // namespace sovirt
