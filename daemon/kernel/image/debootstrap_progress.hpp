#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "daemon/domain/ports/image_builder.hpp"

namespace sovirt::image {

// Turns the lines debootstrap prints into percents. How many packages there will be it never says: fetching therefore
// approaches its end, and unpacking is measured by the number fetched.
class DebootstrapProgress {
 public:
  // nullopt for lines that tell no progress.
  std::optional<Progress> line(std::string_view text);

 private:
  Progress at(int percent, std::string message);
  int fetched_ = 0, extracted_ = 0, handled_ = 0;
  int percent_ = 1;
};

}  // namespace sovirt::image
