#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "tests/fakes/network/fake_network_kernel.hpp"
#include "tests/support/soon.hpp"

namespace sovirt::contract {

// A host to hold the port against, with the hands of somebody else on it. Both worlds have the same methods.
class FakeWorld {
 public:
  static std::string missing() { return {}; }
  NetworkKernel& kernel() { return kernel_; }
  void create_link(std::string_view name) { kernel_.foreign_create_link(name, "bridge"); }
  void delete_link(std::string_view name) { kernel_.foreign_delete_link(name); }
  void rename_link(std::string_view name, std::string_view to) { kernel_.foreign_rename_link(name, to); }
  void set_up(std::string_view name, bool up) { kernel_.foreign_change_link(name, {.mtu = {}, .mac = {}, .stp = {}, .up = up, .master = {}}); }
  void add_address(std::string_view link, const Cidr& cidr) { kernel_.foreign_add_address(link, cidr); }
  void remove_address(std::string_view link, const Cidr& cidr) { kernel_.foreign_remove_address(link, cidr); }
  std::optional<IpAddress> gateway_in(int netns) { return kernel_.gateway_in(netns); }
  void lose_events() { kernel_.lose_events(); }

 private:
  fakes::FakeNetworkKernel kernel_;
};

// This machine's kernel, in a network namespace made for this test: the host's own is not touched. The hands are
// iproute2's, so that nothing is checked with the code under test alone.
class RealWorld {
 public:
  RealWorld();
  static std::string missing();  // why it cannot be here, "" if it can
  NetworkKernel& kernel() { return *kernel_; }
  void create_link(std::string_view name);
  void delete_link(std::string_view name);
  void rename_link(std::string_view name, std::string_view to);
  void set_up(std::string_view name, bool up);
  void add_address(std::string_view link, const Cidr& cidr);
  void remove_address(std::string_view link, const Cidr& cidr);
  std::optional<IpAddress> gateway_in(int netns);
  void lose_events();  // more than a watcher's queue takes; its listener must be busy meanwhile

 private:
  std::unique_ptr<NetworkKernel> kernel_;
};

// Runs a program to its end; "" if it exits 0, otherwise the command line and its status.
std::string run(const std::vector<std::string>& command);

template <class World>
class Network : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = World::missing(); !why.empty()) GTEST_SKIP() << why;
    world_.emplace();
  }
  World& world() { return *world_; }
  NetworkKernel& kernel() { return world_->kernel(); }

 private:
  std::optional<World> world_;
};
using Worlds = testing::Types<FakeWorld, RealWorld>;

// The Error an action throws, nullopt if it throws none.
template <class Action>
std::optional<Error> error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

inline Cidr cidr(std::string_view text) { return Cidr::parse(text).value(); }
inline IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
inline Mac mac(std::string_view text) { return Mac::parse(text).value(); }

constexpr const char* bridge_uid = "abcdefgh-bridge234567";
inline BridgeLink bridge(std::string name = "brso1", std::string uid = bridge_uid) {
  return {.name = std::move(name), .uid = std::move(uid), .mac = mac("4a:49:43:49:79:01"), .mtu = 1500, .stp = false};
}

}  // namespace sovirt::contract
