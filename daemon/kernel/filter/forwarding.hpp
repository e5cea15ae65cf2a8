#pragma once
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt::filter {

// The switches of /proc/sys/net that forwarding needs. What was switched on is kept in a file of the run directory
// (which does not outlive a boot, like the switches), so that it is switched off again and nothing else is.
// Source: Documentation/networking/ip-sysctl.rst. Not thread-safe.
class Forwarding {
 public:
  struct Needs {
    bool v4 = false, v6 = false;
    std::vector<std::string> localnet;   // bridges over which 127.0.0.1 is led to a container
    bool operator==(const Needs&) const = default;
  };
  explicit Forwarding(std::string record) : record_(std::move(record)) {}

  void switch_on(const Needs&);          // what is missing
  // What is no longer needed and was switched on here. `others`: somebody else filters what is forwarded, so forwards
  // himself perhaps; the two global switches stay as they are.
  void switch_off(const Needs&, bool others);
  static bool is_on(const Needs&);

 private:
  Json load() const;
  void save(const Json&) const;
  void keep_router_advertisements(Json& recorded) const;

  std::string record_;
};

}  // namespace sovirt::filter
