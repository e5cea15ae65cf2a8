#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/link.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// One end of a link. It is found by its mark, the altname "sovirt:" + mark, whatever its name and index.
struct LinkEnd {
  int netns = -1;                      // descriptor of the namespace it is in; -1: the host's
  std::string mark;                    // "<uid>:0"
};

// All there is to an end. `configure` makes it so.
struct EndState {
  std::string name;
  Mac mac{{}};
  unsigned mtu = 1500;
  bool up = true;
  std::string bridge;                  // it is a port of; "": of none
  std::vector<Cidr> addresses;
  std::uint64_t egress = 0;            // bit/s it may send; 0: no limit of ours
};

struct FoundEnd {
  EndState state;                      // bridge: the name of its master, whatever that is
  int ifindex = 0, peer = 0;
  bool carrier = false;
  std::string kind;                    // "veth", …
};

// Links by their ends, wherever these are. Thread-safe. Throws Error.
class LinkEnds {
 public:
  virtual ~LinkEnds() = default;
  virtual std::optional<FoundEnd> find(const LinkEnd&) = 0;
  // A veth pair with both ends in place and marked, down, of these names. Error{conflict} if a name is taken.
  virtual void make_pair(const LinkEnd& a, const EndState&, const LinkEnd& b, const EndState&) = 0;
  // Any other type, as `spec` says. Error{unsupported} naming what the kernel lacks.
  virtual void make_single(const LinkEnd&, const EndState&, const LinkSpec& spec) = 0;
  virtual void configure(const LinkEnd&, const EndState&) = 0;             // idempotent, in place
  virtual void move(const LinkEnd&, int netns, std::string_view name) = 0; // keeps the other end as it is
  virtual bool remove(const LinkEnd&) = 0;                                 // of a pair, both; false: was absent
};

}  // namespace sovirt
