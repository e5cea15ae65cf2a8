#include "daemon/domain/ids.hpp"

#include <sys/random.h>

#include "daemon/base/error.hpp"

namespace sovirt {

std::string random_id(std::size_t length) {
  static constexpr char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string id(length, '\0');
  if (::getrandom(id.data(), length, 0) != static_cast<ssize_t>(length)) throw errno_error("getrandom");
  for (char& c : id) c = alphabet[static_cast<unsigned char>(c) & 31U];
  return id;
}

std::string new_uid(std::string_view instance) { return std::string{instance} + "-" + random_id(12); }

bool uid_is_of(std::string_view uid, std::string_view instance) noexcept {
  return uid.size() > instance.size() && uid.substr(0, instance.size()) == instance && uid[instance.size()] == '-';
}

std::string_view uid_random(std::string_view uid) noexcept {
  const auto dash = uid.rfind('-');
  return dash == std::string_view::npos ? uid : uid.substr(dash + 1);
}

std::string nic_host_name(std::string_view uid, std::size_t index) {
  static constexpr char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  return "v" + std::string{uid_random(uid)} + digits[index % 36];
}

std::string container_group(std::string_view name, std::string_view uid) {
  return std::string{name} + "." + std::string{uid_random(uid)};
}

bool is_nic_host_name(std::string_view name) noexcept { return name.size() == 14 && name.front() == 'v'; }

}  // namespace sovirt
