#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/helpers.hpp"

namespace sovirt {

struct HelperOptions {
  std::string folder;    // /run/sovirt/helpers: a folder for each
  std::string libexec;   // "{libexec}" in arguments: where programs of sovirt's own lie
  std::string boot_id;   // of this boot: a process of another one is gone whatever /proc says
};

std::unique_ptr<Helpers> make_helpers(const HelperOptions&);

}  // namespace sovirt
