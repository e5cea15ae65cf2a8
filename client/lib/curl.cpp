#include "client/lib/curl.hpp"

#include <algorithm>

#include "client/lib/uri.hpp"

namespace sovirt::client {

std::string curl_command(const std::string& socket_path, const HttpRequest& request) {
  const bool stream = std::find(request.headers.begin(), request.headers.end(),
                                std::pair<std::string, std::string>{"Accept", "text/event-stream"}) != request.headers.end();
  std::string line = "curl";
  if (stream) line += " -N";  // unbuffered, or events come in lumps
  line += " --unix-socket " + shell_quote(socket_path);
  if (request.upload >= 0) line += " -T " + shell_quote(request.upload_name);
  else if (request.method != "GET") line += " -X " + request.method;
  for (const auto& [name, value] : request.headers)
    if (name != "User-Agent" && !(name == "Accept" && value == "application/json"))
      line += " -H " + shell_quote(name + ": " + value);
  if (!request.body.empty()) line += " --data-raw " + shell_quote(request.body);
  return line + " " + shell_quote("http://localhost" + request.target);
}

}  // namespace sovirt::client
