#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/cidr.hpp"
#include "api/mac.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// A link as the kernel shows it. Source: rtnetlink(7).
struct LinkState {
  int ifindex = 0;
  std::string name;
  std::string kind;                    // "bridge", "veth", … ; "" for a plain device
  Mac mac{{}};
  unsigned mtu = 0;
  bool up = false;                     // IFF_UP
  bool carrier = false;                // IFF_LOWER_UP
  int master = 0;                      // ifindex of the bridge it is a port of, 0 if none
  std::optional<bool> stp;             // of a bridge
  std::optional<bool> isolated;        // of a port: it exchanges nothing with other isolated ports
  std::string mark;                    // the altname "sovirt:<uid>" without its prefix, "" if none
  std::vector<Cidr> addresses;         // without IPv6 link-local ones the kernel made
};

struct BridgeLink {
  std::string name;
  std::string uid;                     // its mark becomes the altname "sovirt:" + uid
  std::optional<Mac> mac;
  unsigned mtu = 1500;
  bool stp = false;
};

// nullopt: leave as it is.
struct LinkChange {
  std::optional<unsigned> mtu;
  std::optional<Mac> mac;
  std::optional<bool> stp;
  std::optional<bool> up;
  std::optional<int> master;           // ifindex, 0: no longer a port
  std::optional<bool> isolated = {};   // of a port that it is already
};

// A veth pair: the host's end a port of a bridge and up, the other inside a network namespace, up.
struct NicPlug {
  std::string host_name;               // of the end on the host, at most 15 bytes
  std::string uid;                     // mark of the host's end
  std::string bridge;                  // must exist
  int netns = -1;                      // file descriptor of the namespace
  std::string name;                    // inside
  Mac mac{{}};                         // inside
  unsigned mtu = 1500;
  std::vector<Cidr> addresses;         // inside
  std::optional<IpAddress> gateway;    // default route inside
  bool isolated = false;               // the host's end, from the other isolated ports of the bridge
};

struct LinkEvent {
  int ifindex = 0;
  std::string name;                    // "" where the message did not carry it
  bool gone = false;
};

// The network of one host, from the namespace the daemon was started in. Thread-safe; every call blocks
// for one or a few netlink exchanges. Throws Error with errno and the message's name as syscall.
class NetworkKernel {
 public:
  virtual ~NetworkKernel() = default;

  virtual std::optional<LinkState> find_link(std::string_view name) = 0;
  // Created marked, or not at all: never is there an unmarked bridge of ours, and never a mark on a link that
  // was there before. Down, without addresses. Exists already with this mark: fine. Foreign: Error{conflict}.
  virtual void create_bridge(const BridgeLink&) = 0;
  virtual bool delete_link(std::string_view name, std::string_view uid) = 0;  // false: absent or not so marked
  virtual void change_link(std::string_view name, const LinkChange&) = 0;
  virtual bool add_address(std::string_view link, const Cidr&) = 0;           // false: was there
  virtual bool remove_address(std::string_view link, const Cidr&) = 0;        // false: was absent
  virtual std::vector<LinkState> ports(int bridge_ifindex) = 0;               // without addresses
  virtual std::vector<LinkState> marked_links() = 0;                          // a full dump; without addresses

  virtual unique_fd create_netns() = 0;                   // lives as long as a descriptor or process; lo is up
  virtual unique_fd open_netns(pid_t pid) = 0;            // of a running process
  virtual void plug(const NicPlug&) = 0;                  // repeated: the same pair, no error
  virtual std::vector<LinkState> links_in(int netns) = 0; // all, with addresses, lo included

  // Every change of a link or address of the host's namespace, from a thread of its own, until the returned
  // handle dies. `lost` is true once after the kernel dropped messages: look at everything again.
  using Listener = std::function<void(const LinkEvent&, bool lost)>;
  virtual std::shared_ptr<void> watch(Listener) = 0;
};

}  // namespace sovirt
