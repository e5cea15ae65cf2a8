#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/sock_diag.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

#include "daemon/kernel/namespace/look.hpp"
#include "daemon/kernel/namespace/namespaces.hpp"
#include "daemon/kernel/netlink/namespaces.hpp"
#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netns {
namespace {

Counters counters_of(const rtnl_link_stats64& stats) {
  return {stats.rx_bytes, stats.tx_bytes, stats.rx_packets, stats.tx_packets, stats.rx_errors, stats.tx_errors, stats.rx_dropped, stats.tx_dropped};
}

// "net.ipv4.ip_forward" as the kernel's file. The reader of the spec has seen to its characters.
std::string sysctl_path(std::string_view key) {
  std::string path = "/proc/sys/" + std::string{key};
  std::replace(path.begin() + 10, path.end(), '.', '/');
  return path;
}

// Between numbers the kernel writes tabs where people write blanks.
std::string one_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\t')) text.pop_back();
  std::replace(text.begin(), text.end(), '\t', ' ');
  return text;
}

// What /proc/sys/net shows depends on the namespace of who opens it.
template <class Work>
void in_namespace(int netns, Work work) {
  if (netns < 0) work();
  else netlink::run_in(netns, work);
}

class Inside final : public NamespaceInside {
 public:
  std::vector<Interface> interfaces(int netns) override {
    auto socket = enter(netns);
    return netns::interfaces(socket);
  }
  std::vector<RouteState> routes(int netns) override {
    auto socket = enter(netns);
    return netns::routes(socket);
  }
  bool add_route(int netns, const RouteSpec& route) override {
    auto socket = enter(netns);
    return netns::add_route(socket, route);
  }
  bool remove_route(int netns, const RouteSpec& route) override {
    auto socket = enter(netns);
    return netns::remove_route(socket, route);
  }

  std::optional<std::string> sysctl(int netns, std::string_view key) override {
    const std::string path = sysctl_path(key);
    unique_fd file;
    in_namespace(netns, [&] { file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC)); });
    if (!file) {
      if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
      throw errno_error("open", path);
    }
    std::array<char, 4096> text;
    const ssize_t size = ::read(file.get(), text.data(), text.size());
    if (size < 0 && errno == EISDIR) return std::nullopt;
    if (size < 0) throw errno_error("read", path);
    return one_line(std::string{text.data(), static_cast<std::size_t>(size)});
  }

  void set_sysctl(int netns, std::string_view key, std::string_view value) override {
    const std::string path = sysctl_path(key);
    unique_fd file;
    int number = 0;
    in_namespace(netns, [&] {
      file.reset(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
      number = file ? 0 : errno;
    });
    if (file && ::write(file.get(), value.data(), value.size()) < 0) number = errno;
    if (number == 0) return;
    const std::string what = std::string{key} + " cannot be set to \"" + std::string{value} + "\"";
    const Code code = number == EINVAL || number == ERANGE || number == EACCES || number == EPERM || number == ENOENT ? Code::invalid : Code::internal;
    throw Error{code, errno_error(number, "write", what).detail()}.with_errno(number, "write").with_hint(
        number == EACCES || number == EPERM ? "this setting is the whole host's, not a namespace's" : "the kernel refuses this value");
  }

  std::vector<SocketState> sockets(int netns) override {
    auto diag = enter(netns, NETLINK_SOCK_DIAG);
    auto found = dump_sockets(diag);
    const auto holders = socket_holders(processes(netns, {}));
    std::vector<SocketState> out;
    for (RawSocket& one : found) {
      if (const auto holder = holders.find(one.inode); holder != holders.end()) one.shown.process = holder->second;
      out.push_back(std::move(one.shown));
    }
    return out;
  }

  std::vector<ProcessState> processes(int netns, std::chrono::milliseconds age) override {
    const std::uint64_t wanted = inode(netns);
    std::vector<ProcessState> found;
    {
      const std::lock_guard lock(mutex_);
      const auto time = std::chrono::steady_clock::now();
      if (time - seen_at_ >= age || seen_.empty()) {
        seen_ = all_processes();
        seen_at_ = time;
      }
      if (const auto there = seen_.find(wanted); there != seen_.end()) found = there->second;
    }
    for (ProcessState& one : found) one.command = command_of(one.pid);
    std::erase_if(found, [](const ProcessState& one) { return one.command.empty(); });   // it has ended
    return found;
  }

  ExecResult exec(int netns, std::string_view name, const ExecRequest& request, std::size_t limit) override {
    return execute(netns, std::string{name}, request, limit);
  }

 private:
  std::mutex mutex_;
  ProcessTable seen_;
  std::chrono::steady_clock::time_point seen_at_;
};

}  // namespace

netlink::Socket enter(int netns, int protocol) { return netns < 0 ? netlink::Socket{protocol} : netlink::socket_in(netns, protocol); }

unique_fd descriptor(int netns) {
  const std::string path = netns < 0 ? "/proc/thread-self/ns/net" : "/proc/thread-self/fd/" + std::to_string(netns);
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) throw errno_error("open", path);
  return fd;
}

std::uint64_t inode(int netns) {
  struct stat about{};
  if (::fstat(descriptor(netns).get(), &about) != 0) throw errno_error("fstat", "network namespace");
  return about.st_ino;
}

std::vector<Interface> interfaces(netlink::Socket& socket) {
  std::map<int, std::vector<Cidr>> addresses;
  for (auto& record : netlink::dump_addresses(socket, 0)) addresses[record.ifindex].push_back(record.cidr);
  netlink::Batch batch;
  batch.begin(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  std::vector<Interface> out;
  for (const auto& payload : socket.dump(batch, "RTM_GETLINK")) {
    auto record = netlink::read_link(payload);
    Interface one;
    one.link = std::move(record.state);
    one.peer = record.peer;
    one.link.addresses = std::move(addresses[one.link.ifindex]);
    if (const auto stats = netlink::find_attribute(netlink::attributes_behind<ifinfomsg>(payload), IFLA_STATS64))
      one.counters = counters_of(netlink::value_of<rtnl_link_stats64>(*stats));
    out.push_back(std::move(one));
  }
  return out;
}

std::map<int, std::string> names(netlink::Socket& socket) {
  std::map<int, std::string> out;
  for (auto& link : netlink::dump_links(socket, 0)) out[link.state.ifindex] = std::move(link.state.name);
  return out;
}

}  // namespace sovirt::netns

namespace sovirt {
std::unique_ptr<NamespaceInside> make_namespace_inside() { return std::make_unique<netns::Inside>(); }
}  // namespace sovirt
