#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/netns.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

struct Counters {
  std::uint64_t rx_bytes = 0, tx_bytes = 0, rx_packets = 0, tx_packets = 0, rx_errors = 0, tx_errors = 0, rx_dropped = 0, tx_dropped = 0;
};

struct Interface {
  LinkState link;
  int peer = 0;                        // of a veth: the other end's ifindex, in whatever namespace that is
  Counters counters;
};

struct RouteState {
  RouteSpec route;
  bool ours = false;                   // made by add_route
};

struct SocketState {
  std::string protocol;                // tcp, udp, tcp6, udp6
  std::string state;                   // listen, established, … ; of UDP unconnected or established
  std::string local, peer;             // "10.10.10.1:9043", "[::1]:80"; "*" for a port or address that is none
  std::optional<std::pair<pid_t, std::string>> process;
};

struct ProcessState {
  pid_t pid = 0;
  std::string command;                 // as ps shows it without arguments
};

// Looks and hands inside a network namespace. netns: its descriptor, -1 for the host's own. Thread-safe. Throws Error.
class NamespaceInside {
 public:
  virtual ~NamespaceInside() = default;
  virtual std::vector<Interface> interfaces(int netns) = 0;     // with addresses, lo included
  virtual std::vector<RouteState> routes(int netns) = 0;        // of the main table, unicast
  virtual bool add_route(int netns, const RouteSpec&) = 0;      // false: was there, made by us
  virtual bool remove_route(int netns, const RouteSpec&) = 0;   // false: we have none such
  virtual std::optional<std::string> sysctl(int netns, std::string_view key) = 0;   // nullopt: there is no such setting
  virtual void set_sysctl(int netns, std::string_view key, std::string_view value) = 0;
  virtual std::vector<SocketState> sockets(int netns) = 0;
  // What was seen at most `age` ago will do: to look at every process of the host takes long.
  virtual std::vector<ProcessState> processes(int netns, std::chrono::milliseconds age) = 0;
  // As ip-netns(8) does it: /sys shows the namespace, /etc/netns/NAME lies over /etc. Blocks until it ends.
  virtual ExecResult exec(int netns, std::string_view name, const ExecRequest&, std::size_t limit) = 0;
};

}  // namespace sovirt
