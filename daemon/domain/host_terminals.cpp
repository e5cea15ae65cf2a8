#include "daemon/domain/host_terminals.hpp"

#include <algorithm>

#include "daemon/base/error.hpp"
#include "daemon/domain/ids.hpp"

namespace sovirt {

EntryPtr need_running(const Catalog& catalog, std::string_view name) {
  EntryPtr entry = catalog.need(Kind::container, name);
  if (entry->runtime.state == "running") return entry;
  throw Error{Code::conflict, object_ref(Kind::container, name) + " is " + entry->runtime.state}.with_hint(
      entry->runtime.state == "frozen" ? "thaw it first" : "start it first");
}

namespace {

constexpr std::uint64_t most_history = 256 * 1024, scrollback = 64 * 1024;

// Not in the middle of a line, if that can be.
void begin_at_line(OpenConsole& console) {
  const auto end = console.history.find('\n');
  if (console.begin == 0 || end == std::string::npos) return;
  console.history.erase(0, end + 1);
  console.begin += end + 1;
}

}  // namespace

std::unique_ptr<ExecSession> HostTerminals::open_exec(std::string_view container, const SessionRequest& request) {
  return kernel_.launcher.terminals().open_exec(need_running(catalog_, container)->resource.uid, request);
}

OpenConsole HostTerminals::open_console(std::string_view container, const ConsoleRequest& request) {
  const EntryPtr entry = catalog_.need(Kind::container, container);
  if (!entry->runtime.alive())
    throw Error{Code::conflict, object_ref(Kind::container, container) + " is " + entry->runtime.state}.with_hint("start it first; its log can be read");
  OpenConsole console;
  console.uid = entry->resource.uid;
  console.watch = kernel_.launcher.terminals().watch_console(console.uid);
  console.read_log = [&launcher = kernel_.launcher, path = containers_.log_path(console.uid)](std::uint64_t since, std::size_t most) {
    return launcher.console_log(path, since, most);
  };
  const std::uint64_t end = console.watch->begin();
  const std::uint64_t back = request.since ? most_history : request.scrollback ? scrollback : 0;
  const std::uint64_t oldest = end > back ? end - back : 0;
  Launcher::Log log = console.read_log(request.since ? std::max(*request.since, oldest) : oldest, most_history);
  console.history = std::move(log.bytes);
  console.begin = log.end - console.history.size();
  if (request.scrollback && !request.since) begin_at_line(console);
  return console;
}

std::uint64_t HostTerminals::log_offset(std::string_view container, Time since) {
  return kernel_.launcher.log_offset(containers_.log_path(catalog_.need(Kind::container, container)->resource.uid), since);
}

}  // namespace sovirt
