#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/link_ends.hpp"
#include "daemon/domain/ports/network_kernel.hpp"
#include "tests/fakes/network/event_hub.hpp"
#include "tests/fakes/network/fake_links.hpp"

namespace sovirt::fakes {

// A host's network in memory. tests/contract/network holds it to what the real kernel does. Thread-safe.
// A namespace of it is a pipe: who got it holds a writing end, and it dies with the last of these.
class FakeNetworkKernel final : public NetworkKernel {
 public:
  explicit FakeNetworkKernel(Delivery delivery = Delivery::by_thread) : hub_(delivery) {}

  std::optional<LinkState> find_link(std::string_view name) override;
  void create_bridge(const BridgeLink& bridge) override;
  bool delete_link(std::string_view name, std::string_view uid) override;
  void change_link(std::string_view name, const LinkChange& change) override;
  bool add_address(std::string_view link, const Cidr& cidr) override;
  bool remove_address(std::string_view link, const Cidr& cidr) override;
  std::vector<LinkState> ports(int bridge_ifindex) override;
  std::vector<LinkState> marked_links() override;
  unique_fd create_netns() override;
  unique_fd open_netns(pid_t pid) override;
  void plug(const NicPlug& nic) override;
  std::vector<LinkState> links_in(int netns) override;
  std::shared_ptr<void> watch(Listener listener) override;

  // The n-th call of the port from now on (1: the next) throws this and changes nothing. watch() does not count.
  void fail_call(int n, Error error);
  int calls();                                  // so far, failed ones included; watch() does not count

  // The ends of NICs, for the fake of LinkEnds. nullopt, false: there is none such.
  std::optional<FoundEnd> find_end(const LinkEnd&);
  bool configure_end(const LinkEnd&, const EndState&);
  bool remove_end(const LinkEnd&);

  // What others do to the host. Throws as the kernel would. Watchers are told.
  void foreign_create_link(std::string_view name, std::string_view kind = "dummy");
  void foreign_delete_link(std::string_view name);
  void foreign_rename_link(std::string_view name, std::string_view to);
  void foreign_change_link(std::string_view name, const LinkChange& change);
  void foreign_add_address(std::string_view link, const Cidr& cidr);
  void foreign_remove_address(std::string_view link, const Cidr& cidr);
  void foreign_remove_mark(std::string_view link);
  void lose_events();                           // watchers are told that something is lost
  void add_process(pid_t pid, int netns);       // for open_netns; holds the namespace like a process
  void remove_process(pid_t pid);
  std::optional<IpAddress> gateway_in(int netns);
  void settle() { hub_.settle(); }              // until every event so far has been delivered

 private:
  using Link = FakeLinks::Link;
  using SpaceId = std::uint64_t;                // of a namespace: its pipe's inode; 0 is the host's
  struct Space {
    FakeLinks links;
    unique_fd reader;                           // hangs up when the namespace has no user any more
  };
  // Holds the lock for one operation and lets the events out behind it.
  class Operation;

  void count_call();
  void bury_spaces();                           // those nobody holds any more
  Space& space(SpaceId id) { return spaces_[id]; }
  FakeLinks& host() { return spaces_[0].links; }
  SpaceId id_of(int netns);                     // Error if it is no namespace
  void tell(const LinkState& link, bool gone = false);
  void erase(SpaceId from, int ifindex);        // with the other end of a pair
  void refresh_carrier();
  Link* end_link(const LinkEnd&);
  void connect(SpaceId inside, const NicPlug& nic, Link& bridge);
  void configure(FakeLinks& links, Link& end, const NicPlug& nic);

  std::mutex mutex_;
  std::map<SpaceId, Space> spaces_;
  std::map<pid_t, unique_fd> processes_;
  std::map<int, Error> failures_;               // by the number of the call
  int calls_ = 0;
  EventHub hub_;
};

// Both halves of the implementation begin with `const Operation operation{*this};`.
class FakeNetworkKernel::Operation {
 public:
  enum class Kind { port, foreign };
  explicit Operation(FakeNetworkKernel& kernel, Kind kind = Kind::foreign);
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation();

 private:
  FakeNetworkKernel& kernel_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace sovirt::fakes
