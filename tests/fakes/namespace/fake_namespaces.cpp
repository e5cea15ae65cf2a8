#include "tests/fakes/namespace/fake_namespaces.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sovirt::fakes {

std::uint64_t FakeNamespaces::id_of(int netns) {
  if (netns < 0) return 0;
  struct stat about{};
  if (::fstat(netns, &about) != 0) throw errno_error("fstat", "network namespace");
  return about.st_ino;
}

unique_fd FakeNamespaces::copy(const unique_fd& fd) { return fd ? fd.duplicate() : unique_fd{}; }

unique_fd FakeNamespaces::fresh() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe2");
  const unique_fd reader{ends[0]};
  unique_fd writer{ends[1]};
  spaces_[id_of(writer.get())] = Space{};
  return writer;
}

void FakeNamespaces::count_change() {
  const auto planned = failures_.find(++changes_);
  if (planned == failures_.end()) return;
  const Error error = planned->second;
  failures_.erase(planned);
  throw error;
}

void FakeNamespaces::fail_change(int n, Error error) {
  const Lock lock(mutex_);
  failures_.insert_or_assign(changes_ + n, std::move(error));
}

void FakeNamespaces::tell(Lock& lock, std::uint64_t id, int ifindex, bool gone) {
  std::vector<std::string> keys;
  for (const auto& [key, fd] : followed_)
    if (id_of(fd.get()) == id) keys.push_back(key);
  const auto listeners = listeners_;
  lock.unlock();
  LinkEvent event;
  event.ifindex = ifindex;
  event.gone = gone;
  for (const std::string& key : keys)
    for (const auto& [number, listener] : listeners) listener(key, event, false);
}

void FakeNamespaces::tell_pins(Lock& lock) {
  const auto listeners = listeners_;
  lock.unlock();
  for (const auto& [number, listener] : listeners) listener("", {}, false);
}

std::optional<PinState> FakeNamespaces::find(std::string_view name) {
  const Lock lock(mutex_);
  const auto found = pins_.find(name);
  if (found == pins_.end()) return std::nullopt;
  const std::uint64_t id = id_of(found->second.get());
  return PinState{std::string{name}, id, spaces_[id].mark};
}

std::vector<PinState> FakeNamespaces::all() {
  const Lock lock(mutex_);
  std::vector<PinState> out;
  for (const auto& [name, fd] : pins_) out.push_back({name, id_of(fd.get()), spaces_[id_of(fd.get())].mark});
  return out;
}

void FakeNamespaces::create(std::string_view name, std::string_view uid) {
  Lock lock(mutex_);
  count_change();
  if (const auto there = pins_.find(name); there != pins_.end()) {
    if (space(there->second.get()).mark != uid) throw Error{Code::conflict, "a network namespace of this name exists"};
    return;
  }
  unique_fd made = fresh();
  space(made.get()).mark = uid;
  pins_[std::string{name}] = std::move(made);
  tell_pins(lock);
}

void FakeNamespaces::adopt(std::string_view name, std::string_view uid) {
  const Lock lock(mutex_);
  count_change();
  const auto there = pins_.find(name);
  if (there == pins_.end()) throw Error{Code::not_found, "no network namespace is pinned"};
  std::string& mark = space(there->second.get()).mark;
  if (!mark.empty() && mark != uid) throw Error{Code::conflict, "it belongs to another object"};
  mark = uid;
}

void FakeNamespaces::release(std::string_view name, std::string_view uid) {
  const Lock lock(mutex_);
  const auto there = pins_.find(name);
  if (there != pins_.end() && space(there->second.get()).mark == uid) space(there->second.get()).mark.clear();
}

void FakeNamespaces::pin(std::string_view name, int netns) {
  Lock lock(mutex_);
  count_change();
  if (const auto there = pins_.find(name); there != pins_.end()) {
    if (id_of(there->second.get()) != id_of(netns)) throw Error{Code::conflict, "a network namespace of this name exists"};
    return;
  }
  pins_[std::string{name}] = unique_fd{::fcntl(netns, F_DUPFD_CLOEXEC, 3)};
  tell_pins(lock);
}

