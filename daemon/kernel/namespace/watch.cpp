#include <fcntl.h>
#include <netlink/errno.h>
#include <netlink/socket.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <thread>

#include "daemon/kernel/namespace/namespaces.hpp"
#include "daemon/kernel/netlink/connection.hpp"
#include "daemon/kernel/netlink/namespaces.hpp"
#include "daemon/kernel/netlink/watcher.hpp"

namespace sovirt {
namespace {

constexpr std::uint64_t stop_id = 0, mounts_id = 1, first_id = 2;

// One namespace that is listened in. Its socket keeps the namespace alive until it is forgotten.
struct Followed {
  std::string key;
  netlink::SocketPtr socket;
};

class Watch final : public NamespaceWatch {
 public:
  Watch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
            mounts_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
    if (!epoll_ || !stop_ || !mounts_) throw errno_error("epoll_create1", "the watch over namespaces");
    add(stop_.get(), EPOLLIN, stop_id);
    // proc(5): a change of the mount table is an exceptional condition of this file.
    add(mounts_.get(), EPOLLPRI | EPOLLERR, mounts_id);
  }
  ~Watch() override { end(); }

  std::shared_ptr<void> listen(Listener listener) override {
    const std::lock_guard lock(listeners_mutex_);
    const std::uint64_t id = next_listener_++;
    listeners_[id] = std::move(listener);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    return {nullptr, [this, id](void*) {
              const std::lock_guard guard(listeners_mutex_);
              listeners_.erase(id);
            }};
  }

  void follow(const std::string& key, int netns) override {
    auto one = std::make_shared<Followed>();
    one->key = key;
    if (netns < 0) one->socket = netlink::subscribe(true);
    else netlink::run_in(netns, [&] { one->socket = netlink::subscribe(true); });
    const std::lock_guard lock(mutex_);
    drop(key);
    const std::uint64_t id = next_id_++;
    add(::nl_socket_get_fd(one->socket.get()), EPOLLIN, id);
    by_id_[id] = std::move(one);
    ids_[key] = id;
  }

  void forget(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    drop(key);
  }

 private:
  void add(int fd, std::uint32_t events, std::uint64_t id) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw errno_error("epoll_ctl", "the watch over namespaces");
  }

  void drop(const std::string& key) {
    const auto found = ids_.find(key);
    if (found == ids_.end()) return;
    by_id_.erase(found->second);   // its socket leaves the epoll set when the thread lets go of it, too
    ids_.erase(found);
  }

  void end() {
    if (!thread_.joinable()) return;
    ::eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  void run() {
    std::array<epoll_event, 32> events;
    for (;;) {
      const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      if (count < 0 && errno != EINTR) return;
      for (int i = 0; i < count; ++i) {
        const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
        if (id == stop_id) return;
        if (id == mounts_id) tell("", {}, false);
        else if (const auto one = followed(id)) drain(*one);
      }
    }
  }

  std::shared_ptr<Followed> followed(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }

  void tell(const std::string& key, const LinkEvent& event, bool lost) {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& [id, listener] : listeners_) listener(key, event, lost);
  }

  void drain(const Followed& one) {
    for (;;) {
      const netlink::Datagram datagram = netlink::receive(one.socket.get());
      if (datagram.size > 0)
        netlink::for_each_message(datagram, [&](const nlmsghdr& message) {
          if (const auto event = netlink::read_event(message)) tell(one.key, *event, false);
        });
      else if (datagram.size == -NLE_NOMEM || datagram.size == -NLE_MSG_TRUNC) tell(one.key, {}, true);
      else return;
    }
  }

  unique_fd epoll_, stop_, mounts_;
  std::mutex listeners_mutex_;   // never taken while mutex_ is held
  std::uint64_t next_listener_ = 0;
  std::map<std::uint64_t, Listener> listeners_;
  std::mutex mutex_;
  std::uint64_t next_id_ = first_id;
  std::map<std::uint64_t, std::shared_ptr<Followed>> by_id_;
  std::map<std::string, std::uint64_t> ids_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<NamespaceWatch> make_namespace_watch() { return std::make_unique<Watch>(); }

}  // namespace sovirt
