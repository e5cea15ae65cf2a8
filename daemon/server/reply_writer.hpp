#pragma once
#include <ctime>
#include <string>

#include "daemon/server/message.hpp"

namespace sovirt {

// The bytes of an answer. Keeps what is the same from answer to answer.
class ReplyWriter {
 public:
  explicit ReplyWriter(const std::string& version) : server_("Server: sovirtd/" + version + "\r\n") {}
  // Replaces `out`. No body for HEAD, 204 and 304; for a stream the head alone, ended by closing.
  void write(std::string& out, const Reply&, const Request&, bool keep_alive);

 private:
  const std::string& date();

  std::string server_, date_;
  std::time_t date_of_ = 0;
};

}  // namespace sovirt
