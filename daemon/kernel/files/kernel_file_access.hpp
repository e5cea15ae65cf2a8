#pragma once
#include <memory>

#include "daemon/domain/ports/file_access.hpp"

namespace sovirt {

std::unique_ptr<FileAccess> make_file_access();

}  // namespace sovirt
