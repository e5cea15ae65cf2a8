#include "daemon/kernel/filter/forwarding.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt::filter {
namespace {

const std::string v4_switch = "/proc/sys/net/ipv4/ip_forward";
const std::string v6_folder = "/proc/sys/net/ipv6/conf/";
const std::string v6_switch = v6_folder + "all/forwarding";

std::string localnet_switch(const std::string& bridge) { return "/proc/sys/net/ipv4/conf/" + bridge + "/route_localnet"; }

std::optional<std::string> read(const std::string& path) {
  std::ifstream in(path);
  std::string value;
  if (!(in >> value)) return std::nullopt;
  return value;
}

void write(const std::string& path, const char* value) {
  const unique_fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file || ::write(file.get(), value, 1) != 1) throw errno_error("write", path);
}

bool write_quietly(const std::string& path, const char* value) noexcept {
  const unique_fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  return file && ::write(file.get(), value, 1) == 1;
}

}  // namespace

Json Forwarding::load() const {
  std::ifstream in(record_);
  if (!in) return Json::object();
  Json recorded = Json::parse(in, nullptr, false);
  return recorded.is_object() ? recorded : Json::object();
}

void Forwarding::save(const Json& recorded) const {
  if (recorded.empty()) {
    ::unlink(record_.c_str());
    return;
  }
  const std::string next = record_ + ".next";
  std::ofstream out(next, std::ios::trunc);
  out << recorded.dump();
  out.close();
  if (!out) throw Error{Code::internal, "cannot write " + next};
  std::filesystem::rename(next, record_);
}

// A host that forwards IPv6 no longer listens to its routers unless told so (accept_ra 2): it would lose its default
// route some minutes after sovirt made it forward.
void Forwarding::keep_router_advertisements(Json& recorded) const {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(v6_folder, none)) {
    const std::string name = entry.path().filename(), path = entry.path().string() + "/accept_ra";
    if (name == "all" || name == "default" || name == "lo" || read(path) != "1" || read(entry.path().string() + "/forwarding") != "0") continue;
    recorded["accept_ra"].push_back(name);
    save(recorded);
    write_quietly(path, "2");
  }
}

void Forwarding::switch_on(const Needs& needs) {
  Json recorded = load();
  if (needs.v4 && read(v4_switch) == "0") {
    recorded["ipv4"] = true;
    save(recorded);   // before: a crash between leaves a record of what did not happen, which is harmless
    write(v4_switch, "1");
  }
  if (needs.v6 && read(v6_switch) == "0") {
    recorded["ipv6"] = true;
    keep_router_advertisements(recorded);
    save(recorded);
    write(v6_switch, "1");
  }
  for (const std::string& bridge : needs.localnet)
    if (read(localnet_switch(bridge)) == "0") write(localnet_switch(bridge), "1");   // gone with the bridge: no record
}

void Forwarding::switch_off(const Needs& needs, bool others) {
  Json recorded = load();
  if (recorded.empty()) return;
  if (!needs.v4 && recorded.contains("ipv4")) {
    if (!others) write_quietly(v4_switch, "0");
    recorded.erase("ipv4");
  }
  if (!needs.v6 && recorded.contains("ipv6")) {
    if (!others) {
      write_quietly(v6_switch, "0");
      for (const Json& name : recorded.value("accept_ra", Json::array())) write_quietly(v6_folder + name.get<std::string>() + "/accept_ra", "1");
    }
    recorded.erase("ipv6");
    recorded.erase("accept_ra");
  }
  save(recorded);
}

bool Forwarding::is_on(const Needs& needs) {
  if (needs.v4 && read(v4_switch) == "0") return false;
  if (needs.v6 && read(v6_switch) == "0") return false;
  return std::all_of(needs.localnet.begin(), needs.localnet.end(), [](const std::string& bridge) { return read(localnet_switch(bridge)) != "0"; });
}

}  // namespace sovirt::filter
