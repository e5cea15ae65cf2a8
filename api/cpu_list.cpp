#include "api/cpu_list.hpp"

#include <charconv>

namespace sovirt {
namespace {

constexpr unsigned most_cpus = 8192;  // the largest CONFIG_NR_CPUS there is

std::optional<unsigned> parse_number(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || value >= most_cpus) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::set<unsigned>> parse_cpu_list(std::string_view text) {
  std::set<unsigned> all;
  for (;;) {
    const std::string_view part = text.substr(0, text.find(','));
    const auto dash = part.find('-');
    const auto first = parse_number(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !last || *first > *last) return std::nullopt;
    for (unsigned cpu = *first; cpu <= *last; ++cpu) all.insert(cpu);
    if (part.size() == text.size()) return all;
    text.remove_prefix(part.size() + 1);
  }
}

std::string cpu_list_text(const std::set<unsigned>& all) {
  std::string text;
  for (auto at = all.begin(); at != all.end();) {
    const unsigned first = *at;
    unsigned last = first;
    while (++at != all.end() && *at == last + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(first);
    if (last != first) text += "-" + std::to_string(last);
  }
  return text;
}

}  // namespace sovirt
