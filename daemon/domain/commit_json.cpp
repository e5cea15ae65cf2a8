#include <nlohmann/json.hpp>

#include "api/timestamp.hpp"
#include "daemon/base/error.hpp"
#include "daemon/domain/ports/store.hpp"

// A Commit as it lies in the journal. Only this file reads what it has written, so anything else is damage.
namespace sovirt {
namespace {

Json write_time(Time time) { return time.time_since_epoch().count(); }
Time read_time(const Json& json) { return Time{std::chrono::microseconds{json.get<std::int64_t>()}}; }

template <class Value, class Write>
Json write_optional(const std::optional<Value>& value, Write write) {
  return value ? Json(write(*value)) : Json(nullptr);
}
template <class Read>
auto read_optional(const Json& json, Read read) {
  using Value = decltype(read(json));
  return json.is_null() ? std::optional<Value>{} : std::optional<Value>{read(json)};
}

template <class Integer>
Integer as_is(Integer value) { return value; }
std::int64_t read_number(const Json& json) { return json.get<std::int64_t>(); }
int read_int(const Json& json) { return json.get<int>(); }

Json write_object(const Resource& resource) {
  return {{"kind", kind_text(resource.kind)}, {"name", resource.name}, {"uid", resource.uid}, {"revision", resource.revision},
          {"labels", resource.labels}, {"spec", resource.spec}, {"facts", resource.facts},
          {"created_at", write_time(resource.created_at)}, {"updated_at", write_time(resource.updated_at)}};
}

Resource read_object(const Json& json) {
  Resource resource;
  const auto& kind = json.at("kind").get_ref<const std::string&>();
  if (!kind_from_text(kind, resource.kind)) throw Error{Code::internal, "the journal has an object of the unknown kind " + kind};
  resource.name = json.at("name").get<std::string>();
  resource.uid = json.at("uid").get<std::string>();
  resource.revision = json.at("revision").get<std::int64_t>();
  resource.labels = json.at("labels").get<Labels>();
  resource.spec = json.at("spec");
  resource.facts = json.at("facts");
  resource.created_at = read_time(json.at("created_at"));
  resource.updated_at = read_time(json.at("updated_at"));
  return resource;
}

Json write_process(const ProcessId& id) { return {{"pid", id.pid}, {"start_ticks", id.start_ticks}}; }
ProcessId read_process(const Json& json) { return {json.at("pid").get<pid_t>(), json.at("start_ticks").get<std::uint64_t>()}; }

Json write_exit(const ExitStatus& exit) {
  return {{"code", write_optional(exit.code, as_is<int>)}, {"signal", write_optional(exit.signal, as_is<int>)}, {"at", write_time(exit.at)}};
}
ExitStatus read_exit(const Json& json) {
  return {read_optional(json.at("code"), read_int), read_optional(json.at("signal"), read_int), read_time(json.at("at"))};
}

Json write_runtime(const RuntimeRow& row) {
  return {{"uid", row.uid}, {"desired", row.desired}, {"state", row.state}, {"boot_id", row.boot_id}, {"init", write_process(row.init)},
          {"monitor", write_process(row.monitor)}, {"started_at", write_optional(row.started_at, write_time)},
          {"exit", write_optional(row.exit, write_exit)}, {"failure", row.failure}, {"ran_at_shutdown", row.ran_at_shutdown}};
}

RuntimeRow read_runtime(const Json& json) {
  RuntimeRow row;
  row.uid = json.at("uid").get<std::string>();
  row.desired = json.at("desired").get<std::string>();
  row.state = json.at("state").get<std::string>();
  row.boot_id = json.at("boot_id").get<std::string>();
  row.init = read_process(json.at("init"));
  row.monitor = read_process(json.at("monitor"));
  row.started_at = read_optional(json.at("started_at"), read_time);
  row.exit = read_optional(json.at("exit"), read_exit);
  row.failure = json.at("failure").get<std::string>();
  row.ran_at_shutdown = json.at("ran_at_shutdown").get<bool>();
  return row;
}

Json write_event(const Event& event) {
  return {{"at", write_time(event.at)}, {"type", event.type}, {"kind", event.kind}, {"name", event.name}, {"uid", event.uid},
          {"data", event.data}, {"request_id", event.request_id}};
}

Event read_event(const Json& json) {
  return {0, read_time(json.at("at")), json.at("type").get<std::string>(), json.at("kind").get<std::string>(),
          json.at("name").get<std::string>(), json.at("uid").get<std::string>(), json.at("data"), json.at("request_id").get<std::string>()};
}

Json write_claims(const std::vector<Claim>& claims) {
  Json list = Json::array();
  for (const auto& claim : claims) list.push_back({{"type", claim.type}, {"value", claim.value}});
  return list;
}

Json write_events(const std::vector<Event>& events) {
  Json list = Json::array();
  for (const auto& event : events) list.push_back(write_event(event));
  return list;
}

Commit read_whole(const Json& json) {
  Commit commit;
  commit.put = read_optional(json.at("put"), read_object);
  commit.expected_revision = read_optional(json.at("expected_revision"), read_number);
  for (const auto& claim : json.at("claims")) commit.claims.push_back({claim.at("type").get<std::string>(), claim.at("value").get<std::string>()});
  commit.references = json.at("references").get<std::vector<std::string>>();
  commit.facts = json.value("facts", std::map<std::string, Json>{});
  if (!json.at("remove_uid").is_null()) commit.remove_uid = json.at("remove_uid").get<std::string>();
  commit.runtime = read_optional(json.at("runtime"), read_runtime);
  for (const auto& event : json.at("events")) commit.events.push_back(read_event(event));
  const auto& actor = json.at("actor");
  commit.actor = {actor.at("uid").get<std::uint32_t>(), actor.at("pid").get<std::int64_t>(), actor.at("request_id").get<std::string>(),
                  actor.value("action", "")};
  return commit;
}

}  // namespace

Json write_commit(const Commit& commit) {
  return {{"put", write_optional(commit.put, write_object)},
          {"expected_revision", write_optional(commit.expected_revision, as_is<std::int64_t>)},
          {"claims", write_claims(commit.claims)},
          {"references", commit.references},
          {"facts", commit.facts},
          {"remove_uid", commit.remove_uid ? Json(*commit.remove_uid) : Json(nullptr)},
          {"runtime", write_optional(commit.runtime, write_runtime)},
          {"events", write_events(commit.events)},
          {"actor", {{"uid", commit.actor.uid}, {"pid", commit.actor.pid}, {"request_id", commit.actor.request_id}, {"action", commit.actor.action}}}};
}

Commit read_commit(const Json& json) {
  try {
    return read_whole(json);
  } catch (const Json::exception& error) {
    throw Error{Code::internal, std::string{"the journal holds a commit that cannot be read: "} + error.what()};
  }
}

}  // namespace sovirt
