#include "daemon/kernel/netlink/netlink_kernel.hpp"

#include <cerrno>
#include <map>

#include "daemon/kernel/netlink/links.hpp"
#include "daemon/kernel/netlink/namespaces.hpp"
#include "daemon/kernel/netlink/nic.hpp"
#include "daemon/kernel/netlink/watcher.hpp"

namespace sovirt {
namespace {

class NetlinkKernel final : public NetworkKernel {
 public:
  std::optional<LinkState> find_link(std::string_view name) override {
    auto socket = sockets_.borrow();
    auto link = netlink::get_link(*socket, name);
    if (!link) return std::nullopt;
    try {
      link->state.addresses = netlink::addresses_of(*socket, link->state.ifindex);
    } catch (const Error& error) {
      if (error.error_number() == ENODEV) return std::nullopt;  // went away between the two questions
      throw;
    }
    return std::move(link->state);
  }

  void create_bridge(const BridgeLink& bridge) override { netlink::create_bridge(*sockets_.borrow(), bridge); }
  bool delete_link(std::string_view name, std::string_view uid) override { return netlink::delete_link(*sockets_.borrow(), name, uid); }
  void change_link(std::string_view name, const LinkChange& change) override { netlink::change_link(*sockets_.borrow(), name, change); }
  bool add_address(std::string_view link, const Cidr& cidr) override { return netlink::add_address(*sockets_.borrow(), link, cidr); }
  bool remove_address(std::string_view link, const Cidr& cidr) override { return netlink::remove_address(*sockets_.borrow(), link, cidr); }

  std::vector<LinkState> ports(int bridge_ifindex) override {
    std::vector<LinkState> out;
    if (bridge_ifindex <= 0) return out;  // to the kernel 0 is no filter
    for (auto& link : netlink::dump_links(*sockets_.borrow(), bridge_ifindex)) out.push_back(std::move(link.state));
    return out;
  }

  std::vector<LinkState> marked_links() override {
    std::vector<LinkState> out;
    for (auto& link : netlink::dump_links(*sockets_.borrow(), 0))
      if (!link.state.mark.empty()) out.push_back(std::move(link.state));
    return out;
  }

  unique_fd create_netns() override { return netlink::new_netns(); }
  unique_fd open_netns(pid_t pid) override { return netlink::netns_of(pid); }
  void plug(const NicPlug& nic) override { netlink::plug(*sockets_.borrow(), nic); }

  std::vector<LinkState> links_in(int netns) override {
    auto socket = netlink::socket_in(netns);
    std::map<int, std::vector<Cidr>> addresses;
    for (auto& record : netlink::dump_addresses(socket, 0)) addresses[record.ifindex].push_back(record.cidr);
    std::vector<LinkState> out;
    for (auto& link : netlink::dump_links(socket, 0)) {
      link.state.addresses = std::move(addresses[link.state.ifindex]);
      out.push_back(std::move(link.state));
    }
    return out;
  }

  std::shared_ptr<void> watch(Listener listener) override { return netlink::watch_links(std::move(listener)); }

 private:
  netlink::SocketPool sockets_;
};

}  // namespace

std::unique_ptr<NetworkKernel> make_network_kernel() { return std::make_unique<NetlinkKernel>(); }

}  // namespace sovirt
