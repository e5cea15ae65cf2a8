#pragma once
#include <string>

#include "client/lib/http_message.hpp"

namespace sovirt::client {

// The curl command that sends the same request, on one line, ready to be pasted into a shell.
std::string curl_command(const std::string& socket_path, const HttpRequest&);

}  // namespace sovirt::client
