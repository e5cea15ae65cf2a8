#include "daemon/domain/probes.hpp"

#include <algorithm>
#include <cerrno>

#include "daemon/domain/probe_spots.hpp"

namespace sovirt {
namespace {

constexpr int most_hops = 16;

struct Blocked {
  const char* code;
  std::string where, detail;
};
using Verdict = std::optional<Blocked>;

class Diagnosis {
 public:
  Diagnosis(const ProbeRequest& request, const ProbeAnswer& answer, std::vector<Spot> spots, const KernelPorts& kernel)
      : request_(request), answer_(answer), spots_(std::move(spots)), kernel_(kernel) {}

  Blocked find(const Spot& from) {
    if (const Verdict blocked = follow(from)) return *blocked;
    return {"no-answer", from.where, request_.to.text() + " does not answer, and nothing that is known here stands in the way"};
  }

 private:
  Verdict follow(const Spot& from) {
    const Spot* here = &from;
    std::string in;
    for (int hop = 0; hop < most_hops; ++hop) {
      const ProbeRoute route = kernel_.netns.prober.route_to(here->netns.get(), request_.to);
      if (hop == 0) source_ = route.source;
      if (route.error != 0) return no_route(*here, request_.to);
      if (route.local) return arrive(*here, in, from);
      if (const Verdict blocked = leave(*here, route, hop == 0 ? "output" : "forward", in)) return blocked;
      const IpAddress next = route.via.value_or(request_.to);
      const Spot* there = holder(next, *here);
      if (there == nullptr) return nobody(*here, route.dev, next);
      if (const Verdict blocked = enter(*there, next)) return blocked;
      in = there->holding(next)->link.name;
      if (next != request_.to && !there->holding(request_.to))
        if (const Verdict blocked = forwards(*there)) return blocked;
      here = there;
    }
    return Blocked{"no-route", here->where, "the routes to " + request_.to.text() + " go round in a circle"};
  }

  const Spot* holder(const IpAddress& address, const Spot& but) const {
    for (const Spot& spot : spots_)
      if (&spot != &but && spot.where != but.where && spot.holding(address)) return &spot;
    return nullptr;
  }

  // Somebody whose interface is on the same segment as that one.
  std::vector<std::pair<const Spot*, const Interface*>> neighbours(const Spot& here, const std::string& dev) const {
    std::vector<std::pair<const Spot*, const Interface*>> found;
    std::string segment;
    for (std::size_t i = 0; i < here.interfaces.size(); ++i)
      if (here.interfaces[i].link.name == dev) segment = here.segments[i];
    if (segment.empty()) return found;
    for (const Spot& spot : spots_)
      for (std::size_t i = 0; i < spot.interfaces.size(); ++i)
        if (spot.segments[i] == segment && !(spot.where == here.where && spot.interfaces[i].link.name == dev) && spot.interfaces[i].link.master == 0)
          found.emplace_back(&spot, &spot.interfaces[i]);
    return found;
  }

  Verdict leave(const Spot& here, const ProbeRoute& route, const char* hook, const std::string& in) {
    const Interface* one = here.named(route.dev);
    if (one && !one->link.up) return Blocked{"link-down", here.where, route.dev + " is down"};
    if (one && !one->link.carrier) {
      for (const auto& [spot, other] : neighbours(here, route.dev))
        if (!other->link.up) return Blocked{"link-down", spot->where, other->link.name + ", the other end of " + route.dev + ", is down"};
      return Blocked{"link-down", here.where, route.dev + " has no carrier"};
    }
    return firewall(here, hook, packet(in, route.dev, false));
  }

  Verdict enter(const Spot& there, const IpAddress& address) {
    const Interface& one = *there.holding(address);
    if (!one.link.up) return Blocked{"link-down", there.where, one.link.name + ", which has " + address.text() + ", is down"};
    return source_ && !address.is_v6() ? reverse_path(there, one.link.name) : std::nullopt;
  }

