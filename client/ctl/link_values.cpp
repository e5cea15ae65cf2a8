#include "client/ctl/link_values.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include <nlohmann/json.hpp>

#include "client/ctl/command.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

namespace {

const std::vector<std::string> keys{"netns", "bridge", "container", "host", "name", "address", "mac", "mtu", "up", "egress", "ingress"};

void put(Json& end, const std::string& key, const std::string& value) {
  if (std::find(keys.begin(), keys.end(), key) == keys.end())
    throw UsageError("END: unknown key '" + key + "'", "keys: netns, bridge, container, host, name, address, mac, mtu, up, egress, ingress");
  if (key == "address") end["addresses"].push_back(value);
  else if (end.contains(key)) throw UsageError("END: '" + key + "' is there twice");
  else if (key == "mtu") end[key] = integer_of("END mtu", value);
  else if (key == "up") end[key] = yes_no_of("END up", value);
  else if (key == "egress" || key == "ingress") end["rate"][key] = rate_of("END " + key, value);
  else end[key] = value;
}

}  // namespace

Json endpoint_of(const std::string& text) {
  Json end = Json::object();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, comma - begin);
    begin = comma + 1;
    if (word == "host") {
      end["host"] = true;
      continue;
    }
    const auto [key, value] = pair_of("END", word);
    put(end, key, value);
  }
  return end;
}

Json rate_of(const std::string& option, const std::string& text) {
  if (text == "none" || text == "0") return nullptr;
  std::uint64_t factor = 1;
  std::string digits = text;
  for (const auto& [letter, value] : {std::pair{'k', 1'000ULL}, {'K', 1'000ULL}, {'M', 1'000'000ULL}, {'G', 1'000'000'000ULL}}) {
    if (digits.empty() || digits.back() != letter) continue;
    factor = value;
    digits.pop_back();
    break;
  }
  const std::int64_t number = integer_of(option, digits);
  if (number <= 0 || static_cast<std::uint64_t>(number) > std::numeric_limits<std::int64_t>::max() / factor)
    throw UsageError(option + ": \"" + text + "\" is not a rate", "for example 10M, which is 10,000,000 bit/s");
  return static_cast<std::uint64_t>(number) * factor;
}

}  // namespace sovirt::ctl
