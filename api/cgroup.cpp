#include "api/cgroup.hpp"

#include <nlohmann/json.hpp>

#include "api/cpu_list.hpp"
#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

void read_command(ObjectReader& in, ProcessesRequest& request) {
  request.command = in.strings("command").value_or(std::vector<std::string>{});
  if (in.has("command") && (request.command.empty() || request.command.front().empty()))
    in.fail("command", "format", "must have at least one element, the program");
  const auto cpus = in.string("cpus", 4096);
  const auto list = cpus ? parse_cpu_list(*cpus) : std::nullopt;
  if (cpus && !list) in.fail("cpus", "format", "must be numbers and ascending ranges with commas between, such as 0-3,6");
  if (list) request.cpus = cpu_list_text(*list);
  request.env = in.string_map("env").value_or(std::map<std::string, std::string>{});
  for (const auto& [key, value] : request.env)
    if (key.empty() || key.find('=') != std::string::npos) in.fail_in("env", key, "format", "the name of a variable cannot be empty or hold '='");
  request.cwd = in.string("cwd", 4095).value_or("/");
  if (!request.cwd.starts_with('/')) in.fail("cwd", "format", "must be an absolute path");
}

// What is said of a new process means nothing for one that runs, and the other way round.
void check_either(ObjectReader& in) {
  const bool attach = in.has("pid"), run = in.has("command");
  if (attach == run) in.fail("", "required", "either the pid of a process that runs, or the command of one to be started");
  for (const char* key : {"cpus", "env", "cwd"})
    if (attach && in.has(key)) in.fail(key, "conflict", "is of a command to be started, not of a process that runs");
  if (run && in.has("descendants")) in.fail("descendants", "conflict", "is of a process that runs; a new one has none");
}

}  // namespace

CgroupSpec read_cgroup_spec(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  CgroupSpec spec;
  spec.limits = read_limits(in);
  spec.frozen = in.boolean("frozen").value_or(false);
  spec.policy = in.choice("policy", {"repair", "observe"}).value_or(0) == 1 ? Policy::observe : Policy::repair;
  spec.parent = in.string("parent", 256);
  if (spec.parent && !valid_name(*spec.parent))
    in.fail("parent", "format", "\"" + *spec.parent + "\" cannot be the name of a cgroup: ^[a-z][a-z0-9-]{0,62}$");
  in.finish();
  throw_if_any(std::move(errors));
  return spec;
}

Json write_cgroup_spec(const CgroupSpec& spec) {
  Json json = write_limits(spec.limits);
  json["frozen"] = spec.frozen;
  json["policy"] = spec.policy == Policy::observe ? "observe" : "repair";
  json["parent"] = spec.parent ? Json(*spec.parent) : Json(nullptr);
  return json;
}

ProcessesRequest read_processes_request(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  ProcessesRequest request;
  request.pid = static_cast<pid_t>(in.integer("pid", 1, 4'194'304).value_or(0));
  request.descendants = in.boolean("descendants").value_or(false);
  read_command(in, request);
  check_either(in);
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

}  // namespace sovirt
