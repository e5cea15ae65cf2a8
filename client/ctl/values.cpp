#include "client/ctl/values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include "api/bytes.hpp"
#include "client/ctl/command.hpp"
#include "client/ctl/link_values.hpp"
#include "client/ctl/parser.hpp"

namespace sovirt::ctl {

namespace {

[[noreturn]] void wrong(const std::string& option, const std::string& text, const std::string& wanted) {
  throw UsageError(option + ": '" + text + "' is not " + wanted);
}

}  // namespace

std::pair<std::string, std::string> pair_of(const std::string& option, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) wrong(option, text, "of the form KEY=VALUE");
  return {text.substr(0, equals), text.substr(equals + 1)};
}

std::int64_t integer_of(const std::string& option, const std::string& text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) wrong(option, text, "a whole number");
  return value;
}

std::uint64_t size_of(const std::string& option, const std::string& text) {
  const auto bytes = parse_bytes(text);
  if (!bytes) wrong(option, text, "a size such as 512M or 2G");
  return *bytes;
}

std::chrono::nanoseconds duration_of(const std::string& option, const std::string& text) {
  const bool bare = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto duration = parse_duration(bare ? text + "s" : text);
  if (!duration) wrong(option, text, "a time such as 10s, 2m or 500ms");
  return *duration;
}

std::int64_t seconds_of(const std::string& option, const std::string& text) {
  return std::chrono::ceil<std::chrono::seconds>(duration_of(option, text)).count();
}

bool yes_no_of(const std::string& option, const std::string& text) {
  if (text == "yes" || text == "on" || text == "true") return true;
  if (text == "no" || text == "off" || text == "false") return false;
  wrong(option, text, "yes or no");
}

std::int64_t nanoseconds_of_cpus(const std::string& option, const std::string& text) {
  double cpus = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), cpus, std::chars_format::fixed);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size() || !(cpus > 0) || cpus > 1e6)
    wrong(option, text, "a number of CPUs such as 0.5 or 2");
  return std::llround(cpus * 100'000) * 1000;   // the kernel counts whole microseconds
}

// HOSTPORT[:PORT][/tcp|udp]
Json publish_of(const std::string& text) {
  const std::size_t slash = text.find('/'), colon = text.find(':');
  Json one{{"host_port", integer_of("--nic publish", text.substr(0, std::min(colon, slash)))}};
  if (colon < slash) one["port"] = integer_of("--nic publish", text.substr(colon + 1, slash == std::string::npos ? slash : slash - colon - 1));
  if (slash != std::string::npos) one["protocol"] = text.substr(slash + 1);
  return one;
}

Json nic_changes_of(const std::string& text) {
  static const std::vector<std::string> keys{"bridge", "netns", "none", "name", "mac", "address", "gateway", "mtu", "dhcp", "egress", "ingress", "publish", "peer", "peer-address"};
  Json nic = Json::object();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const auto [key, value] = pair_of("--nic", text.substr(begin, end - begin));
    begin = end + 1;
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      const std::string close = nearest(key, keys);
      throw UsageError("--nic: unknown key '" + key + "'",
                       close.empty() ? "keys: bridge, netns, none, name, mac, address, gateway, mtu, dhcp, egress, ingress, publish, peer, peer-address" : "did you mean '" + close + "'?");
    }
    if (key == "address") nic["addresses"].push_back(value);
    else if (key == "publish") nic["publish"].push_back(publish_of(value));
    else if (key == "egress" || key == "ingress") nic["rate"][key] = rate_of("--nic " + key, value);
    else if (key == "peer") nic["peer"]["name"] = value;
    else if (key == "peer-address") nic["peer"]["addresses"].push_back(value);
    else if (nic.contains(key)) throw UsageError("--nic: '" + key + "' is there twice");
    else if (key == "dhcp" || key == "none") nic[key] = yes_no_of("--nic " + key, value);
    else if (key == "mtu") nic[key] = integer_of("--nic mtu", value);
    else nic[key] = value;
  }
  return nic;
}

Json nic_of(const std::string& text) {
  Json nic = nic_changes_of(text);
  if (!nic.contains("bridge") && !nic.contains("netns") && !nic.contains("none"))
    throw UsageError("--nic: 'bridge' is missing", "for example --nic bridge=brso1,address=172.16.2.10/24; or netns=NAME, or none=yes");
  return nic;
}

Json label_changes(const std::vector<std::string>& words) {
  Json labels = Json::object();
  for (const std::string& word : words) {
    if (word.find('=') == std::string::npos && word.size() > 1 && word.back() == '-') {
      labels[word.substr(0, word.size() - 1)] = nullptr;
      continue;
    }
    auto [key, value] = pair_of("--label", word);
    labels[key] = value;
  }
  return labels;
}

Json labels_of(const std::vector<std::string>& words) {
  Json labels = Json::object();
  for (const std::string& word : words) {
    auto [key, value] = pair_of("--label", word);
    labels[key] = value;
  }
  return labels;
}

}  // namespace sovirt::ctl
