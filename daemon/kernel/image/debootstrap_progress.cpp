#include "daemon/kernel/image/debootstrap_progress.hpp"

#include <algorithm>

namespace sovirt::image {
namespace {

constexpr int fetch_from = 5, fetch_to = 45, extract_to = 60, install_to = 90;

// "I: Retrieving libc6 2.36-9" with verb "Retrieving" -> "libc6"
std::optional<std::string_view> object_of(std::string_view text, std::string_view verb) {
  if (!text.starts_with("I: ")) return std::nullopt;
  text.remove_prefix(3);
  if (!text.starts_with(verb) || text.size() <= verb.size() || text[verb.size()] != ' ') return std::nullopt;
  text.remove_prefix(verb.size() + 1);
  text = text.substr(0, text.find_first_of(" :"));
  while (text.ends_with('.')) text.remove_suffix(1);
  return text;
}

bool about_all(std::string_view object) {
  return object == "the" || object == "required" || object == "core" || object == "base";
}

int share(int from, int to, int done, int whole) { return from + (to - from) * std::min(done, whole) / std::max(whole, 1); }

}  // namespace

Progress DebootstrapProgress::at(int percent, std::string message) {
  percent_ = std::max(percent_, percent);
  return {percent_, std::move(message)};
}

std::optional<Progress> DebootstrapProgress::line(std::string_view text) {
  if (const auto name = object_of(text, "Retrieving")) {
    if (*name == "InRelease" || *name == "Release" || *name == "Release.gpg" || *name == "Packages") return at(2, "fetching the package lists");
    ++fetched_;
    return at(fetch_from + (fetch_to - fetch_from) * fetched_ / (fetched_ + 60), "fetching " + std::string(*name));
  }
  if (text.starts_with("I: Resolving dependencies")) return at(4, "resolving dependencies");
  if (const auto name = object_of(text, "Extracting"))
    return at(share(fetch_to, extract_to, ++extracted_, std::max(fetched_, 60)), "extracting " + std::string(*name));
  for (const auto& [verb, word] : {std::pair{"Unpacking", "unpacking "}, {"Configuring", "configuring "}, {"Installing", "installing "}}) {
    const auto name = object_of(text, verb);
    if (!name) continue;
    // Each package is unpacked once and configured once.
    if (about_all(*name)) return at(extract_to, "installing the packages");
    return at(share(extract_to, install_to, ++handled_, 2 * std::max(fetched_, 1)), word + std::string(*name));
  }
  if (text.starts_with("I: Base system installed")) return at(install_to, "installed");
  return std::nullopt;
}

}  // namespace sovirt::image
