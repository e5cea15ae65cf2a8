#include "daemon/server/schemas.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

// The types of fields, as they are written in the table:
//   string integer number boolean object any time   "Name" (capital: another schema)   a|b|c (one of these words)
//   [type] array   {type} map from string   type? may be null
struct Field {
  std::string_view name;      // "!name": required
  std::string_view type;
  std::string_view note = {};
};

struct Schema {
  std::string_view name;
  std::vector<Field> fields;
};

Json type_of(std::string_view type);

Json nullable(Json schema) {
  if (schema.contains("$ref")) return {{"oneOf", {std::move(schema), {{"type", "null"}}}}};
  if (schema.contains("type")) schema["type"] = Json::array({schema["type"], "null"});
  if (schema.contains("enum")) schema["enum"].push_back(nullptr);
  return schema;
}

Json words_of(std::string_view list) {
  Json words = Json::array();
  for (;;) {
    const auto bar = list.find('|');
    words.push_back(list.substr(0, bar));
    if (bar == std::string_view::npos) return {{"type", "string"}, {"enum", std::move(words)}};
    list.remove_prefix(bar + 1);
  }
}

Json type_of(std::string_view type) {
  if (type.ends_with('?')) return nullable(type_of(type.substr(0, type.size() - 1)));
  const auto inner = type.size() > 2 ? type.substr(1, type.size() - 2) : std::string_view{};
  if (type.starts_with('[')) return {{"type", "array"}, {"items", type_of(inner)}};
  if (type.starts_with('{')) return {{"type", "object"}, {"additionalProperties", type_of(inner)}};
  if (type == "any") return Json::object();
  if (type == "time") return {{"type", "string"}, {"format", "date-time"}};
  if (type.find('|') != std::string_view::npos) return words_of(type);
  if (type.front() >= 'A' && type.front() <= 'Z') return {{"$ref", "#/components/schemas/" + std::string{type}}};
  return {{"type", type}};
}

Json write_fields(const Schema& schema) {
  Json properties = Json::object(), required = Json::array();
  for (const auto& field : schema.fields) {
    const bool needed = field.name.starts_with('!');
    const std::string name{needed ? field.name.substr(1) : field.name};
    Json& property = properties[name] = type_of(field.type);
    if (!field.note.empty()) property["description"] = field.note;
    if (needed) required.push_back(name);
  }
  Json document{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) document["required"] = std::move(required);
  return document;
}

