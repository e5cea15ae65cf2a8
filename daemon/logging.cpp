#include "daemon/logging.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <syslog.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <vector>

namespace sovirt {
namespace {

// JOURNAL_STREAM=DEVICE:INODE names the journal's end of our stderr; a redirected stderr has another inode.
bool stderr_is_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  if (!stream || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

std::string quoted(std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(" \"=\n\t\\") == std::string_view::npos;
  if (plain) return std::string{text};
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out + "\"";
}

class StderrLog final : public Log {
 public:
  explicit StderrLog(spdlog::level::level_enum level) : logger_("sovirtd", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(level);
    logger_.set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
    logger_.flush_on(spdlog::level::trace);
  }
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    const auto at = spdlog_level(level);
    if (!logger_.should_log(at)) return;
    std::string line{message};
    for (const auto& [key, value] : fields)
      if (!value.empty()) line.append(" ").append(key).append("=").append(quoted(value));
    logger_.log(at, spdlog::string_view_t{line.data(), line.size()});
  }
  static spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
      case LogLevel::debug: return spdlog::level::debug;
      case LogLevel::info: return spdlog::level::info;
      case LogLevel::warning: return spdlog::level::warn;
      case LogLevel::error: return spdlog::level::err;
    }
    return spdlog::level::info;
  }

 private:
  spdlog::logger logger_;
};

class JournalLog final : public Log {
 public:
  explicit JournalLog(LogLevel least) : least_(least) {}
  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) override {
    if (level < least_) return;
    std::vector<std::string> lines{"MESSAGE=" + std::string{message}, "PRIORITY=" + std::to_string(priority(level)),
                                   "SYSLOG_IDENTIFIER=sovirtd"};
    for (const auto& [key, value] : fields) {
      if (value.empty()) continue;
      std::string name = "SOVIRT_" + std::string{key};
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
      lines.push_back(name + "=" + std::string{value});
      lines[0].append(" ").append(key).append("=").append(quoted(value));
    }
    std::vector<iovec> parts;
    for (std::string& line : lines) parts.push_back({line.data(), line.size()});
    ::sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
  }

 private:
  static int priority(LogLevel level) {
    switch (level) {
      case LogLevel::debug: return LOG_DEBUG;
      case LogLevel::info: return LOG_INFO;
      case LogLevel::warning: return LOG_WARNING;
      case LogLevel::error: return LOG_ERR;
    }
    return LOG_INFO;
  }
  LogLevel least_;
};

LogLevel level_from(const std::string& text) {
  if (text == "debug") return LogLevel::debug;
  if (text == "warning") return LogLevel::warning;
  return text == "error" ? LogLevel::error : LogLevel::info;
}

}  // namespace

std::unique_ptr<Log> make_log(const std::string& level) {
  const LogLevel least = level_from(level);
  if (stderr_is_the_journal()) return std::make_unique<JournalLog>(least);
  return std::make_unique<StderrLog>(StderrLog::spdlog_level(least));
}

}  // namespace sovirt
