#pragma once
#include <ctime>
#include <string>

#include "daemon/server/message.hpp"

namespace sovirt {

// The bytes of an answer. Keeps what is the same from answer to answer.
class ReplyWriter {
 public:
  explicit ReplyWriter(const std::string& version) : name_("sovirtd/" + version), server_("Server: " + name_ + "\r\n") {}
  // Replaces `out`. No body for HEAD, 204 and 304; for a stream the head alone, ended by closing.
  void write(std::string& out, const Reply&, const Request&, bool keep_alive);
  const std::string& server() const noexcept { return name_; }

 private:
  const std::string& date();

  std::string name_, server_, date_;
  std::time_t date_of_ = 0;
};

}  // namespace sovirt
