#include "client/lib/event_stream.hpp"

#include <utility>

namespace sovirt::client {

bool EventStreamParser::feed(std::string_view bytes) {
  for (const char c : bytes) {
    const bool second_of_pair = c == '\n' && after_cr_;
    after_cr_ = c == '\r';
    if (second_of_pair) continue;
    if (c != '\n' && c != '\r') {
      line_ += c;
    } else if (!take_line()) {
      return false;
    }
  }
  return true;
}

bool EventStreamParser::take_line() {
  const std::string line = std::exchange(line_, {});
  if (line.empty()) {
    bool more = true;
    if (has_data_) {
      if (event_.type.empty()) event_.type = "message";
      more = handler_(event_);
    }
    event_.type.clear();  // the id stays in force, as the standard says
    event_.data.clear();
    has_data_ = false;
    return more;
  }
  const std::size_t colon = line.find(':');
  const std::string field = line.substr(0, colon);
  std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.erase(0, 1);
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.type = value;
  } else if (field == "id") {
    event_.id = value;
  }
  return true;
}

}  // namespace sovirt::client