const std::vector<Schema>& table() {
  static const std::vector<Schema> schemas{
      {"BridgeSpec",
       {{"addresses", "[string]", "ADDRESS/PREFIX, v4 and v6"}, {"mtu", "integer"}, {"mac", "string?", "generated and kept when null"},
        {"stp", "boolean"}, {"ports", "[string]", "interfaces of the host"}, {"address_from", "static|dhcp|port"},
        {"dhcp", "object", "enabled, range [first, last], lease_time in seconds"}, {"dns", "object", "enabled, domain"}, {"nat", "boolean", "what leaves the host from it carries the host's address"},
        {"isolation", "boolean", "nothing between its containers, and none to other bridges"}, {"policy", "repair|observe", "what to do about drift"}}},
      {"BridgeStatus",
       {{"state", "string"}, {"ifindex", "integer?"}, {"mac", "string?"}, {"mtu", "integer?"}, {"up", "boolean"}, {"addresses", "[string]"},
        {"ports", "[object]"}, {"leases", "[object]", "address, mac, name, expires_at"}, {"conditions", "[Condition]"}}},
      {"Nic",
       {{"name", "string"}, {"bridge", "string?", "one of bridge, netns and none"}, {"netns", "string?"}, {"none", "boolean"},
        {"peer", "NicPeer?", "with netns: its other end"}, {"mac", "string?"}, {"addresses", "[string]", "CIDR, or auto"}, {"gateway", "string?"}, {"mtu", "integer", "0: the bridge's"},
        {"dhcp", "boolean", "asked for from outside: the image needs no client"}, {"rate", "Rate"}, {"publish", "[Publish]", "ports of the host that lead to it"}}},
      {"NicPeer", {{"name", "string?"}, {"addresses", "[string]"}}},
      {"Publish", {{"!host_port", "integer"}, {"port", "integer", "the same when absent"}, {"protocol", "tcp|udp"}}},
      {"CpuLimits", {{"weight", "integer?", "1 to 10000, 100 is usual"}, {"shares", "integer?", "2 to 262144, 1024 is usual; instead of weight"}, {"max", "CpuQuota?"}}},
      {"CpuQuota", {{"!quota", "integer", "nanoseconds of CPU time in each period, whole microseconds"}, {"period", "integer", "nanoseconds, 100000000 when absent"}}},
      {"CpusetLimits", {{"cpus", "string?", "such as 0-3,6"}, {"mems", "string?", "memory nodes"}}},
      {"MemoryLimits",
       {{"max", "integer?", "bytes"}, {"high", "integer?", "bytes beyond which its processes are slowed down"}, {"swap_max", "integer?", "bytes"},
        {"on_excess", "refuse|kill", "where max is set below what is used and cannot be reclaimed"}}},
      {"PressureTrigger",
       {{"!resource", "cpu|memory|io"}, {"level", "some|full", "of its processes"}, {"!stall", "integer", "nanoseconds held up"}, {"window", "integer", "within as many nanoseconds, 2000000000 when absent"}}},
      {"PidsLimits", {{"max", "integer?", "processes and threads"}}},
      {"IoLimits", {{"weight", "integer?", "1 to 10000"}, {"limits", "[IoLimit]"}}},
      {"IoLimit",
       {{"!device", "string", "a whole disk, /dev/vda or 254:0"}, {"read_bytes", "integer?", "a second"}, {"write_bytes", "integer?", "a second"},
        {"read_operations", "integer?", "a second"}, {"write_operations", "integer?", "a second"}}},
      {"Limits",
       {{"cpu", "CpuLimits"}, {"cpuset", "CpusetLimits"}, {"memory", "MemoryLimits"}, {"pids", "PidsLimits"}, {"io", "IoLimits"},
        {"pressure", "[PressureTrigger]", "what is told of as events"}}},
      {"CgroupSpec",
       {{"cpu", "CpuLimits"}, {"cpuset", "CpusetLimits"}, {"memory", "MemoryLimits"}, {"pids", "PidsLimits"}, {"io", "IoLimits"},
        {"pressure", "[PressureTrigger]"}, {"frozen", "boolean"}, {"policy", "repair|observe", "what to do about drift"}, {"parent", "string?", "the cgroup it lies in"}}},
      {"CgroupStatus",
       {{"state", "ready|frozen|absent|drifted|unknown"}, {"path", "string", "below the mount of a hierarchy"}, {"controllers", "{CgroupController}"},
        {"processes", "integer"}, {"usage", "any"}, {"conditions", "[Condition]"}}},
      {"CgroupController", {{"!version", "integer", "1 or 2"}, {"!path", "string"}, {"!limits", "{LimitStatus}"}}},
      {"LimitStatus", {{"requested", "any"}, {"effective", "any", "null: not limited"}, {"file", "string", "of the kernel"}}},
      {"ProcessesRequest",
       {{"pid", "integer", "of a process that runs"}, {"descendants", "boolean", "and all it has started"}, {"command", "[string]", "instead: to be started"},
        {"cpus", "string", "what the command is pinned to"}, {"env", "{string}"}, {"cwd", "string"}}},
      {"ProcessList", {{"!items", "[Process]"}}},
      {"Process", {{"!pid", "integer"}, {"!name", "string"}, {"!command", "[string]"}, {"uid", "integer"}}},
      {"CgroupStats",
       {{"at", "time"}, {"cpu", "object"}, {"memory", "object"}, {"pids", "object"}, {"io", "object"}, {"network", "any", "null where its processes have the host's"},
        {"pressure", "object", "PSI; null where this host has none"},
        {"window", "integer", "nanoseconds between the two looks"}, {"rates", "object", "with window: cpus and throttled in CPUs, the others a second"}}},
      {"StatsList", {{"!at", "time"}, {"!items", "[object]"}}},
      {"Mount",
       {{"type", "bind|tmpfs|volume"}, {"source", "string?", "bind: a path of the host; volume: its name"}, {"!target", "string"},
        {"read_only", "boolean"}, {"recursive", "boolean"}, {"propagation", "private|slave|shared"}, {"size", "integer", "tmpfs: bytes"}}},
      {"Device",
       {{"!path", "string", "below /dev"}, {"source", "string", "on the host; path when absent"}, {"access", "string", "of r, w, m"},
        {"mode", "string?", "octal"}, {"uid", "integer?"}, {"gid", "integer?"}}},
      {"Security",
       {{"privileged", "boolean"}, {"capabilities", "object", "add [string], drop [string]"}, {"seccomp", "default|unconfined"},
        {"no_new_privileges", "boolean"}}},
      {"Restart", {{"policy", "no|on-failure|always"}, {"max_retries", "integer", "in a row; 0: without limit"}}},
      {"VolumeSpec", {}},
      {"VolumeStatus", {{"state", "ready|missing"}, {"path", "string"}, {"used_by", "[string]"}, {"conditions", "[Condition]"}}},
      {"ContainerSpec",
       {{"!image", "string"}, {"hostname", "string?"}, {"isolation", "container|chroot"}, {"command", "[string]?", "null: the image's init"},
        {"env", "{string}"}, {"cwd", "string"}, {"user", "string", "UID:GID"}, {"nics", "[Nic]"}, {"mounts", "[Mount]"}, {"devices", "[Device]"}, {"limits", "Limits"},
        {"security", "Security"}, {"restart", "Restart"},
        {"autostart", "never|always|last-state"}, {"boot_priority", "integer"}, {"boot_delay", "integer", "seconds"},
        {"stop_timeout", "integer", "seconds"}}},
      {"ContainerStatus",
       {{"state", "created|running|frozen|stopped|failed"}, {"pid", "integer?"}, {"started_at", "string?"}, {"exit", "object?"},
        {"addresses", "[string]"}, {"nics", "[object]"}, {"cgroup", "any"}, {"controllers", "{CgroupController}", "of the limits that are asked"}, {"usage", "any"}, {"rootfs", "any"},
        {"shared_identity", "[object]", "fixed MACs and addresses that another container has too; only one of them can run"}, {"conditions", "[Condition]"}}},
      {"NetnsSpec",
       {{"adopt", "boolean", "take over a namespace of this name that somebody else has pinned"}, {"sysctls", "{string}", "net.* only"},
        {"routes", "[Route]"}, {"policy", "repair|observe", "what to do about drift"}}},
      {"Route", {{"!to", "string", "default, or ADDRESS/PREFIX"}, {"via", "string?", "the gateway"}, {"dev", "string?", "the interface"}}},
      {"NetnsStatus",
       {{"state", "string"}, {"inode", "integer?"}, {"path", "string"}, {"interfaces", "[Interface]"}, {"routes", "[Route]"},
        {"waiting", "[string]", "what cannot be yet"}, {"processes", "[object]", "pid, name"}, {"conditions", "[Condition]"}}},
      {"Interface",
       {{"name", "string"}, {"ifindex", "integer"}, {"kind", "string?"}, {"mac", "string"}, {"mtu", "integer"}, {"up", "boolean"}, {"carrier", "boolean"},
        {"addresses", "[string]"}, {"peer", "object?", "the other end"}, {"statistics", "object", "counters"}}},
      {"LinkSpec",
       {{"type", "veth|vxlan|macvlan|dummy"}, {"!endpoints", "[Endpoint]", "two of a veth, one of the others"}, {"vxlan", "Vxlan"},
        {"parent", "string", "of a macvlan: an interface of the host"}, {"mode", "bridge|private|vepa|passthru"}, {"policy", "repair|observe"}}},
      {"Endpoint",
       {{"netns", "string"}, {"bridge", "string"}, {"container", "string"}, {"host", "boolean", "exactly one of the four"}, {"name", "string?", "of the interface"},
        {"mac", "string?", "generated and kept when null"}, {"addresses", "[string]"}, {"mtu", "integer"}, {"up", "boolean"}, {"rate", "Rate"}}},
      {"Rate", {{"egress", "integer?", "bit/s sent"}, {"ingress", "integer?", "bit/s received"}}},
      {"Vxlan", {{"!id", "integer"}, {"remote", "string?"}, {"local", "string?"}, {"port", "integer"}, {"dev", "string?"}}},
      {"LinkStatus", {{"state", "string"}, {"type", "string"}, {"endpoints", "[object]"}, {"conditions", "[Condition]"}}},
      {"ProbeRequest",
       {{"!type", "ping|tcp"}, {"!from", "object", "exactly one of netns, container and host"}, {"!to", "string", "an address"}, {"port", "integer", "of tcp"},
        {"timeout_ms", "integer", "1000"}}},
      {"Probe", {{"!reachable", "boolean"}, {"!rtt", "integer?", "nanoseconds"}, {"!blocked_by", "Blocked?"}}},
      {"Blocked",
       {{"!code", "no-route|link-down|no-address|no-listener|rp-filter|forwarding-off|firewall|other-subnet|no-answer"}, {"!where", "string"},
        {"!detail", "string"}}},
      {"AddressList", {{"!items", "[AddressHolder]"}}},
      {"AddressHolder", {{"!type", "mac|address"}, {"!value", "string"}, {"!holder", "string", "container/web, or host"}, {"!interface", "string?", "of the host"}}},
      {"SocketList", {{"!items", "[Socket]"}}},
      {"Socket", {{"!protocol", "tcp|udp|tcp6|udp6"}, {"!state", "string"}, {"!local", "string"}, {"!peer", "string"}, {"!process", "object?", "pid, name"}}},
      {"ImageSpec", {{"!source", "ImageSource"}}},
      {"ImageSource",
       {{"!type", "debootstrap|tarball|binaries|container"}, {"suite", "string"}, {"mirror", "string"}, {"variant", "string"}, {"packages", "[string]"},
        {"path", "string"}, {"digest", "string"}, {"binaries", "[string]"}, {"files", "[string]"}, {"container", "string", "its files as they are when the image is built"}}},
      {"ImageStatus",
       {{"state", "string"}, {"digest", "string?"}, {"size", "integer?", "bytes"}, {"architecture", "string?"}, {"os", "string?"},
        {"built_at", "string?"}, {"used_by", "[string]"}, {"conditions", "[Condition]"}}},
      {"Condition", {{"type", "string"}, {"status", "any"}, {"reason", "string"}, {"message", "string"}, {"since", "time"}}},
      {"RevertRequest", {{"!revision", "integer"}}},
      {"StateRequest", {{"!desired", "running|stopped|frozen"}, {"force", "boolean"}, {"timeout", "integer", "seconds"}}},
      {"RestartRequest", {{"timeout", "integer", "seconds"}}},
      {"CopyRequest",
       {{"!name", "string", "of the copy"},
        {"identity", "fail|regenerate|keep", "a fixed MAC or address: refused, replaced by a free one, or kept, so that only one of the two can run"}}},
      {"RenameRequest", {{"!name", "string"}}},
      {"SnapshotRequest", {{"!name", "string"}}},
      {"RestoreRequest", {{"!snapshot", "string"}}},
      {"Snapshot",
       {{"!name", "string"}, {"!created_at", "time"}, {"!parent", "string?", "the snapshot it was made after"}, {"!current", "boolean", "what the container now has came from it"},
        {"!size", "integer", "bytes on the disk beyond its parent's"}}},
      {"ExportRequest", {{"!path", "string", "absolute, on the host; nothing may be there yet"}}},
      {"ImportRequest",
       {{"!path", "string", "absolute, on the host"}, {"digest", "string", "sha256:… of the file, checked when given"},
        {"image", "string", "name of the image that its tree becomes; the container's when absent"},
        {"identity", "fail|regenerate", "a fixed address that is held: refused, or replaced by a free one"}}},
      {"KillRequest", {{"signal", "any", "TERM, RTMIN+3 or a number; TERM when absent"}}},
      {"ExecRequest",
       {{"!command", "[string]"}, {"env", "{string}"}, {"cwd", "string"}, {"user", "string"}, {"stdin", "string"}, {"timeout", "number", "seconds"}}},
      {"ExecResult",
       {{"!exit_code", "integer?"}, {"!signal", "integer?"}, {"!stdout", "string"}, {"!stderr", "string"}, {"!truncated", "boolean"}, {"!timed_out", "boolean"}}},
      {"FileList",
       {{"!name", "string"}, {"!type", "file|directory|link|fifo|socket|device"}, {"!mode", "string", "octal"}, {"!uid", "integer"},
        {"!gid", "integer"}, {"!size", "integer"}, {"!modified", "time"}, {"target", "string", "of a link"}, {"path", "string"},
        {"items", "[FileList]", "of a directory, by name"}, {"next", "string?", "cursor of the next page"}}},
      {"ContainerProcessList", {{"!items", "[ContainerProcess]"}}},
      {"ContainerProcess",
       {{"!pid", "integer", "on the host"}, {"inside_pid", "integer?", "in the container"}, {"parent_pid", "integer"}, {"uid", "integer", "effective"},
        {"user", "string?", "of that uid in the container"}, {"state", "string", "a letter of proc(5)"}, {"cpu_ns", "integer"}, {"memory_bytes", "integer"},
        {"name", "string"}, {"command", "[string]"}}},
      {"PasswordRequest", {{"user", "string", "root when absent"}, {"password", "string?", "null: one is made up"}}},
      {"Password", {{"user", "string"}, {"password", "string?", "the one that was made up"}}},
      {"Log", {{"log", "string"}, {"end", "integer", "offset after the last byte"}}},
      {"Actor", {{"uid", "integer"}, {"pid", "integer"}}},
      {"History", {{"!items", "[HistoryItem]"}}},
      {"HistoryItem", {{"revision", "integer"}, {"at", "time"}, {"actor", "Actor"}, {"spec", "object"}, {"labels", "{string}"}}},
      {"Plan", {{"steps", "[object]", "the kernel steps, in order"}}},
      {"Operation",
       {{"!id", "string"}, {"!kind", "string"}, {"!object", "string"}, {"!state", "running|done|failed|cancelled|interrupted"},
        {"!progress", "Progress"}, {"actor", "Actor"}, {"error", "Problem?"}, {"result", "any"}}},
      {"Progress", {{"percent", "integer"}, {"message", "string"}}},
      {"Event",
       {{"!id", "integer"}, {"!at", "time"}, {"!type", "string"}, {"!kind", "string"}, {"!name", "string"}, {"uid", "string"}, {"data", "any"}, {"request_id", "string"}}},
      {"TemplateList", {{"!items", "[object]"}}},
      {"Host",
       {{"hostname", "string?"}, {"kernel", "string"}, {"architecture", "string"}, {"distribution", "any"}, {"boot_id", "string?"},
        {"uptime_seconds", "integer"}, {"cpus", "integer"}, {"memory_bytes", "integer"}, {"virtualization", "Virtualization"},
        {"cgroups", "HostCgroups"}, {"features", "[Feature]", "what containers need of a kernel"}}},
      {"Virtualization",
       {{"guest", "boolean"}, {"hypervisor", "Hypervisor?"}, {"machine", "string?", "of DMI"}, {"cpu_extensions", "[string]", "vmx, svm"},
        {"kvm_device", "KvmDevice"}, {"clocksource", "Clocksource"}, {"paravirtual_devices", "[ParavirtualDevice]"},
        {"emulation", "any"}, {"container", "any", "null: not in a container"}}},
      {"Hypervisor",
       {{"vendor", "string"}, {"signature", "string?"}, {"source", "string"}, {"type", "integer?", "1 or 2"}, {"type_reason", "string"}}},
      {"KvmDevice", {{"present", "boolean"}, {"usable", "boolean"}, {"reason", "string"}}},
      {"Clocksource", {{"current", "string?"}, {"available", "[string]"}, {"paravirtual", "boolean"}}},
      {"ParavirtualDevice", {{"bus", "string"}, {"device", "string"}, {"driver", "string?"}}},
      {"HostCgroups", {{"mounts", "[CgroupMount]"}, {"controllers", "[HostController]"}}},
      {"CgroupMount", {{"path", "string"}, {"version", "integer"}, {"controllers", "[string]"}, {"writable", "boolean"}}},
      {"HostController",
       {{"name", "string"}, {"version", "integer?"}, {"path", "string?"}, {"hierarchy", "integer"}, {"enabled", "boolean"}, {"used", "boolean", "by sovirt"}}},
      {"Feature",
       {{"!name", "string"}, {"!state", "present|missing|unknown"}, {"detail", "string"}, {"needed_for", "string"}, {"required", "boolean"}}},
      {"RestoreReport",
       {{"!boot_id", "string"}, {"!state", "running|done"}, {"!started_at", "time"}, {"!finished_at", "time?"}, {"!items", "[RestoreItem]"}}},
      {"RestoreItem",
       {{"!kind", "string"}, {"!name", "string"}, {"!result", "pending|restored|unchanged|skipped|waiting|failed"}, {"!reason", "string?"},
        {"!waited_for", "[string]"}, {"!duration", "integer", "nanoseconds"}}},
      {"StopReport", {{"!items", "[StopItem]"}}},
      {"StopItem", {{"!name", "string"}, {"!result", "stopped|failed|would stop"}, {"!reason", "string?"}}},
      {"AuditList", {{"!items", "[AuditRow]"}}},
      {"AuditRow",
       {{"at", "time"}, {"actor", "Actor"}, {"request_id", "string"}, {"action", "string"}, {"object", "string"}, {"status", "integer"}, {"code", "string", "of the problem, empty for success"}}},
      {"Health", {{"!status", "ok|degraded"}}},
      {"OpenApi", {}},
      {"Empty", {}},
      {"FieldError", {{"!pointer", "string", "RFC 6901, into the body"}, {"!code", "string"}, {"!detail", "string"}}},
      {"Problem",
       {{"!type", "string"}, {"!title", "string"}, {"!status", "integer"}, {"!code", "string"}, {"detail", "string"}, {"instance", "string"},
        {"request_id", "string"}, {"errors", "[FieldError]"}, {"conflicts_with", "[string]"}, {"hint", "string"}, {"errno", "integer"}, {"syscall", "string"}}},
  };
  return schemas;
}

