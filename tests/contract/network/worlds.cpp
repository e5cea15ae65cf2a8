#include "tests/contract/network/worlds.hpp"

#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "daemon/kernel/netlink/netlink_kernel.hpp"

namespace sovirt::contract {
namespace {

void ip_tool(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "ip");
  const std::string failure = run(arguments);
  if (!failure.empty()) throw Error{Code::internal, failure};
}

// The IPv4 default route of the calling thread's namespace; fields are hexadecimal, addresses in host order.
std::optional<IpAddress> default_gateway() {
  std::ifstream table{"/proc/thread-self/net/route"};
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream fields{line};
    std::string device, destination;
    std::uint32_t gateway = 0;
    fields >> device >> destination >> std::hex >> gateway;
    if (destination != "00000000") continue;
    return IpAddress::v4({static_cast<std::uint8_t>(gateway), static_cast<std::uint8_t>(gateway >> 8),
                          static_cast<std::uint8_t>(gateway >> 16), static_cast<std::uint8_t>(gateway >> 24)});
  }
  return std::nullopt;
}

}  // namespace

std::string run(const std::vector<std::string>& command) {
  std::string line;
  std::vector<char*> arguments;
  for (const auto& part : command) {
    line += part + " ";
    arguments.push_back(const_cast<char*>(part.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) return line + "cannot be run";
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return line + "is lost";
  return status == 0 ? "" : line + "ended with status " + std::to_string(status);
}

std::string RealWorld::missing() {
  if (::geteuid() != 0) return "needs root to make a network namespace";
  static const std::string tool = run({"ip", "-Version"});
  if (!tool.empty()) return "needs iproute2: " + tool;
  if (::unshare(CLONE_NEWNET) != 0) return "this host does not let us make a network namespace";
  // The test's own namespace already: what is not unloaded here says whether the kernel has what is needed.
  static const std::string bridges = run({"ip", "link", "add", "probe0", "type", "bridge"});
  if (!bridges.empty()) return "this kernel has no bridges";
  static const std::string pairs = run({"ip", "link", "add", "probe1", "type", "veth", "peer", "name", "probe2"});
  if (!pairs.empty()) return "this kernel has no veth";
  std::ifstream switched_off{"/proc/sys/net/ipv6/conf/default/disable_ipv6"};
  return switched_off.get() == '0' ? "" : "IPv6 is switched off on this host";
}

RealWorld::RealWorld() {
  if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "CLONE_NEWNET");
  kernel_ = make_network_kernel();
}

void RealWorld::create_link(std::string_view name) { ip_tool({"link", "add", std::string{name}, "type", "bridge"}); }
void RealWorld::delete_link(std::string_view name) { ip_tool({"link", "delete", std::string{name}}); }
void RealWorld::rename_link(std::string_view name, std::string_view to) {
  ip_tool({"link", "set", std::string{name}, "name", std::string{to}});
}
void RealWorld::set_up(std::string_view name, bool up) { ip_tool({"link", "set", std::string{name}, up ? "up" : "down"}); }
void RealWorld::add_address(std::string_view link, const Cidr& cidr) {
  ip_tool({"address", "add", cidr.text(), "dev", std::string{link}});
}
void RealWorld::remove_address(std::string_view link, const Cidr& cidr) {
  ip_tool({"address", "delete", cidr.text(), "dev", std::string{link}});
}

void RealWorld::lose_events() {
  create_link("flood0");
  for (unsigned i = 0; i < 6000; ++i) kernel_->change_link("flood0", {.mtu = 1400 + i % 2, .mac = {}, .stp = {}, .up = {}, .master = {}});
}

std::optional<IpAddress> RealWorld::gateway_in(int netns) {
  std::optional<IpAddress> gateway;
  std::thread{[&] {
    if (::setns(netns, CLONE_NEWNET) == 0) gateway = default_gateway();
  }}.join();
  return gateway;
}

}  // namespace sovirt::contract
