#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/limits.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"

namespace sovirt {

// What is to be told of a group.
struct GroupWish {
  bool files = false;       // limits that are written and directories that are removed, by anybody, us included
  bool below = false;       // groups in it are part of it: a container's own; the processes killed in them are its
  std::vector<PressureTrigger> pressure;
  bool operator==(const GroupWish&) const = default;
};

struct GroupEvent {
  enum class What { changed, out_of_memory, pressure };
  What what = What::changed;
  std::string key;          // of the group, as it was given
  std::uint64_t kills = 0;             // out_of_memory
  std::vector<KilledProcess> victims;  // fewer than kills: the kernel did not say of the others
  PressureTrigger trigger;             // pressure
};

// Hears from the kernel what happens to groups of CgroupTree; nothing is polled. Thread-safe.
class CgroupWatch {
 public:
  using Listener = std::function<void(const GroupEvent&)>;
  virtual ~CgroupWatch() = default;

  // From now on, or with another wish. Returns at once; a group that is absent, or what this host cannot tell, is left out.
  virtual void watch(std::string_view group, std::string_view key, const GroupWish&) = 0;
  virtual void forget(std::string_view key) = 0;
  // Called from a thread of the watch's own, as long as the handle lives. One listener at a time.
  virtual std::shared_ptr<void> listen(Listener) = 0;
};

}  // namespace sovirt
