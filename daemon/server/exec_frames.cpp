#include "daemon/server/exec_frames.hpp"

#include <limits>

#include <nlohmann/json.hpp>

#include "daemon/server/signal_names.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_control_bytes = 256;

std::uint16_t read_extent(const Json& size, const char* name) {
  const auto found = size.find(name);
  if (found == size.end() || !found->is_number_integer()) throw Violation(CloseCode::invalid_payload, "a resize is {\"rows\":N,\"cols\":N}");
  const auto value = found->get<std::int64_t>();
  if (value < 1 || value > std::numeric_limits<std::uint16_t>::max() || (found->is_number_unsigned() && found->get<std::uint64_t>() > 65535))
    throw Violation(CloseCode::policy, std::string{name} + " is not between 1 and 65535");
  return static_cast<std::uint16_t>(value);
}

WindowSize read_size(std::string_view bytes) {
  const Json size = Json::parse(bytes, nullptr, false);
  if (!size.is_object()) throw Violation(CloseCode::invalid_payload, "a resize is {\"rows\":N,\"cols\":N}");
  return {read_extent(size, "rows"), read_extent(size, "cols")};
}

int read_signal(std::string_view bytes) {
  const Json given = Json::parse(bytes, nullptr, false);
  const bool named = given.is_object() && given.contains("signal");
  const int number = given.is_discarded() ? signal_number(bytes) : read_signal_number(named ? given.at("signal") : given);
  if (number == 0) throw Violation(CloseCode::policy, "there is no such signal");
  return number;
}

}  // namespace

ClientFrame read_client_frame(std::string_view message, bool binary) {
  if (!binary) throw Violation(CloseCode::unsupported_data, "messages are binary here");
  if (message.empty()) throw Violation(CloseCode::policy, "a message without a channel");
  ClientFrame frame;
  frame.channel = static_cast<Channel>(message.front());
  const auto bytes = message.substr(1);
  const bool control = frame.channel == Channel::resize || frame.channel == Channel::signal;
  if (control && bytes.size() > most_control_bytes) throw Violation(CloseCode::too_big, "this channel takes 256 bytes");
  switch (frame.channel) {
    case Channel::input: frame.bytes = bytes; return frame;
    case Channel::resize: frame.size = read_size(bytes); return frame;
    case Channel::signal: frame.signal = read_signal(bytes); return frame;
    default: throw Violation(CloseCode::policy, "a client has no channel " + std::to_string(static_cast<unsigned>(frame.channel)));
  }
}

std::string write_end_frame(const ExitStatus& status) {
  Json end{{"code", nullptr}, {"signal", nullptr}};
  if (status.code) end["code"] = *status.code;
  if (status.signal) end["signal"] = *status.signal;
  return std::string(1, static_cast<char>(Channel::end)) + end.dump();
}

}  // namespace sovirt
