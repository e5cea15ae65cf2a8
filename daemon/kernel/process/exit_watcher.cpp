#include "daemon/kernel/process/exit_watcher.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/kernel/process/monitor_client.hpp"
#include "daemon/kernel/process/monitor_process.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt::process {
namespace {

constexpr std::uint64_t wake_key = 0;
constexpr std::uint64_t source_bits = 2;

bool readable(int fd) noexcept {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

Time now_time() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

}  // namespace

ExitWatcher::ExitWatcher(const RunDirectory& run)
    : run_(run), epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!epoll_ || !wake_) throw errno_error("epoll_create1");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = wake_key;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) < 0) throw errno_error("epoll_ctl");
  thread_ = std::jthread{[this](std::stop_token stop) { this->run(stop); }};
}

ExitWatcher::~ExitWatcher() {
  thread_.request_stop();
  wake();
}

void ExitWatcher::set_listener(Launcher::ExitListener listener) {
  {
    const std::lock_guard lock(listener_mutex_);
    listener_ = std::move(listener);
  }
  wake();
}

void ExitWatcher::wake() noexcept {
  const std::uint64_t one = 1;
  if (::write(wake_.get(), &one, sizeof one) < 0) { /* full: it is awake */ }
}

void ExitWatcher::listen(int fd, Number number, Source source) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number << source_bits | static_cast<std::uint64_t>(source);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) throw errno_error("epoll_ctl");
}

void ExitWatcher::unlisten(unique_fd& fd) noexcept {
  if (fd) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
  fd.reset();
}

ExitWatcher::Number ExitWatcher::insert(Item item) {
  const Number number = next_++;
  watched_.insert(item.uid);
  Item& kept = items_.emplace(number, std::move(item)).first->second;
  if (kept.socket) listen(kept.socket.get(), number, Source::socket);
  if (kept.monitor) listen(kept.monitor.get(), number, Source::monitor);
  return number;
}

void ExitWatcher::add(std::string_view uid, unique_fd control, unique_fd monitor_pidfd) {
  const std::lock_guard lock(mutex_);
  insert({std::string{uid}, std::move(control), std::move(monitor_pidfd), {}, false});
}

void ExitWatcher::watch(std::string_view uid) {
  unique_fd socket = connect_monitor(run_, uid);
  if (socket && !launch::send_message(socket.get(), launch::Type::subscribe)) socket.reset();
  const std::lock_guard lock(mutex_);
  if (watched_.contains(uid)) return;
  const Number number = insert({std::string{uid}, std::move(socket), {}, {}, false});
  Item& item = items_.at(number);
  if (!item.socket) fall_back(item, number);
  drop_if_done(number);
}

void ExitWatcher::forget(std::string_view uid) {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(uid);
  if (found != watched_.end()) watched_.erase(found);
  for (auto& [number, item] : items_)
    if (item.uid == uid) item.told = true;   // its monitor may still have to be reaped
}

void ExitWatcher::run(std::stop_token stop) {
  std::array<epoll_event, 32> events;
  while (!stop.stop_requested()) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)].data.u64);
    deliver();
  }
}

void ExitWatcher::handle(std::uint64_t key) {
  if (key == wake_key) {
    std::uint64_t count = 0;
    if (::read(wake_.get(), &count, sizeof count) < 0) { /* somebody was faster */ }
    return;
  }
  const Number number = key >> source_bits;
  const std::lock_guard lock(mutex_);
  const auto found = items_.find(number);
  if (found == items_.end()) return;
  switch (static_cast<Source>(key & ((1u << source_bits) - 1))) {
    case Source::socket: on_socket(number); break;
    case Source::init: on_init(number); break;
    case Source::monitor:
      reap(found->second.monitor.get());
      unlisten(found->second.monitor);
      break;
  }
  drop_if_done(number);
}

void ExitWatcher::on_socket(Number number) {
  Item& item = items_.at(number);
  if (!item.socket || !readable(item.socket.get())) return;
  const auto message = launch::receive_message(item.socket.get(), -1);
  if (message && message->type == launch::Type::launched) return;   // the answer to a subscription
  if (message && message->type == launch::Type::exited) tell(item, from_wire(message->as<launch::Ended>()));
  unlisten(item.socket);
  if (!item.told) fall_back(item, number);
}

// The monitor is gone without a word. Either it wrote down how its container ended, or its init is still there.
void ExitWatcher::fall_back(Item& item, Number number) {
  if (const auto exit = run_.exit(item.uid)) return tell(item, *exit);
  const auto processes = run_.processes(item.uid);
  if (processes) item.init = launch::open_process(processes->init.pid, processes->init.start_ticks);
  if (item.init) listen(item.init.get(), number, Source::init);
  else on_init(number);
}

void ExitWatcher::on_init(Number number) {
  Item& item = items_.at(number);
  unlisten(item.init);
  if (item.told) return;
  const ExitStatus lost{std::nullopt, std::nullopt, now_time()};
  try {
    run_.write_lost_exit(item.uid, lost.at);
  } catch (const Error&) {
    // No room in the run directory: report() then says the same from monitor.json.
  }
  tell(item, lost);
}

void ExitWatcher::tell(Item& item, const ExitStatus& status) {
  item.told = true;
  const auto found = watched_.find(item.uid);
  if (found != watched_.end()) watched_.erase(found);
  due_.emplace_back(item.uid, status);
  wake();   // for when this is not the thread itself
}

void ExitWatcher::drop_if_done(Number number) {
  const auto found = items_.find(number);
  if (found == items_.end()) return;
  const Item& item = found->second;
  if (item.told && !item.monitor) {
    unlisten(found->second.socket);
    unlisten(found->second.init);
    items_.erase(found);
  }
}

void ExitWatcher::deliver() {
  const std::lock_guard calling(listener_mutex_);
  if (!listener_) return;   // kept for the one who comes
  std::vector<std::pair<std::string, ExitStatus>> due;
  {
    const std::lock_guard lock(mutex_);
    due.swap(due_);
  }
  for (const auto& [uid, status] : due) listener_(uid, status);
}

}  // namespace sovirt::process
