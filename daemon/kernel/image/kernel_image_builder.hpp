#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/image_builder.hpp"

namespace sovirt {

struct ImageBuilderOptions {
  std::string images_dir;   // STATE/images
  std::string temp_dir;     // STATE/tmp, on the same file system; `build-*` and `remove-*` in it belong to the builder
};

std::unique_ptr<ImageBuilder> make_image_builder(ImageBuilderOptions);

}  // namespace sovirt
