#pragma once
#include <memory>

#include "daemon/domain/ports/archives.hpp"
#include "daemon/kernel/image/kernel_image_builder.hpp"

namespace sovirt {

std::unique_ptr<Archives> make_archives(ImageBuilderOptions);

}  // namespace sovirt
