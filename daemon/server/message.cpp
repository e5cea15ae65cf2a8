#include "daemon/server/message.hpp"

#include <nlohmann/json.hpp>

namespace sovirt {

const std::string* Request::header(std::string_view lower_case_name) const noexcept {
  for (const auto& field : headers)
    if (field.name == lower_case_name) return &field.value;
  return nullptr;
}

const std::string* Request::parameter(std::string_view key) const noexcept {
  for (const auto& [name, value] : query)
    if (name == key) return &value;
  return nullptr;
}

std::string to_text(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Reply json_reply(int status, const Json& document) {
  Reply reply;
  reply.status = status;
  reply.body = to_text(document);
  return reply;
}

Reply empty_reply(int status) {
  Reply reply;
  reply.status = status;
  reply.content_type.clear();
  return reply;
}

}  // namespace sovirt
