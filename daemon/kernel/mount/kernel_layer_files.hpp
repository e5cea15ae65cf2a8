#pragma once
#include <memory>

#include "daemon/domain/ports/layer_files.hpp"

namespace sovirt {

std::unique_ptr<LayerFiles> make_layer_files();

}  // namespace sovirt