bool FakeNamespaces::remove(std::string_view name, std::string_view uid) {
  Lock lock(mutex_);
  const auto there = pins_.find(name);
  if (there == pins_.end() || uid.empty() || space(there->second.get()).mark != uid) return false;
  pins_.erase(there);
  tell_pins(lock);
  return true;
}

unique_fd FakeNamespaces::open(std::string_view name) {
  const Lock lock(mutex_);
  const auto there = pins_.find(name);
  if (there == pins_.end()) throw Error{Code::not_found, "no network namespace is pinned as " + std::string{name}};
  return copy(there->second);
}

std::uint64_t FakeNamespaces::inode(std::string_view name) {
  const Lock lock(mutex_);
  const auto there = pins_.find(name);
  return there == pins_.end() ? 0 : id_of(there->second.get());
}

unique_fd FakeNamespaces::parking() {
  const Lock lock(mutex_);
  if (!parking_) parking_ = fresh();
  return copy(parking_);
}

void FakeNamespaces::keep(std::string_view key, int netns) {
  const Lock lock(mutex_);
  kept_[std::string{key}] = unique_fd{::fcntl(netns, F_DUPFD_CLOEXEC, 3)};
}

unique_fd FakeNamespaces::kept(std::string_view key) {
  const Lock lock(mutex_);
  const auto there = kept_.find(key);
  return there == kept_.end() ? unique_fd{} : copy(there->second);
}

void FakeNamespaces::let_go(std::string_view key) {
  const Lock lock(mutex_);
  if (const auto there = kept_.find(key); there != kept_.end()) kept_.erase(there);
}

std::vector<std::string> FakeNamespaces::keys() {
  const Lock lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [key, fd] : kept_) out.push_back(key);
  return out;
}

std::shared_ptr<void> FakeNamespaces::listen(Listener listener) {
  const Lock lock(mutex_);
  const int number = next_listener_++;
  listeners_[number] = std::move(listener);
  return {nullptr, [this, number](void*) {
            const Lock guard(mutex_);
            listeners_.erase(number);
          }};
}

void FakeNamespaces::follow(const std::string& key, int netns) {
  const Lock lock(mutex_);
  followed_[key] = netns < 0 ? unique_fd{} : unique_fd{::fcntl(netns, F_DUPFD_CLOEXEC, 3)};
}

void FakeNamespaces::forget(const std::string& key) {
  const Lock lock(mutex_);
  followed_.erase(key);
}

unique_fd FakeNamespaces::foreign_netns(std::string_view name) {
  Lock lock(mutex_);
  pins_[std::string{name}] = fresh();
  unique_fd out = copy(pins_[std::string{name}]);
  tell_pins(lock);
  return out;
}

void FakeNamespaces::foreign_unpin(std::string_view name) {
  Lock lock(mutex_);
  pins_.erase(pins_.find(name));
  tell_pins(lock);
}

void FakeNamespaces::add_process(int netns, ProcessState process) {
  const Lock lock(mutex_);
  space(netns).processes.push_back(std::move(process));
}

void FakeNamespaces::boot() {
  const Lock lock(mutex_);
  spaces_.clear();
  pins_.clear();
  kept_.clear();
  followed_.clear();
  parking_.reset();
}

std::string FakeNamespaces::text() {
  const Lock lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [name, fd] : pins_) all.push_back("pin:" + name + " ");
  for (const auto& [id, space] : spaces_)
    for (const auto& [index, link] : space.links) all.push_back("end:" + link.state.name + " ");
  std::sort(all.begin(), all.end());
  std::string out;
  for (const std::string& one : all) out += one;
  return out;
}

}  // namespace sovirt::fakes
