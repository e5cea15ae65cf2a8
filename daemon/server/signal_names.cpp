#include "daemon/server/signal_names.hpp"

#include <signal.h>

#include <charconv>
#include <cstring>
#include <string>

#include <nlohmann/json.hpp>

namespace sovirt {

int signal_number(std::string_view text) noexcept {
  if (text.starts_with("SIG")) text.remove_prefix(3);
  int value = 0;
  const auto number = [&](std::string_view digits) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  if (text.starts_with("RTMIN+") && number(text.substr(6))) value += SIGRTMIN;
  else if (!number(text)) {
    for (int signal = 1; signal < SIGRTMIN; ++signal)
      if (const char* known = ::sigabbrev_np(signal); known != nullptr && text == known) return signal;
    return 0;
  }
  return value >= 1 && value <= SIGRTMAX ? value : 0;
}

int read_signal_number(const Json& value) {
  if (value.is_string()) return signal_number(value.get<std::string>());
  if (!value.is_number_integer()) return 0;
  const auto number = value.get<std::int64_t>();
  return number >= 1 && number <= SIGRTMAX ? static_cast<int>(number) : 0;
}

}  // namespace sovirt
