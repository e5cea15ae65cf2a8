#pragma once
#include <string_view>

#include "api/json.hpp"
#include "api/limits.hpp"

namespace sovirt {

enum class GroupState { absent, differs, same };

// What is in force in the groups of CgroupTree, and what they use. Thread-safe. Throws Error.
class CgroupMeters {
 public:
  virtual ~CgroupMeters() = default;

  // Can this host enforce it? Throws Error{unsupported} naming the controller, Error{invalid} for a CPU, node or disk
  // that is not there.
  virtual void check(const LimitsSpec&) = 0;
  // Is that in the group's files? absent: the group lacks in a hierarchy at least.
  virtual GroupState compare(std::string_view group, const LimitsSpec&) = 0;
  virtual bool frozen(std::string_view group) = 0;                     // itself; a group above may be too
  // {"cpu":{"version","path","limits":{"weight":{"requested","effective","file"},…}},…}: the contract's `controllers`.
  // `everything`: of every controller there is; otherwise what is asked only, which spares reading a dozen files.
  virtual Json controllers(std::string_view group, const LimitsSpec& asked, bool everything) = 0;
  // {"cpu":{…},"memory":{…},"pids":{…},"io":{…},"pressure":{…}}, null where this host does not account it.
  virtual Json stats(std::string_view group) = 0;
};

}  // namespace sovirt