  // Does the kernel take a packet with this source on that interface? ip-sysctl.rst: the larger of the two settings counts.
  Verdict reverse_path(const Spot& there, const std::string& in) {
    const auto setting = [&](const std::string& of) {
      const auto value = kernel_.netns.inside.sysctl(there.netns.get(), "net.ipv4.conf." + of + ".rp_filter");
      return value && value->size() == 1 ? value->front() - '0' : 0;
    };
    const int filter = std::max(setting("all"), in.find('.') == in.npos ? setting(in) : 0);
    if (filter == 0) return std::nullopt;
    const ProbeRoute back = kernel_.netns.prober.route_to(there.netns.get(), *source_);
    const bool loose = filter == 2;
    if (back.error != 0 ? false : loose || back.dev == in) return std::nullopt;
    if (back.error != 0 && !loose && subnet_mismatch(there, in)) return std::nullopt;   // said better below
    return Blocked{"rp-filter", there.where,
                   "net.ipv4.conf." + in + ".rp_filter is " + std::to_string(filter) + " there, and the way back to " + source_->text() +
                       (back.error != 0 ? " is not known" : " goes by " + back.dev)};
  }

  bool subnet_mismatch(const Spot& there, const std::string& in) const {
    const Interface* one = there.named(in);
    if (!one) return false;
    for (const Cidr& cidr : one->link.addresses)
      if (cidr.contains(*source_)) return false;
    return true;
  }

  Verdict forwards(const Spot& router) {
    const bool v6 = request_.to.is_v6();
    const std::string key = v6 ? "net.ipv6.conf.all.forwarding" : "net.ipv4.ip_forward";
    if (kernel_.netns.inside.sysctl(router.netns.get(), key) == "0") return Blocked{"forwarding-off", router.where, key + " is 0"};
    return std::nullopt;
  }

  Verdict arrive(const Spot& there, const std::string& in, const Spot& from) {
    const Interface* own = there.holding(request_.to);
    if (&there != &from && there.where != from.where) {
      if (const Verdict blocked = firewall(there, "input", packet(in, "", false))) return blocked;
      if (const Verdict blocked = way_back(there, in, from)) return blocked;
    } else if (const Verdict blocked = firewall(there, "input", packet("lo", "", false))) {
      return blocked;
    }
    if (request_.tcp && !listens(there))
      return Blocked{"no-listener", there.where, "nobody listens on " + request_.to.text() + " port " + std::to_string(request_.port)};
    if (own && !own->link.up) return Blocked{"link-down", there.where, own->link.name + " is down"};
    return std::nullopt;
  }

  Verdict way_back(const Spot& there, const std::string& in, const Spot& from) {
    if (!source_) return std::nullopt;
    const ProbeRoute back = kernel_.netns.prober.route_to(there.netns.get(), *source_);
    if (back.error != 0) {
      const bool direct = from.named(kernel_.netns.prober.route_to(from.netns.get(), request_.to).dev) && !kernel_.netns.prober.route_to(from.netns.get(), request_.to).via;
      if (direct && subnet_mismatch(there, in))
        return Blocked{"other-subnet", there.where, source_->text() + " is in no subnet of " + addresses_of(there, in) + ": there is no way back"};
      return Blocked{"no-route", there.where, "no route back to " + source_->text()};
    }
    if (const Verdict blocked = firewall(there, "output", packet("", back.dev, true))) return blocked;
    const Interface* home = from.holding(*source_);
    return firewall(from, "input", packet(home ? home->link.name : "", "", true));
  }

  bool listens(const Spot& there) const {
    const std::string port = ":" + std::to_string(request_.port);
    for (const SocketState& one : kernel_.netns.inside.sockets(there.netns.get())) {
      if (one.state != "listen" || !one.local.ends_with(port)) continue;
      const std::string host = one.local.substr(0, one.local.size() - port.size());
      if (host == "0.0.0.0" || host == "[::]" || host == request_.to.text() || host == "[" + request_.to.text() + "]") return true;
    }
    return false;
  }

  // Nobody that is known has the address, though the way to it begins at an interface.
  Verdict nobody(const Spot& here, const std::string& dev, const IpAddress& address) {
    const auto others = neighbours(here, dev);
    if (others.empty()) return std::nullopt;   // it may be outside
    for (const auto& [spot, other] : others)
      if (!other->link.up) return Blocked{"link-down", spot->where, other->link.name + " is down"};
    for (const auto& [spot, other] : others)
      if (!has_address(*other, address.is_v6())) return Blocked{"no-address", spot->where, other->link.name + " has no address"};
    const auto& [spot, other] = others.front();
    bool shared = false;
    for (const Cidr& cidr : other->link.addresses) shared = shared || cidr.contains(address);
    if (others.size() == 1 && !shared)
      return Blocked{"other-subnet", spot->where, other->link.name + " has " + addresses_of(*spot, other->link.name) + ", another subnet than " + address.text()};
    return Blocked{"no-address", spot->where, "nobody on the segment of " + dev + " has " + address.text()};
  }

