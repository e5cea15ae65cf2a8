#include "daemon/server/reply_writer.hpp"

#include <boost/beast/http/status.hpp>

namespace sovirt {
namespace {

void add(std::string& out, std::string_view name, std::string_view value) { out.append(name).append(": ").append(value).append("\r\n"); }

}  // namespace

const std::string& ReplyWriter::date() {
  const std::time_t second = std::time(nullptr);
  if (second != date_of_) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    char text[64];
    const auto size = std::strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    date_.assign(text, size);
    date_of_ = second;
  }
  return date_;
}

void ReplyWriter::write(std::string& out, const Reply& reply, const Request& request, bool keep_alive) {
  const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(reply.status));
  out.clear();
  out.reserve(512 + reply.body.size());
  out.append("HTTP/1.1 ").append(std::to_string(reply.status)).append(" ").append(reason.data(), reason.size()).append("\r\n");
  out.append(server_).append(date());
  if (!request.id.empty()) add(out, "X-Request-Id", request.id);
  if (!reply.content_type.empty()) add(out, "Content-Type", reply.content_type);
  for (const auto& field : reply.headers) add(out, field.name, field.value);
  const bool bodiless = reply.status == 204 || reply.status == 304;
  const auto length = reply.source ? reply.length : std::optional<std::uint64_t>{reply.body.size()};
  if (!bodiless && !reply.stream && length) add(out, "Content-Length", std::to_string(*length));
  if (!bodiless && !reply.stream && !length && request.version == 11) add(out, "Transfer-Encoding", "chunked");
  if (!keep_alive) add(out, "Connection", "close");
  out.append("\r\n");
  if (!bodiless && request.method != "HEAD") out.append(reply.body);
}

}  // namespace sovirt
