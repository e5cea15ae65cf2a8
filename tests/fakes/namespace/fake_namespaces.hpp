#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/netns_ports.hpp"

namespace sovirt::fakes {

class FakeNetworkKernel;

// Namespaces and links between them in memory. tests/contract/namespace holds it to what the kernel does. A namespace of it
// is a pipe, as of FakeNetworkKernel, known by its inode; 0 is the host's. Events come in the thread of the call that made
// them. Thread-safe.
class FakeNamespaces final : public NamespacePins, public KeptNamespaces, public NamespaceInside, public NamespaceWatch, public LinkEnds,
                             public Prober {
 public:
  NetnsPorts ports() { return {*this, *this, *this, *this, *this, *this}; }

  std::optional<PinState> find(std::string_view name) override;
  std::vector<PinState> all() override;
  void create(std::string_view name, std::string_view uid) override;
  void adopt(std::string_view name, std::string_view uid) override;
  void release(std::string_view name, std::string_view uid) override;
  void pin(std::string_view name, int netns) override;
  bool remove(std::string_view name, std::string_view uid) override;
  unique_fd open(std::string_view name) override;
  std::uint64_t inode(std::string_view name) override;

  unique_fd parking() override;
  void keep(std::string_view key, int netns) override;
  unique_fd kept(std::string_view key) override;
  void let_go(std::string_view key) override;
  std::vector<std::string> keys() override;

  std::vector<Interface> interfaces(int netns) override;
  std::vector<RouteState> routes(int netns) override;
  bool add_route(int netns, const RouteSpec&) override;
  bool remove_route(int netns, const RouteSpec&) override;
  std::optional<std::string> sysctl(int netns, std::string_view key) override;
  void set_sysctl(int netns, std::string_view key, std::string_view value) override;
  std::vector<SocketState> sockets(int netns) override;
  std::vector<ProcessState> processes(int netns, std::chrono::milliseconds age) override;
  ExecResult exec(int netns, std::string_view name, const ExecRequest&, std::size_t limit) override;

  std::shared_ptr<void> listen(Listener) override;
  void follow(const std::string& key, int netns) override;
  void forget(const std::string& key) override;

  std::optional<FoundEnd> find(const LinkEnd&) override;
  void make_pair(const LinkEnd& a, const EndState&, const LinkEnd& b, const EndState&) override;
  void make_single(const LinkEnd&, const EndState&, const LinkSpec& spec) override;
  void configure(const LinkEnd&, const EndState&) override;
  void move(const LinkEnd&, int netns, std::string_view name) override;
  bool remove(const LinkEnd&) override;

  // Prober: nothing leaves a namespace; the ways are what the addresses of its interfaces say.
  ProbeAnswer ping(int netns, const IpAddress& to, std::chrono::milliseconds) override;
  ProbeAnswer connect(int netns, const IpAddress& to, std::uint16_t, std::chrono::milliseconds) override { return ping(netns, to, {}); }
  ProbeRoute route_to(int netns, const IpAddress& to) override;
  std::optional<DropRule> dropped_by(int, const std::string&, const ProbePacket&) override { return std::nullopt; }

  std::optional<AddressHolder> holder_of(const std::string&, const std::vector<IpAddress>& addresses) override {
    const Lock lock(mutex_);
    ++wire_probes;
    for (const IpAddress& address : addresses)
      if (const auto found = on_the_wire.find(address.text()); found != on_the_wire.end()) return AddressHolder{address, found->second};
    return std::nullopt;
  }
  std::map<std::string, Mac> on_the_wire;                       // what strangers have
  int wire_probes = 0;

  // The NICs that are plugged there are found here as ends of links, too.
  void join(FakeNetworkKernel& network) { network_ = &network; }

  // What others do.
  unique_fd foreign_netns(std::string_view name);               // `ip netns add`
  void foreign_unpin(std::string_view name);                    // `ip netns delete`
  void foreign_delete(int netns, std::string_view interface);
  void foreign_flush(int netns, std::string_view interface);    // its addresses
  void add_process(int netns, ProcessState);
  void boot();                                                  // nothing is left
  // The n-th change from now on (1: the next) throws this and changes nothing.
  void fail_change(int n, Error error);
  std::string text();                                           // all there is, for comparisons

 private:
  struct Link {
    std::string mark, kind;
    EndState state;
    std::optional<std::pair<std::uint64_t, int>> peer;          // where its other end is
  };
  struct Space {
    std::string mark;                                           // of its lo
    std::map<int, Link> links;                                  // by ifindex, lo left out
    std::vector<RouteSpec> routes;
    std::map<std::string, std::string> sysctls{{"net.ipv4.ip_forward", "0"}, {"net.ipv6.conf.all.forwarding", "0"}};
    std::vector<ProcessState> processes;
  };
  using Lock = std::unique_lock<std::mutex>;
  unique_fd fresh();
  static std::uint64_t id_of(int netns);
  static unique_fd copy(const unique_fd&);
  Space& space(int netns) { return spaces_[id_of(netns)]; }
  Link* by_mark(Space&, std::string_view mark, int* index = nullptr);
  void refuse_taken(Space&, std::string_view name, std::string_view mark) const;
  void count_change();
  void erase(std::uint64_t id, int ifindex);
  void tell(Lock&, std::uint64_t id, int ifindex, bool gone);   // lets go of the lock
  void tell_pins(Lock&);

  FakeNetworkKernel* network_ = nullptr;
  std::mutex mutex_;
  std::map<std::uint64_t, Space> spaces_;
  std::map<std::string, unique_fd, std::less<>> pins_, kept_;
  unique_fd parking_;
  std::map<std::string, unique_fd> followed_;
  std::map<int, Listener> listeners_;
  int next_listener_ = 0, next_index_ = 10;
  std::map<int, Error> failures_;
  int changes_ = 0;
};

}  // namespace sovirt::fakes
