#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/live_changes.hpp"

namespace sovirt {

// `directory` and `boot_id` as the launcher's options have them.
std::unique_ptr<LiveChanges> make_live_changes(std::string directory, std::string boot_id);

}  // namespace sovirt
