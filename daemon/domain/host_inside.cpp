#include "daemon/domain/host_inside.hpp"

#include <algorithm>
#include <charconv>

#include "api/timestamp.hpp"
#include "daemon/base/error.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/passwords.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_account_bytes = 1 << 20;   // of a file of accounts, which is the container's to write

// Fields of a line of passwd(5) or shadow(5).
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (std::size_t at = 0; at <= line.size();) {
    const auto end = std::min(line.find(':', at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

template <typename Look>
void each_line(std::string_view text, Look&& look) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    look(text.substr(at, end - at));
    at = end + 1;
  }
}

Json process_json(const ContainerProcess& process, const std::map<uid_t, std::string>& names) {
  const auto name = names.find(process.uid);
  return {{"pid", process.id.pid},
          {"inside_pid", process.inside ? Json(*process.inside) : Json()},
          {"parent_pid", process.parent},
          {"uid", process.uid},
          {"user", name != names.end() ? Json(name->second) : Json()},
          {"state", std::string(1, process.state)},
          {"cpu_ns", process.cpu_ns},
          {"memory_bytes", process.memory_bytes},
          {"name", process.name},
          {"command", process.command}};
}

}  // namespace

EntryPtr HostInside::need_alive(std::string_view name) const {
  EntryPtr entry = catalog_.need(Kind::container, name);
  if (entry->runtime.alive()) return entry;
  throw Error{Code::conflict, object_ref(Kind::container, name) + " is " + entry->runtime.state}.with_hint("start it first");
}

std::string HostInside::read_file(std::string_view container, const std::string& path, FileFacts& facts) {
  const auto source = files_.read(container, path, facts);
  std::string text;
  for (std::string block; text.size() <= most_account_bytes && !(block = source->read(65536)).empty();) text += block;
  if (text.size() > most_account_bytes) throw Error{Code::conflict, path + " of the container is larger than any file of accounts"};
  return text;
}

std::map<uid_t, std::string> HostInside::user_names(std::string_view container) {
  std::map<uid_t, std::string> names;
  try {
    FileFacts facts;
    each_line(read_file(container, "/etc/passwd", facts), [&](std::string_view line) {
      const auto fields = fields_of(line);
      uid_t uid = 0;
      if (fields.size() < 3 || fields[0].size() > 64) return;
      const auto [end, error] = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), uid);
      if (error == std::errc{} && end == fields[2].data() + fields[2].size()) names.emplace(uid, fields[0]);
    });
  } catch (const Error&) {
    // A root file system need not have accounts.
  }
  return names;
}

Json HostInside::processes(std::string_view container) {
  const EntryPtr entry = need_alive(container);
  const auto pids = kernel_.cgroups.processes(container_group(entry->resource.name, entry->resource.uid));
  const auto names = user_names(container);
  Json items = Json::array();
  for (const ContainerProcess& process : kernel_.launcher.describe(pids)) {
    // A hand of the monitor's own is in the group too, a child of it that is not the container's first process.
    const bool ours = process.parent == entry->runtime.monitor.pid && process.id != entry->runtime.init && process.name == "sovirt-agent";
    if (!ours) items.push_back(process_json(process, names));
  }
  return {{"items", std::move(items)}};
}

std::string HostInside::set_password(std::string_view container, const std::string& user, const std::optional<std::string>& password) {
  catalog_.need(Kind::container, container);
  const std::string wanted = password.value_or(password ? "" : generate_password());
  FileFacts facts;
  const std::string before = read_file(container, "/etc/shadow", facts);
  const std::string hash = hash_password(wanted);
  std::string after;
  bool found = false;
  each_line(before, [&](std::string_view line) {
    const auto fields = fields_of(line);
    if (fields.size() < 2 || fields[0] != user) {
      after.append(line).append("\n");
      return;
    }
    found = true;
    after.append(user).append(":").append(hash).append(":").append(std::to_string(std::chrono::duration_cast<std::chrono::days>(now().time_since_epoch()).count()));
    for (std::size_t i = 3; i < fields.size(); ++i) after.append(":").append(fields[i]);
    after.append("\n");
  });
  if (!found) throw field_error("/user", "not-found", "/etc/shadow of the container has no user " + user);
  const auto target = files_.write(container, "/etc/shadow", {facts.mode, facts.uid, facts.gid, false});
  target->write(after);
  target->finish();
  return wanted;
}

}  // namespace sovirt
