#include "client/ctl/problem_text.hpp"

#include <cerrno>
#include <system_error>

#include "client/ctl/command.hpp"
#include "client/lib/api_client.hpp"

namespace sovirt::ctl {

namespace {

std::string error_line(const std::string& detail, bool colour) { return styled("error:", Style::bad, colour) + " " + printable(detail) + "\n"; }

std::string more(const std::string& label, const std::string& value, Style style, bool colour) {
  return value.empty() ? "" : "  " + styled(printable(label) + ":", style, colour) + " " + printable(value) + "\n";
}

Failure unreachable(const client::ConnectError& error, bool colour) {
  const int number = error.error_number();
  const std::string reason = std::generic_category().message(number);
  if (number == EACCES || number == EPERM)
    return {error_line("you may not use " + error.path() + ": " + reason, colour) +
                more("hint", "only root and members of the group sovirt may change things: use sudo, or 'sudo adduser \"$USER\" sovirt' and log in again",
                     Style::info, colour),
            Exit::forbidden};
  return {error_line("no daemon answers at " + error.path() + ": " + reason, colour) +
              more("hint", "start it with 'sudo systemctl start sovirtd', or 'sudo sovirtd' where there is no systemd; another socket is named by --socket or SOVIRT_SOCKET",
                   Style::info, colour),
          Exit::unavailable};
}

}  // namespace

Exit exit_of(Code code) noexcept {
  switch (code) {
    case Code::not_found: return Exit::not_found;
    case Code::conflict:
    case Code::exists:
    case Code::duplicate:
    case Code::in_use:
    case Code::busy:
    case Code::precondition_failed: return Exit::conflict;
    case Code::malformed:
    case Code::bad_name:
    case Code::bad_query:
    case Code::too_large:
    case Code::unsupported_media_type:
    case Code::invalid:
    case Code::header_too_large: return Exit::invalid;
    case Code::forbidden: return Exit::forbidden;
    case Code::unsupported: return Exit::unsupported;
    case Code::unavailable: return Exit::unavailable;
    case Code::cancelled:
    case Code::timed_out: return Exit::ended_early;
    case Code::method_not_allowed:
    case Code::not_acceptable:
    case Code::internal:
    case Code::disk_full: return Exit::failed;
  }
  return Exit::failed;
}

Failure describe(const Error& error, const std::string& request_id, bool colour) {
  const auto& fields = error.fields();
  // The detail often is the first wrong field once more: said twice it would not be clearer.
  const bool several = fields.size() > 1;
  const bool repeats = !fields.empty() && error.detail().find((several ? fields.front().pointer + ": " : "") + fields.front().detail) != std::string::npos;
  std::string text = error_line(repeats && several ? std::to_string(fields.size()) + " values are wrong" : error.detail(), colour);
  for (const FieldError& field : fields) {
    const std::string where = field.pointer.empty() ? "the request" : field.pointer;
    if (several || !repeats) text += more(where, field.detail, Style::warn, colour);
    else if (error.detail().find(where) == std::string::npos && !field.pointer.empty()) text += more("field", where, Style::warn, colour);
  }
  for (const std::string& holder : error.conflicts_with()) text += more("held by", holder, Style::warn, colour);
  if (error.error_number() != 0)
    text += more("system", (error.syscall().empty() ? "" : error.syscall() + ": ") + std::generic_category().message(error.error_number()), Style::dim, colour);
  text += more("hint", error.hint(), Style::info, colour);
  text += more("request id", request_id, Style::dim, colour);
  return {text, exit_of(error.code())};
}

Failure describe(const std::exception& error, bool colour) {
  if (const auto* api = dynamic_cast<const client::ApiError*>(&error)) return describe(api->error(), api->request_id(), colour);
  if (const auto* known = dynamic_cast<const Error*>(&error)) return describe(*known, "", colour);
  if (const auto* usage = dynamic_cast<const UsageError*>(&error))
    return {error_line(usage->what(), colour) + more("hint", usage->hint(), Style::info, colour), Exit::usage};
  if (const auto* connect = dynamic_cast<const client::ConnectError*>(&error)) return unreachable(*connect, colour);
  if (dynamic_cast<const client::WaitedTooLong*>(&error) != nullptr) return {error_line(error.what(), colour), Exit::ended_early};
  if (dynamic_cast<const client::ProtocolError*>(&error) != nullptr) return {error_line(error.what(), colour), Exit::unavailable};
  if (dynamic_cast<const client::Interrupted*>(&error) != nullptr) return {"interrupted\n", Exit::interrupted};
  return {error_line(error.what(), colour), Exit::failed};
}

}  // namespace sovirt::ctl
