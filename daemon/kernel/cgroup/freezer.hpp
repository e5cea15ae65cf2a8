#pragma once
#include "daemon/kernel/cgroup/cgroup_files.hpp"

namespace sovirt {

// Each returns when the whole group is in that state. Error{timed_out} at the deadline; a freeze is taken back then.
void set_frozen_v1(int group, bool frozen, const Deadline&);  // of the freezer hierarchy
void set_frozen_v2(int group, bool frozen, const Deadline&);  // Error{unsupported} before Linux 5.2

// Was that group itself told to freeze, whatever those above it were?
bool is_frozen(int group);

}  // namespace sovirt
