#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sovirt::failpoint {

// A named place where a test makes the program die, fail or pause.
//   SOVIRT_FAILPOINT=name:kill | name:error=ENOSPC | name:pause=MS , several separated by commas;
//   `name:kill@3` acts at the third time only; a name may end in `*`.
// SOVIRT_FAILPOINT_LOG=FILE appends each name reached, so that a test can learn them all.
// Without SOVIRT_FAILPOINTS at compile time reach() is empty and the name is not in the binary.
#ifdef SOVIRT_FAILPOINTS
void reach(std::string_view name);  // throws Error for error=, never returns for kill
#else
inline void reach(std::string_view) {}
#endif

}  // namespace sovirt::failpoint
