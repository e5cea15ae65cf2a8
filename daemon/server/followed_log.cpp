#include "daemon/server/followed_log.hpp"

#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"

namespace sovirt {

bool FollowedLog::alive() const {
  const Json container = service_.get(Kind::container, container_);
  const std::string state = container.at("status").at("state").get<std::string>();
  return state == "running" || state == "frozen";
}

std::string FollowedLog::read(std::size_t most) {
  try {
    more_ = alive();   // before its last words are read
    Launcher::Log log = service_.log(container_, at_, most);
    at_ = log.end;
    return std::move(log.bytes);
  } catch (const Error& error) {
    if (error.code() != Code::not_found) throw;
    more_ = false;   // deleted, or renamed
    return {};
  }
}

}  // namespace sovirt