  Verdict no_route(const Spot& here, const IpAddress& to) {
    bool any_address = false, any_down = false, any = false;
    for (const Interface& one : here.interfaces) {
      if (one.link.name == "lo") continue;
      any = true;
      for (const Cidr& cidr : one.link.addresses)
        if (!one.link.up && cidr.contains(to)) return Blocked{"link-down", here.where, one.link.name + ", the way to " + to.text() + ", is down"};
      any_address = any_address || (one.link.up && has_address(one, to.is_v6()));
      any_down = any_down || !one.link.up;
    }
    if (any && !any_address)
      return any_down ? Blocked{"link-down", here.where, "no interface is up"} : Blocked{"no-address", here.where, "no interface has an address"};
    if (const Spot* there = holder(to, here))
      for (const Interface& one : here.interfaces)
        for (const auto& [spot, other] : neighbours(here, one.link.name))
          if (spot == there && other == there->holding(to))
            return Blocked{"other-subnet", here.where, to.text() + " is beyond " + one.link.name + ", but not in its subnet (" + addresses_of(here, one.link.name) + ")"};
    return Blocked{"no-route", here.where, "no route to " + to.text()};
  }

  static std::string addresses_of(const Spot& spot, const std::string& name) {
    std::string out;
    if (const Interface* one = spot.named(name))
      for (const Cidr& cidr : one->link.addresses) out += (out.empty() ? "" : ", ") + cidr.text();
    return out;
  }

  ProbePacket packet(const std::string& in, const std::string& out, bool reply) const {
    ProbePacket made;
    made.from = reply ? std::optional{request_.to} : source_;
    made.to = reply && source_ ? *source_ : request_.to;
    (reply ? made.from_port : made.to_port) = request_.port;
    made.tcp = request_.tcp;
    made.reply = reply;
    made.in = in;
    made.out = out;
    return made;
  }

  Verdict firewall(const Spot& spot, const char* hook, const ProbePacket& what) {
    const auto drop = kernel_.netns.prober.dropped_by(spot.netns.get(), hook, what);
    if (!drop) return std::nullopt;
    return Blocked{"firewall", spot.where, "nftables chain " + drop->chain + ": " + drop->detail};
  }

  const ProbeRequest& request_;
  const ProbeAnswer& answer_;
  std::vector<Spot> spots_;
  KernelPorts kernel_;
  std::optional<IpAddress> source_;
};

}  // namespace

Json Probes::run(const ProbeRequest& request, int netns) {
  const ProbeAnswer answer = request.tcp ? kernel_.netns.prober.connect(netns, request.to, request.port, request.timeout)
                                         : kernel_.netns.prober.ping(netns, request.to, request.timeout);
  if (answer.rtt) return {{"reachable", true}, {"rtt", answer.rtt->count()}, {"blocked_by", nullptr}};
  std::vector<Spot> spots = all_spots(catalog_, namespaces_, kernel_);
  const bool chroot = request.from == Place::container && netns < 0;
  const std::string where = request.from == Place::host || chroot ? "host" : std::string{place_text(request.from)} + "/" + request.of;
  const auto from = std::find_if(spots.begin(), spots.end(), [&](const Spot& spot) { return spot.where == where; });
  if (from == spots.end()) throw Error{Code::conflict, where + " has just ended"};
  const auto index = static_cast<std::size_t>(from - spots.begin());
  Spot copy;
  copy.where = spots[index].where;
  copy.netns = spots[index].netns ? spots[index].netns.duplicate() : unique_fd{};
  copy.interfaces = spots[index].interfaces;
  copy.segments = spots[index].segments;
  const Blocked blocked = Diagnosis{request, answer, std::move(spots), kernel_}.find(copy);
  return {{"reachable", false}, {"rtt", nullptr}, {"blocked_by", {{"code", blocked.code}, {"where", blocked.where}, {"detail", blocked.detail}}}};
}

}  // namespace sovirt
