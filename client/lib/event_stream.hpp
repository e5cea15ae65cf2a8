#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace sovirt::client {

struct ServerEvent {
  std::string id, type, data;   // type "message" where the server named none
};

// text/event-stream as the HTML standard has it, fed with bytes as they come.
class EventStreamParser {
 public:
  using Handler = std::function<bool(const ServerEvent&)>;  // false: no more
  explicit EventStreamParser(Handler handler) : handler_(std::move(handler)) {}
  bool feed(std::string_view bytes);  // false once the handler said so

 private:
  bool take_line();
  Handler handler_;
  ServerEvent event_;
  std::string line_;
  bool has_data_ = false;
  bool after_cr_ = false;
};

}  // namespace sovirt::client
