#pragma once
#include <string>

namespace sovirt {

// Why this host cannot checkpoint processes, in the words of `criu check`. Blocks for a moment, at most ten seconds.
std::string checkpoint_obstacle();

}  // namespace sovirt
