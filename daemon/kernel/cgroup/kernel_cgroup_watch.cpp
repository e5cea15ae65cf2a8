#include "daemon/kernel/cgroup/kernel_cgroup_watch.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <map>

#include "daemon/base/watch_thread.hpp"
#include "daemon/kernel/cgroup/watched_group.hpp"

namespace sovirt {
namespace {

constexpr int settling_ms = 10;   // between two looks at a group where a kill is under way; nothing is looked at otherwise

struct Request {
  std::string group, key;         // group "": forget it
  GroupWish wish;
};

// What other threads ask for, handed over to the one that watches.
class Requests {
 public:
  Requests() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) throw errno_error("eventfd");
  }
  void push(Request request) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(request));
    ::eventfd_write(wake_.get(), 1);
  }
  std::deque<Request> take() {
    eventfd_t ignored = 0;
    ::eventfd_read(wake_.get(), &ignored);
    const std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }
  int fd() const noexcept { return wake_.get(); }

 private:
  unique_fd wake_;
  std::mutex mutex_;
  std::deque<Request> waiting_;
};

class Subscription {
 public:
  Subscription(std::shared_ptr<CgroupRoots> roots, std::shared_ptr<Requests> requests, CgroupWatch::Listener listener);
  void stop() const noexcept { ::eventfd_write(stop_.get(), 1); }
  void run();

 private:
  using Groups = std::map<std::string, WatchedGroup>;   // by key
  void poll_fd(int fd, std::uint32_t events, std::string key);
  void serve(const Request&);
  void drop(Groups::iterator);
  void heard(int fd);
  void hear_files();
  void hear_file(int watch, std::uint32_t mask, const std::string& name);
  void removed(const std::string& group);
  void hear_group(const std::string& key, int fd);
  void out_of_memory(WatchedGroup&);
  void name_victims();
  bool settle();

  std::shared_ptr<CgroupRoots> roots_;
  std::shared_ptr<Requests> requests_;
  CgroupWatch::Listener listener_;
  unique_fd stop_, epoll_, inotify_;
  OomLog log_;
  Groups groups_;
  std::map<int, std::string> owner_;        // inotify watch -> key; "": a directory of groups
  std::map<int, std::string> polled_;       // descriptor -> key
};

Subscription::Subscription(std::shared_ptr<CgroupRoots> roots, std::shared_ptr<Requests> requests, CgroupWatch::Listener listener)
    : roots_(std::move(roots)), requests_(std::move(requests)), listener_(std::move(listener)), stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  if (!stop_ || !epoll_ || !inotify_) throw errno_error("inotify_init1");
  for (const int fd : {stop_.get(), requests_->fd(), inotify_.get()}) poll_fd(fd, EPOLLIN, "");
}

void Subscription::poll_fd(int fd, std::uint32_t events, std::string key) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw errno_error("epoll_ctl");
  polled_[fd] = std::move(key);
}

void Subscription::run() {
  std::array<epoll_event, 64> events{};
  bool open_cases = false;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), open_cases ? settling_ms : -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (events[static_cast<std::size_t>(i)].data.fd == stop_.get()) return;
      try {
        heard(events[static_cast<std::size_t>(i)].data.fd);
      } catch (const Error&) {
        // A group that went away while we looked at it: its removal is told of by itself.
      }
    }
    open_cases = settle();
  }
}

void Subscription::heard(int fd) {
  if (fd == inotify_.get()) return hear_files();
  if (fd == requests_->fd()) {
    for (const Request& request : requests_->take()) serve(request);
    return;
  }
  const auto known = polled_.find(fd);
  if (known != polled_.end()) hear_group(std::string{known->second}, fd);
}

void Subscription::drop(Groups::iterator at) {
  WatchedGroup& watched = at->second;
  for (const int watch : watched.watches) owner_.erase(watch);
  if (watched.out_of_memory) polled_.erase(watched.out_of_memory.get());
  for (const auto& [fd, trigger] : watched.pressure) polled_.erase(fd.get());
  end_watches(inotify_.get(), watched);   // closing takes a descriptor out of epoll
  groups_.erase(at);
}

void Subscription::serve(const Request& request) {
  const auto known = groups_.find(request.key);
  if (known != groups_.end()) {
    const WatchedGroup& watched = known->second;
    if (!request.group.empty() && !watched.stale && watched.group == request.group && watched.wish == request.wish) return;
    drop(known);
  }
  if (request.group.empty()) return;
  for (const HierarchyRoot& root : roots_->all)
    if (const int watch = watch_own_directory(root, inotify_.get()); watch >= 0) owner_[watch] = "";
  auto watched = watch_group(*roots_, inotify_.get(), request.group, request.key, request.wish);
  if (!watched) return;
  for (const int watch : watched->watches) owner_[watch] = request.key;
  if (watched->out_of_memory) poll_fd(watched->out_of_memory.get(), EPOLLIN, request.key);
  for (const auto& [fd, trigger] : watched->pressure) poll_fd(fd.get(), EPOLLPRI, request.key);
  groups_.insert_or_assign(request.key, std::move(*watched));
}

