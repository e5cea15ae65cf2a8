#include "api/timestamp.hpp"

#include <array>
#include <cstdio>

namespace sovirt {
namespace {

// Reads the fixed-width pieces of RFC 3339 one after the other; once something does not fit, all is void.
class Scanner {
 public:
  explicit Scanner(std::string_view text) noexcept : text_(text) {}

  int number(std::size_t digits) noexcept {
    int value = 0;
    if (text_.size() < digits) return ok_ = false, 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return ok_ = false, 0;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return value;
  }
  bool accept(char c) noexcept {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) noexcept { ok_ = accept(c) && ok_; }
  // Digits after the point in microseconds; what is finer is cut off.
  int fraction() noexcept {
    int value = 0, unit = 100'000;
    std::size_t count = 0;
    for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; ++count, unit /= 10) {
      value += (text_.front() - '0') * unit;
      text_.remove_prefix(1);
    }
    ok_ = ok_ && count > 0;
    return value;
  }
  std::chrono::minutes zone() noexcept {
    if (accept('Z')) return std::chrono::minutes{0};
    const bool west = accept('-');
    if (!west) expect('+');
    const int hours = number(2);
    expect(':');
    const int minutes = number(2);
    ok_ = ok_ && hours < 24 && minutes < 60;
    return std::chrono::minutes{(west ? -1 : 1) * (hours * 60 + minutes)};
  }
  bool done() const noexcept { return ok_ && text_.empty(); }

 private:
  std::string_view text_;
  bool ok_ = true;
};

}  // namespace

Time now() noexcept {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::string rfc3339(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

std::optional<Time> parse_rfc3339(std::string_view text) noexcept {
  Scanner in{text};
  const int year = in.number(4);
  in.expect('-');
  const int month = in.number(2);
  in.expect('-');
  const int day = in.number(2);
  in.expect('T');
  const int hour = in.number(2);
  in.expect(':');
  const int minute = in.number(2);
  in.expect(':');
  const int second = in.number(2);
  const int micro = in.accept('.') ? in.fraction() : 0;
  const auto zone = in.zone();
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!in.done() || !date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return Time{std::chrono::sys_days{date}} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second} + std::chrono::microseconds{micro} - zone;
}

}  // namespace sovirt
