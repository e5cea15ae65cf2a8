// What a test does behind the port's back, and the life of namespaces.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "tests/fakes/network/fake_network_kernel.hpp"

namespace sovirt::fakes {

FakeNetworkKernel::Operation::Operation(FakeNetworkKernel& kernel, Kind kind) : kernel_(kernel), lock_(kernel.mutex_) {
  kernel_.bury_spaces();
  if (kind == Kind::port) kernel_.count_call();
}

FakeNetworkKernel::Operation::~Operation() {
  kernel_.refresh_carrier();
  lock_.unlock();
  kernel_.hub_.flush();
}

void FakeNetworkKernel::count_call() {
  ++calls_;
  const auto found = failures_.find(calls_);
  if (found == failures_.end()) return;
  const Error error = found->second;
  failures_.erase(found);
  throw error;
}

void FakeNetworkKernel::fail_call(int n, Error error) {
  const std::lock_guard lock{mutex_};
  failures_.insert_or_assign(calls_ + n, std::move(error));
}

int FakeNetworkKernel::calls() {
  const std::lock_guard lock{mutex_};
  return calls_;
}

void FakeNetworkKernel::bury_spaces() {
  std::vector<SpaceId> dead;
  for (const auto& [id, space] : spaces_) {
    pollfd wait{space.reader.get(), 0, 0};
    if (id != 0 && ::poll(&wait, 1, 0) > 0 && (wait.revents & POLLHUP) != 0) dead.push_back(id);
  }
  for (const SpaceId id : dead) {
    std::vector<int> indices;
    for (const auto& [index, link] : spaces_[id].links.all()) indices.push_back(index);
    for (const int index : indices) erase(id, index);
    spaces_.erase(id);
  }
}

FakeNetworkKernel::SpaceId FakeNetworkKernel::id_of(int netns) {
  struct stat about{};
  if (::fstat(netns, &about) != 0) throw errno_error("setns", "network namespace");
  if (about.st_ino == 0 || !spaces_.contains(about.st_ino)) throw errno_error(EINVAL, "setns", "network namespace");
  return about.st_ino;
}

void FakeNetworkKernel::tell(const LinkState& link, bool gone) { hub_.push({link.ifindex, link.name, gone}, false); }

void FakeNetworkKernel::erase(SpaceId from, int ifindex) {
  Link* const link = space(from).links.at(ifindex);
  if (link == nullptr) return;
  const auto peer_space = link->peer_space;
  const int peer = link->peer;
  if (from == 0) tell(link->state, true);
  space(from).links.erase(ifindex);
  if (!peer_space || !spaces_.contains(*peer_space)) return;
  FakeLinks& other = space(*peer_space).links;
  if (const Link* const end = other.at(peer); end != nullptr && *peer_space == 0) tell(end->state, true);
  other.erase(peer);
}

// Carrier follows from everything else: a veth has it when both ends are up, a bridge when one of its ports has.
void FakeNetworkKernel::refresh_carrier() {
  for (auto& [id, space] : spaces_)
    for (auto& [index, link] : space.links.all()) {
      link.state.carrier = link.state.up;
      if (!link.peer_space) continue;
      const auto other = spaces_.find(*link.peer_space);
      const Link* const end = other == spaces_.end() ? nullptr : other->second.links.at(link.peer);
      link.state.carrier = link.state.up && end != nullptr && end->state.up;
    }
  for (auto& [index, bridge] : host().all()) {
    if (bridge.state.kind != "bridge") continue;
    bridge.state.carrier = false;
    for (const auto& [other, port] : host().all())
      if (port.state.master == index && port.state.carrier) bridge.state.carrier = bridge.state.up;
  }
}

void FakeNetworkKernel::foreign_create_link(std::string_view name, std::string_view kind) {
  const Operation operation{*this};
  tell(host().add(name, kind).state);
}

void FakeNetworkKernel::foreign_delete_link(std::string_view name) {
  const Operation operation{*this};
  erase(0, host().require(name).state.ifindex);
}

void FakeNetworkKernel::foreign_rename_link(std::string_view name, std::string_view to) {
  const Operation operation{*this};
  Link& link = host().require(name);
  if (host().find(to) != nullptr) throw fake_error(Code::conflict, EEXIST, "RTM_NEWLINK", to);
  link.state.name = to;
  tell(link.state);
}

void FakeNetworkKernel::foreign_change_link(std::string_view name, const LinkChange& change) {
  const Operation operation{*this};
  Link& link = host().require(name);
  host().change(link, change);
  tell(link.state);
}

void FakeNetworkKernel::foreign_add_address(std::string_view link, const Cidr& cidr) {
  const Operation operation{*this};
  Link& found = host().require(link);
  if (host().add_address(found, cidr)) tell(found.state);
}

void FakeNetworkKernel::foreign_remove_address(std::string_view link, const Cidr& cidr) {
  const Operation operation{*this};
  Link& found = host().require(link);
  if (!host().remove_address(found, cidr)) throw fake_error(Code::invalid, EADDRNOTAVAIL, "RTM_DELADDR", link);
  tell(found.state);
}

void FakeNetworkKernel::foreign_remove_mark(std::string_view link) {
  const Operation operation{*this};
  Link& found = host().require(link);
  found.state.mark.clear();
  tell(found.state);
}

void FakeNetworkKernel::lose_events() {
  const Operation operation{*this};
  hub_.push({}, true);
}

void FakeNetworkKernel::add_process(pid_t pid, int netns) {
  unique_fd held{::fcntl(netns, F_DUPFD_CLOEXEC, 0)};
  if (!held) throw errno_error("fcntl");
  const Operation operation{*this};
  processes_.insert_or_assign(pid, std::move(held));
}

void FakeNetworkKernel::remove_process(pid_t pid) {
  const Operation operation{*this};
  processes_.erase(pid);
}

std::optional<IpAddress> FakeNetworkKernel::gateway_in(int netns) {
  const Operation operation{*this};
  return space(id_of(netns)).links.gateway();
}

}  // namespace sovirt::fakes