// Of each kind: the resource, the body of a change (the spec's own fields beside labels and name), and the list.
void add_kind(Json& schemas, const std::string& kind) {
  const Json reference_spec = type_of(kind + "Spec"), reference_status = type_of(kind + "Status");
  Json resource = write_fields({"", {{"!kind", "string"}, {"!name", "string"}, {"!uid", "string"}, {"!revision", "integer"}, {"!labels", "{string}"},
                                     {"!created_at", "time"}, {"!updated_at", "time"}}});
  resource["properties"]["spec"] = reference_spec;
  resource["properties"]["status"] = reference_status;
  resource["required"].push_back("spec");
  resource["required"].push_back("status");
  schemas[kind] = std::move(resource);
  schemas[kind + "Body"] = {{"allOf", {reference_spec, write_fields({"", {{"labels", "{string}"}, {"name", "string"}}})}}};
}

void add_list(Json& schemas, const std::string& item) {
  const std::string items = "[" + item + "]";
  schemas[item + "List"] = write_fields({"", {{"!items", items}, {"!next", "string?"}, {"!seq", "integer", "id of the last event"}}});
}

}  // namespace

Json write_schemas() {
  Json schemas = Json::object();
  for (const auto& schema : table()) schemas[std::string{schema.name}] = write_fields(schema);
  for (const std::string kind : {"Bridge", "Container", "Image", "Cgroup", "Volume", "Netns", "Link"}) {
    add_kind(schemas, kind);
    add_list(schemas, kind);
  }
  add_list(schemas, "Operation");
  add_list(schemas, "Snapshot");
  return schemas;
}

}  // namespace sovirt
