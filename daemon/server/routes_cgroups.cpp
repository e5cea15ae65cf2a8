#include <charconv>

#include "api/bytes.hpp"
#include "api/reader.hpp"
#include "daemon/domain/cgroup_calls.hpp"
#include "daemon/server/handling.hpp"
#include "daemon/server/header_values.hpp"
#include "daemon/server/routes.hpp"
#include "daemon/server/stats_rates.hpp"

namespace sovirt {
namespace {

constexpr std::chrono::milliseconds shortest_window{10};
constexpr std::chrono::seconds longest_window{60};

Reply processes(const Call& call) { return json_reply(200, call.service.cgroups().processes(name_of(call))); }

Reply add_processes(const Call& call) {
  const auto context = read_change(call, std::nullopt);
  const auto request = read_processes_request(read_body(call));
  return json_reply(request.pid == 0 ? 201 : 200, call.service.cgroups().add_processes(name_of(call), request, context));
}

Reply release(const Call& call) {
  const auto context = read_change(call, std::nullopt);
  const std::string& text = call.request.params.at(1);
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size() || pid <= 0) throw Error{Code::bad_name, "\"" + text + "\" is not a pid"};
  call.service.cgroups().release_process(name_of(call), pid, context);
  return empty_reply();
}

Reply kill(const Call& call) {
  const auto context = read_change(call, std::nullopt);
  std::vector<FieldError> errors;
  const Json body = read_body(call);
  ObjectReader{body, "", errors}.finish();
  throw_if_any(std::move(errors));
  call.service.cgroups().kill_processes(name_of(call), context);
  return empty_reply();
}

// Two looks, a window apart, and no thread that waits between them.
Reply stats(const Call& call, Kind kind) {
  CgroupCalls& cgroups = call.service.cgroups();
  Json first = cgroups.stats(kind, name_of(call));
  const auto* text = call.request.parameter("window");
  if (text == nullptr) return json_reply(200, first);
  const auto window = parse_duration(*text);
  if (!window || *window < shortest_window || *window > longest_window)
    throw Error{Code::bad_query, "window must be a time from 10ms to 60s, such as 1s"};
  Hold hold;
  hold.longest = std::chrono::ceil<std::chrono::milliseconds>(*window);
  hold.subscribe = [](const std::function<void()>&) { return std::shared_ptr<void>{}; };
  hold.look = [&cgroups, kind, name = name_of(call), first = std::move(first), begun = std::chrono::steady_clock::now()](
                  bool over) -> std::optional<Reply> {
    if (!over) return std::nullopt;
    Json last = cgroups.stats(kind, name);
    add_rates(last, first, std::chrono::steady_clock::now() - begun);
    return json_reply(200, last);
  };
  Reply reply;
  reply.hold = std::make_shared<Hold>(std::move(hold));
  return reply;
}

void add_stats(Router& router, Kind kind) {
  router.add({.method = "GET", .pattern = "/v1/" + std::string{kind_plural(kind)} + "/{name}/stats", .where = Where::loop,
              .summary = "What a " + std::string{kind_text(kind)} + " uses: CPU time and throttling, memory, processes, I/O, pressure",
              .query = {{"window", "string", "answer after that long (1s; at most 60s), with rates over it"}},
              .answers = {{200, "CgroupStats", "read from the kernel's files now"}}, .kind = kind,
              .handler = [kind](const Call& call) { return stats(call, kind); }});
}

}  // namespace

void add_cgroup_routes(Router& router) {
  const std::string one = "/v1/cgroups/{name}";
  router.add({.method = "GET", .pattern = one + "/processes", .access = Access::read_private, .summary = "The processes in it",
              .answers = {{200, "ProcessList", "without those of cgroups that lie in it"}}, .kind = Kind::cgroup, .handler = processes});
  router.add({.method = "POST", .pattern = one + "/processes", .access = Access::write, .body = BodyKind::json,
              .summary = "Move a running process of the host into it, or start a command there", .request_schema = "ProcessesRequest",
              .answers = {{200, "ProcessList", "those that were moved"}, {201, "ProcessList", "the one that was started"}},
              .kind = Kind::cgroup, .handler = add_processes});
  router.add({.method = "DELETE", .pattern = one + "/processes/{pid}", .access = Access::write,
              .summary = "Move a process out of it, to the top of each hierarchy", .answers = {{204, "", "moved"}}, .kind = Kind::cgroup,
              .handler = release});
  router.add({.method = "POST", .pattern = one + "/actions/kill", .access = Access::write, .body = BodyKind::optional_json,
              .summary = "End all processes in it and in what lies in it, by SIGKILL", .request_schema = "Empty",
              .answers = {{204, "", "none is left"}}, .kind = Kind::cgroup, .handler = kill});
  add_stats(router, Kind::cgroup);
  add_stats(router, Kind::container);
  router.add({.method = "GET", .pattern = "/v1/stats", .where = Where::loop, .summary = "What all running containers and all cgroups use",
              .answers = {{200, "StatsList", "read from the kernel's files now"}},
              .handler = [](const Call& call) { return json_reply(200, call.service.cgroups().all_stats()); }});
}

}  // namespace sovirt
