#include "daemon/base/error.hpp"

#include <cerrno>
#include <cstring>

namespace sovirt {
namespace {

struct CodeFacts {
  int status;
  std::string_view text;
  std::string_view title;
};

// A switch, not a table: a Code without its facts does not compile (-Wswitch -Werror).
CodeFacts facts(Code code) noexcept {
  switch (code) {
    case Code::malformed: return {400, "malformed", "Malformed request"};
    case Code::bad_name: return {400, "bad-name", "Not a valid name"};
    case Code::bad_query: return {400, "bad-query", "Not a valid query"};
    case Code::forbidden: return {403, "forbidden", "Not allowed"};
    case Code::not_found: return {404, "not-found", "Not found"};
    case Code::method_not_allowed: return {405, "method-not-allowed", "Method not allowed"};
    case Code::not_acceptable: return {406, "not-acceptable", "Not acceptable"};
    case Code::conflict: return {409, "conflict", "Conflict"};
    case Code::exists: return {409, "exists", "Exists already"};
    case Code::duplicate: return {409, "duplicate", "Held by something else"};
    case Code::in_use: return {409, "in-use", "In use"};
    case Code::busy: return {409, "busy", "Busy"};
    case Code::precondition_failed: return {412, "precondition-failed", "Precondition failed"};
    case Code::too_large: return {413, "too-large", "Too large"};
    case Code::unsupported_media_type: return {415, "unsupported-media-type", "Unsupported media type"};
    case Code::invalid: return {422, "invalid", "Invalid document"};
    case Code::header_too_large: return {431, "header-too-large", "Header too large"};
    case Code::cancelled: return {409, "cancelled", "Cancelled"};
    case Code::timed_out: return {504, "timed-out", "Timed out"};
    case Code::internal: return {500, "internal", "Internal error"};
    case Code::unsupported: return {501, "unsupported", "Not supported by this host"};
    case Code::unavailable: return {503, "unavailable", "Unavailable"};
    case Code::disk_full: return {507, "disk-full", "Disk full"};
  }
  return {500, "internal", "Internal error"};
}

constexpr Code all_codes[] = {
    Code::malformed, Code::bad_name, Code::bad_query, Code::forbidden, Code::not_found,
    Code::method_not_allowed, Code::not_acceptable, Code::conflict, Code::exists, Code::duplicate,
    Code::in_use, Code::busy, Code::precondition_failed, Code::too_large, Code::unsupported_media_type,
    Code::invalid, Code::header_too_large, Code::cancelled, Code::timed_out, Code::internal,
    Code::unsupported, Code::unavailable, Code::disk_full};

}  // namespace

std::string_view code_text(Code code) noexcept { return facts(code).text; }
int http_status(Code code) noexcept { return facts(code).status; }
std::string_view title_text(Code code) noexcept { return facts(code).title; }

Code code_from_text(std::string_view text) noexcept {
  for (const Code code : all_codes)
    if (facts(code).text == text) return code;
  return Code::internal;
}

Error errno_error(std::string syscall, std::string context) {
  return errno_error(errno, std::move(syscall), std::move(context));
}

Error errno_error(int number, std::string syscall, std::string context) {
  const Code code = number == ENOSPC || number == EDQUOT ? Code::disk_full : Code::internal;
  std::string detail = context.empty() ? syscall : context + ": " + syscall;
  detail += ": ";
  detail += ::strerrordesc_np(number) ? ::strerrordesc_np(number) : "unknown error";
  return Error{code, std::move(detail)}.with_errno(number, std::move(syscall));
}

Error field_error(std::string pointer, std::string code, std::string detail) {
  std::string whole = (pointer.empty() ? std::string{"the document"} : pointer) + ": " + detail;
  return Error{Code::invalid, std::move(whole)}.with_fields({{std::move(pointer), std::move(code), std::move(detail)}});
}

}  // namespace sovirt
