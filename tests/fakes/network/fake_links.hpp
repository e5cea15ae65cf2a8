#pragma once
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt::fakes {

// One network namespace: its links by ifindex, each rule of the kernel that callers depend on, no locks.
class FakeLinks {
 public:
  struct Link {
    LinkState state;
    std::optional<std::uint64_t> peer_space;  // of a veth: the namespace of its other end
    int peer = 0;                             // and its ifindex there
    std::string end;                          // of a NIC: the mark of both ends, "<uid>:<name on the host>"
    std::uint64_t egress = 0;
  };

  FakeLinks();  // with lo, down

  Link& add(std::string_view name, std::string_view kind);  // Error{conflict} if the name is taken
  bool erase(int ifindex);
  Link* find(std::string_view name);
  Link* at(int ifindex);
  Link& require(std::string_view name);                     // Error{not_found}
  std::map<int, Link>& all() noexcept { return links_; }

  // All or nothing, by the kernel's rules for each of the fields. Throws Error.
  void change(Link& link, const LinkChange& change);
  bool add_address(Link& link, const Cidr& cidr);
  bool remove_address(Link& link, const Cidr& cidr);
  void set_gateway(const IpAddress& gateway);               // Error{invalid} if it cannot be reached
  const std::optional<IpAddress>& gateway() const noexcept { return gateway_; }

 private:
  std::map<int, Link> links_;
  std::optional<IpAddress> gateway_;
  int next_ = 1;
};

// As the kernel's adapter says it: errno, the message's name as syscall.
Error fake_error(Code code, int number, std::string message, std::string_view context);

}  // namespace sovirt::fakes