void Subscription::hear_files() {
  alignas(inotify_event) std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (ssize_t at = 0; at < got;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      hear_file(event->wd, event->mask, event->len > 0 ? event->name : "");
    }
  }
}

void Subscription::hear_file(int watch, std::uint32_t mask, const std::string& name) {
  if ((mask & IN_Q_OVERFLOW) != 0) {   // something was missed: everything is to be looked at
    for (auto& [key, watched] : groups_) listener_({GroupEvent::What::changed, key, 0, {}, {}});
    return;
  }
  const auto owner = owner_.find(watch);
  if (owner == owner_.end()) return;
  const auto known = groups_.find(owner->second);
  if ((mask & IN_DELETE) != 0 && (mask & IN_ISDIR) != 0) return removed((known == groups_.end() ? "" : known->second.group + "/") + name);
  if (known == groups_.end() || (mask & IN_MODIFY) == 0) return;
  if (watch == known->second.memory_events) out_of_memory(known->second);
  else if (is_limit_file(name)) listener_({GroupEvent::What::changed, known->first, 0, {}, {}});
}

void Subscription::removed(const std::string& group) {
  for (auto& [key, watched] : groups_) {
    if (watched.group != group || watched.stale) continue;
    watched.stale = true;
    listener_({GroupEvent::What::changed, key, 0, {}, {}});
  }
}

void Subscription::hear_group(const std::string& key, int fd) {
  const auto known = groups_.find(key);
  if (known == groups_.end()) return;
  WatchedGroup& watched = known->second;
  if (fd == watched.out_of_memory.get()) {
    eventfd_t ignored = 0;
    ::eventfd_read(fd, &ignored);
    if (!roots_->exists(watched.group)) return drop(known);   // the kernel also wakes us when the group goes
    return out_of_memory(watched);
  }
  for (const auto& [trigger_fd, trigger] : watched.pressure) {
    if (trigger_fd.get() != fd) continue;
    pollfd state{fd, POLLPRI, 0};
    if (::poll(&state, 1, 0) > 0 && (state.revents & POLLERR) != 0) return drop(known);   // the group is gone
    return listener_({GroupEvent::What::pressure, key, 0, {}, trigger});
  }
}

void Subscription::out_of_memory(WatchedGroup& watched) {
  const auto count = count_oom_kills(*roots_, watched.group, watched.wish.below);
  const bool v1 = bool{watched.out_of_memory};
  if (watched.oom || (!v1 && count.value_or(0) <= watched.kills)) return;   // memory.events also counts what hit a limit
  watched.oom = std::make_unique<OomCase>(*roots_, watched.group, watched.wish.below, watched.kills);
}

// By the longest group that the record's lies in; without one, where there is but one case.
void Subscription::name_victims() {
  const HierarchyRoot* memory = roots_->controlling("memory");
  for (const OomRecord& record : log_.read()) {
    WatchedGroup* best = nullptr;
    std::size_t cases = 0;
    const std::string own = memory ? memory->path("") : "";
    const auto at = record.group.find(own);
    const std::string group = record.group.empty() || at == std::string::npos ? "" : record.group.substr(at + own.size()) + "/";
    for (auto& [key, watched] : groups_) {
      if (!watched.oom) continue;
      ++cases;
      const bool holds = record.group.empty() || group.starts_with(watched.group + "/");
      if (holds && (!best || watched.group.size() > best->group.size())) best = &watched;
    }
    if (best && (!record.group.empty() || cases == 1)) best->oom->add(record.victim);
  }
}

// true: some case is open still.
bool Subscription::settle() {
  bool open = false;
  for (const auto& [key, watched] : groups_) open = open || watched.oom;
  if (!open) return false;
  name_victims();
  open = false;
  for (auto& [key, watched] : groups_) {
    if (!watched.oom) continue;
    if (!watched.oom->settled()) {
      open = true;
      continue;
    }
    const auto ended = std::move(watched.oom);
    watched.kills = ended->total();
    if (ended->kills() > 0) listener_({GroupEvent::What::out_of_memory, key, ended->kills(), ended->victims(), {}});
  }
  return open;
}

class KernelCgroupWatch final : public CgroupWatch {
 public:
  explicit KernelCgroupWatch(std::shared_ptr<CgroupRoots> roots) : roots_(std::move(roots)) {}
  void watch(std::string_view group, std::string_view key, const GroupWish& wish) override {
    requests_->push({std::string{group}, std::string{key}, wish});
  }
  void forget(std::string_view key) override { requests_->push({"", std::string{key}, {}}); }
  std::shared_ptr<void> listen(Listener listener) override {
    return std::make_shared<WatchThread<Subscription>>(roots_, requests_, std::move(listener));
  }

 private:
  std::shared_ptr<CgroupRoots> roots_;
  std::shared_ptr<Requests> requests_ = std::make_shared<Requests>();
};

}  // namespace

std::unique_ptr<CgroupWatch> make_cgroup_watch(std::shared_ptr<CgroupRoots> roots) { return std::make_unique<KernelCgroupWatch>(std::move(roots)); }

}  // namespace sovirt
