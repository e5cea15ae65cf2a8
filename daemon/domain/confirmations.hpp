#pragma once
#include <string_view>

#include "daemon/domain/service.hpp"

namespace sovirt {

// Changes that are undone unless somebody says in time that he can still reach the host (ChangeContext::confirm_within).
class Confirmations {
 public:
  virtual ~Confirmations() = default;
  // The last change stays. Throws Error{not_found} for no such bridge, Error{conflict} if nothing waits.
  virtual ChangeResult confirm(std::string_view bridge, const ChangeContext&) = 0;
};

}  // namespace sovirt
