#pragma once
#include <initializer_list>
#include <string_view>
#include <utility>

namespace sovirt {

enum class LogLevel { debug, info, warning, error };
using LogField = std::pair<std::string_view, std::string_view>;  // "request_id", "…"

// Where the domain writes what an operator reads. Thread-safe.
class Log {
 public:
  virtual ~Log() = default;
  virtual void write(LogLevel, std::string_view message, std::initializer_list<LogField> fields) = 0;

  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::debug, message, fields); }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::info, message, fields); }
  void warning(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::warning, message, fields); }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) { write(LogLevel::error, message, fields); }
};

}  // namespace sovirt
