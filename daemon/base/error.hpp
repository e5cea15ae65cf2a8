#pragma once
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace sovirt {

// What went wrong, in the terms a client can act on. Each has one stable text (the `code` of a
// problem document) and one HTTP status; both are in error.cpp, in switches the compiler checks.
enum class Code {
  malformed,               // 400 bytes, HTTP or JSON syntax
  bad_name,                // 400 a name that no object can have
  bad_query,               // 400 unknown or wrong query parameter
  forbidden,               // 403
  not_found,               // 404
  method_not_allowed,      // 405
  not_acceptable,          // 406
  conflict,                // 409 the object's state, or a foreign object, forbids it
  exists,                  // 409 create-only, and it is there
  duplicate,               // 409 a MAC, address or subnet that something else holds
  in_use,                  // 409 something depends on it
  busy,                    // 409 another operation is at work on it
  precondition_failed,     // 412
  too_large,               // 413
  unsupported_media_type,  // 415
  invalid,                 // 422 well-formed but wrong; see fields
  header_too_large,        // 431
  cancelled,               // 409 the operation was cancelled by its owner
  timed_out,               // 504 something the request waited for did not come
  internal,                // 500 a bug of ours, or an error nobody expected
  unsupported,             // 501 this kernel or host lacks it
  unavailable,             // 503
  disk_full,               // 507
};

std::string_view code_text(Code) noexcept;     // "not-found"
int http_status(Code) noexcept;                // 404
std::string_view title_text(Code) noexcept;    // "Not found"
Code code_from_text(std::string_view) noexcept;  // unknown text: Code::internal

// One wrong field. `pointer` is an RFC 6901 JSON pointer into the request body, "" for the whole.
struct FieldError {
  std::string pointer;
  std::string code;  // "required", "unknown-field", "type", "range", "format", "duplicate-key", ...
  std::string detail;
};

// The one exception type of kernel, store and domain code.
class Error : public std::exception {
 public:
  Error(Code code, std::string detail) : code_(code), detail_(std::move(detail)) {}

  const char* what() const noexcept override { return detail_.c_str(); }
  Code code() const noexcept { return code_; }
  const std::string& detail() const noexcept { return detail_; }

  Error& with_hint(std::string hint) & { hint_ = std::move(hint); return *this; }
  Error&& with_hint(std::string hint) && { hint_ = std::move(hint); return std::move(*this); }
  Error&& with_conflicts(std::vector<std::string> names) && { conflicts_ = std::move(names); return std::move(*this); }
  Error&& with_fields(std::vector<FieldError> fields) && { fields_ = std::move(fields); return std::move(*this); }
  Error&& with_errno(int number, std::string syscall) && {
    errno_ = number; syscall_ = std::move(syscall); return std::move(*this);
  }

  const std::string& hint() const noexcept { return hint_; }
  const std::vector<std::string>& conflicts_with() const noexcept { return conflicts_; }  // "container/web"
  const std::vector<FieldError>& fields() const noexcept { return fields_; }
  int error_number() const noexcept { return errno_; }           // 0: not from a system call
  const std::string& syscall() const noexcept { return syscall_; }

 private:
  Code code_;
  std::string detail_;
  std::string hint_;
  std::vector<std::string> conflicts_;
  std::vector<FieldError> fields_;
  int errno_ = 0;
  std::string syscall_;
};

// An Error from errno (or the number given). ENOSPC and EDQUOT become disk_full, everything else
// internal: a caller that knows better catches the number where it arises.
// `syscall` is the call as a reader knows it: "mkdirat", "RTM_NEWLINK". `context` says of what.
Error errno_error(std::string syscall, std::string context = {});
Error errno_error(int number, std::string syscall, std::string context = {});

// One wrong field as a whole Error.
Error field_error(std::string pointer, std::string code, std::string detail);

}  // namespace sovirt
