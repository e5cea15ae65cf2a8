#pragma once
#include <nlohmann/json_fwd.hpp>

namespace sovirt {
using Json = nlohmann::json;
}
