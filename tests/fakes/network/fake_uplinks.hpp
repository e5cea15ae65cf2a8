#pragma once
#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "daemon/domain/ports/uplinks.hpp"
#include "tests/fakes/network/fake_network_kernel.hpp"

namespace sovirt::fakes {

// Addresses of the fake network's links, and routes as texts: "default via 10.0.0.1". Thread-safe.
// tests/contract/uplinks holds it to what the real one does.
class FakeUplinks final : public Uplinks {
 public:
  explicit FakeUplinks(FakeNetworkKernel& network) : network_(network) {}

  Belongings belongings(std::string_view link) override {
    const auto state = network_.find_link(link);
    if (!state) throw Error{Code::not_found, std::string{link} + " is not there"};
    const std::lock_guard lock(mutex_);
    Belongings all;
    all.addresses = state->addresses;
    for (const Cidr& cidr : state->addresses) all.address_data.push_back(cidr.text());
    all.route_data = routes_[std::string{link}];
    return all;
  }
  void give(std::string_view link, const Belongings& all) override {
    if (failure_) {
      const Error error = *failure_;
      failure_.reset();
      throw error;
    }
    for (const std::string& text : all.address_data) network_.add_address(link, Cidr::parse(text).value());
    const std::lock_guard lock(mutex_);
    auto& routes = routes_[std::string{link}];
    for (const std::string& text : all.route_data)
      if (std::find(routes.begin(), routes.end(), text) == routes.end()) routes.push_back(text);
  }
  void take(std::string_view link, const Belongings& all) override {
    for (const std::string& text : all.address_data) network_.remove_address(link, Cidr::parse(text).value());
    const std::lock_guard lock(mutex_);
    for (const std::string& text : all.route_data) std::erase(routes_[std::string{link}], text);
  }
  Belongings reachable(const Belongings& all, const std::vector<Cidr>& subnets) const override {
    Belongings chosen;
    for (const std::string& text : all.route_data) {
      const auto via = text.find(" via ");
      const auto gateway = via == std::string::npos ? std::nullopt : IpAddress::parse(text.substr(via + 5));
      if (gateway && std::any_of(subnets.begin(), subnets.end(), [&](const Cidr& cidr) { return cidr.contains(*gateway); })) chosen.route_data.push_back(text);
    }
    return chosen;
  }

  void add_route(std::string_view link, std::string text) {
    const std::lock_guard lock(mutex_);
    routes_[std::string{link}].push_back(std::move(text));
  }
  void fail_give(Error error) { failure_ = std::move(error); }   // the next one

 private:
  FakeNetworkKernel& network_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> routes_;
  std::optional<Error> failure_;
};

}  // namespace sovirt::fakes
