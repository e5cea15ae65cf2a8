#include "client/ctl/escape_keys.hpp"

namespace sovirt::ctl {

std::string EscapeKeys::pass(std::string_view typed) {
  constexpr char control_a = 1;
  std::string passed;
  for (const char key : typed) {
    if (leaves_) break;
    if (!begun_) {
      begun_ = key == control_a;
      if (!begun_) passed += key;
      continue;
    }
    begun_ = false;
    leaves_ = key == 'q' || key == 'Q';
    if (leaves_) break;
    passed += control_a;
    if (key != control_a) passed += key;
  }
  return passed;
}

}  // namespace sovirt::ctl
