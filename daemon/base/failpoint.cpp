#include "daemon/base/failpoint.hpp"

#ifdef SOVIRT_FAILPOINTS
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "daemon/base/error.hpp"

namespace sovirt::failpoint {
namespace {

struct Rule {
  std::string pattern;
  std::string action;
  int at = 0;  // 0: every time
  int seen = 0;
};

int errno_number(const std::string& name) {
  for (int number = 1; number < 134; ++number)
    if (const char* text = ::strerrorname_np(number); text && name == text) return number;
  return EIO;
}

std::vector<Rule> parse(const char* text) {
  std::vector<Rule> rules;
  std::string rest = text ? text : "";
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string one = rest.substr(0, comma);
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    const auto colon = one.rfind(':');  // names have colons too
    if (colon == std::string::npos) continue;
    Rule rule{one.substr(0, colon), one.substr(colon + 1)};
    if (const auto at = rule.action.find('@'); at != std::string::npos) {
      rule.at = std::atoi(rule.action.c_str() + at + 1);
      rule.action.resize(at);
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

bool matches(const std::string& pattern, std::string_view name) {
  if (!pattern.empty() && pattern.back() == '*')
    return name.substr(0, pattern.size() - 1) == std::string_view{pattern}.substr(0, pattern.size() - 1);
  return pattern == name;
}

void log_name(std::string_view name) {
  static const char* path = std::getenv("SOVIRT_FAILPOINT_LOG");
  if (!path) return;
  const int fd = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const std::string line = std::string{name} + "\n";
  if (::write(fd, line.data(), line.size()) < 0) { /* a lost line only shortens the log */ }
  ::close(fd);
}

void act(const Rule& rule, std::string_view name) {
  if (rule.action == "kill") ::kill(::getpid(), SIGKILL);
  if (rule.action.rfind("pause=", 0) == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(rule.action.c_str() + 6)));
  if (rule.action.rfind("error=", 0) == 0)
    throw errno_error(errno_number(rule.action.substr(6)), "failpoint", std::string{name});
}

}  // namespace

void reach(std::string_view name) {
  static std::mutex mutex;
  static std::vector<Rule> rules = parse(std::getenv("SOVIRT_FAILPOINT"));
  log_name(name);
  std::vector<Rule> due;
  {
    const std::lock_guard lock(mutex);
    for (Rule& rule : rules)
      if (matches(rule.pattern, name) && (++rule.seen == rule.at || rule.at == 0)) due.push_back(rule);
  }
  for (const Rule& rule : due) act(rule, name);
}

}  // namespace sovirt::failpoint
#endif
