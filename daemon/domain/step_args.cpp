#include "daemon/domain/step_args.hpp"

#include <nlohmann/json.hpp>

namespace sovirt {

std::string text(const Json& args, const char* key) { return args.at(key).get<std::string>(); }

}  // namespace sovirt
