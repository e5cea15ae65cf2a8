#include "daemon/kernel/helper/helper_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "daemon/base/error.hpp"

namespace sovirt::helper {
namespace {

constexpr const char* identity_file = "identity.json";
constexpr const char* log_file = "log";

}  // namespace

bool HelperFolder::exists() const noexcept {
  std::error_code none;
  return std::filesystem::is_directory(path_, none);
}

void HelperFolder::create() const {
  std::filesystem::create_directories(path_);
  // What gives up root, as dnsmasq does, reads its files again later.
  ::chmod(path_.c_str(), 0755);
}

void HelperFolder::remove() const noexcept {
  std::error_code none;
  std::filesystem::remove_all(path_, none);
}

bool HelperFolder::write(std::string_view file, std::string_view content) const {
  if (read(file) == content) return false;
  const std::string target = path_ + "/" + std::string{file}, next = target + ".next";
  {
    const unique_fd out{::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (!out) throw errno_error("open", next);
    if (::write(out.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) throw errno_error("write", next);
  }
  if (::rename(next.c_str(), target.c_str()) != 0) throw errno_error("rename", target);
  return true;
}

std::optional<std::string> HelperFolder::read(std::string_view file) const {
  std::ifstream in(path_ + "/" + std::string{file}, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>(in), {}};
}

std::string HelperFolder::fill(std::string text) const {
  constexpr std::string_view place = "{dir}";
  for (std::size_t at = text.find(place); at != std::string::npos; at = text.find(place, at + path_.size())) text.replace(at, place.size(), path_);
  return text;
}

void HelperFolder::remember(const Identity& who) const {
  write(identity_file, Json{{"pid", who.pid}, {"start_ticks", who.start_ticks}, {"boot_id", who.boot_id}, {"digest", who.digest}}.dump());
}

std::optional<Identity> HelperFolder::identity() const {
  const auto text = read(identity_file);
  const Json json = text ? Json::parse(*text, nullptr, false) : Json();
  if (!json.is_object()) return std::nullopt;
  return Identity{json.value("pid", 0), json.value("start_ticks", std::uint64_t{0}), json.value("boot_id", ""), json.value("digest", "")};
}

unique_fd HelperFolder::open_log() const {
  const std::string path = path_ + "/" + log_file;
  unique_fd log{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644)};
  if (!log) throw errno_error("open", path);
  return log;
}

std::string HelperFolder::last_words() const {
  std::istringstream lines(read(log_file).value_or(""));
  std::string line, last = "it said nothing";
  while (std::getline(lines, line))
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line.substr(line.find_first_not_of(" \t\r"), 300);
  return last;
}

std::uint64_t start_ticks_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::size_t end = text.rfind(')');   // the name may hold anything
  if (end == std::string::npos || end + 2 >= text.size()) return 0;
  std::istringstream fields(text.substr(end + 2));
  std::string field;
  if (fields >> field; field == "Z" || field == "X") return 0;
  for (int i = 0; i < 18; ++i) fields >> field;
  std::uint64_t ticks = 0;
  fields >> ticks;   // field 22 of proc(5)
  return ticks;
}

unique_fd open_process(const Identity& who, const std::string& boot_id) {
  if (who.pid <= 1 || who.start_ticks == 0 || who.boot_id != boot_id) return {};
  unique_fd process{static_cast<int>(::syscall(SYS_pidfd_open, who.pid, 0))};
  if (!process || start_ticks_of(who.pid) != who.start_ticks) return {};
  return process;
}

std::string digest_of(const HelperSpec& spec) {
  Json all{{"program", spec.program}, {"arguments", spec.arguments}, {"files", spec.files}};
  std::uint64_t hash = 14695981039346656037ULL;   // FNV-1a: tells one spec from another, keeps no secret
  for (const char byte : all.dump()) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211ULL;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace sovirt::helper
