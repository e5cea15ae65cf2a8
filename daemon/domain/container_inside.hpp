#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "api/json.hpp"

namespace sovirt {

// What goes on inside a container. Everything blocks and belongs on the pool. Throws Error.
class ContainerInside {
 public:
  virtual ~ContainerInside() = default;
  virtual Json processes(std::string_view container) = 0;   // {"items":[…]}
  // Of one that runs or not. nullopt: one is made up. Gives the password that is in force then.
  virtual std::string set_password(std::string_view container, const std::string& user, const std::optional<std::string>& password) = 0;
};

}  // namespace sovirt
