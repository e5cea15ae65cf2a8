#include "daemon/domain/containers.hpp"

#include <algorithm>

#include "api/bridge.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/nic.hpp"
#include "daemon/domain/shared_identity.hpp"

namespace sovirt {
namespace {

// Fields that cannot change under a running container, since what it is made of in the kernel is found by them.
constexpr const char* start_fields[] = {"isolation"};
// Fields that a running container takes on at its next start; until then its status says so.
constexpr const char* next_start_fields[] = {"command", "env", "cwd", "user", "security"};

const Json& field_of(const Json& spec, const char* name) {
  static const Json absent;
  const auto found = spec.find(name);   // written by an older version it may lack what is new
  return found == spec.end() ? absent : *found;
}

// When each of these fields last changed: the status of one that started before says that it waits for a start.
void note_next_start(Resource& wanted, const Json& before) {
  for (const char* field : next_start_fields)
    if (before.contains(field) && field_of(before, field) != field_of(wanted.spec, field)) wanted.facts["changed"][field] = rfc3339(wanted.updated_at);
}

}  // namespace

std::string Containers::directory(std::string_view uid) const { return layers_.directory(uid); }

// `remove-*` in this folder belongs to the image builder, which deletes at start what is left there.
std::string Containers::trash(std::string_view uid) const { return places_.state_dir + "/tmp/remove-" + std::string{uid}; }

std::string Containers::log_path(std::string_view uid) const { return directory(uid) + "/console.log"; }

void Containers::complete(Resource& wanted, const Resource* before) const {
  const ContainerSpec spec = read_container_spec(wanted.spec);
  wanted.spec = write_container_spec(spec);
  wanted.facts = before ? before->facts : Json::object();
  const EntryPtr image = catalog_.find(Kind::image, spec.image);
  if (!image)
    throw Error{Code::not_found, "there is no image named " + spec.image}
        .with_fields({{"/image", "not-found", "no such image"}})
        .with_hint("`sovirtctl image ls` shows what there is, `sovirtctl image build` makes one");
  if (!before) {
    wanted.facts["image_digest"] = image->resource.facts.at("digest");
    wanted.facts["image_directory"] = image->resource.facts.at("directory");
    wanted.facts["macs"] = Json::object();
  }
  if (before) note_next_start(wanted, before->spec);
  for (std::size_t index = 0; index < spec.mounts.size(); ++index)
    if (spec.mounts[index].type == MountSpec::Type::volume && !catalog_.find(Kind::volume, spec.mounts[index].source))
      throw Error{Code::not_found, "there is no volume named " + spec.mounts[index].source}
          .with_fields({{"/mounts/" + std::to_string(index) + "/source", "not-found", "no such volume"}})
          .with_hint("`sovirtctl volume create` makes one");
  keep_nic_slots(wanted, before);
  complete_nics(wanted, spec);
  addresses_.decide(wanted, before);
  if (before) set_shared_claims(wanted.facts, still_shared(wanted, catalog_));
}

void Containers::complete_nics(Resource& wanted, const ContainerSpec& spec) const {
  for (std::size_t index = 0; index < spec.nics.size(); ++index) {
    const NicSpec& nic = spec.nics[index];
    const auto absent = [&](const char* kind, const std::string& name) {
      return Error{Code::not_found, "there is no " + std::string{kind} + " named " + name}
          .with_fields({{"/nics/" + std::to_string(index) + "/" + kind, "not-found", "no such " + std::string{kind}}})
          .with_hint("`sovirtctl " + std::string{kind} + " create` makes one");
    };
    if (nic.bridge && !catalog_.find(Kind::bridge, *nic.bridge)) throw absent("bridge", *nic.bridge);
    if (nic.netns && !catalog_.find(Kind::netns, *nic.netns)) throw absent("netns", *nic.netns);
    if (!nic.mac && !wanted.facts["macs"].contains(nic.name)) wanted.facts["macs"][nic.name] = Mac::random_local().text();
  }
}

std::vector<Claim> Containers::claims(const Resource& container) const {
  std::vector<Claim> claims = nic_claims(container);
  for (const Claim& shared : shared_claims(container))
    std::erase_if(claims, [&](const Claim& claim) { return claim.type == shared.type && claim.value == shared.value; });
  return claims;
}

std::vector<std::string> Containers::references(const Resource& container) const {
  const ContainerSpec spec = read_container_spec(container.spec);
  std::vector<std::string> uids{catalog_.need(Kind::image, spec.image)->resource.uid};
  for (const NicSpec& nic : spec.nics) {
    if (!nic.bridge && !nic.netns) continue;
    const std::string uid = (nic.bridge ? catalog_.need(Kind::bridge, *nic.bridge) : catalog_.need(Kind::netns, *nic.netns))->resource.uid;
    if (std::find(uids.begin(), uids.end(), uid) == uids.end()) uids.push_back(uid);
  }
  for (const MountSpec& mount : spec.mounts) {
    if (mount.type != MountSpec::Type::volume) continue;
    const std::string uid = catalog_.need(Kind::volume, mount.source)->resource.uid;
    if (std::find(uids.begin(), uids.end(), uid) == uids.end()) uids.push_back(uid);
  }
  return uids;
}

// A new container must not lose its image or its volumes while it is decided.
std::vector<std::string> Containers::lock_keys(const Json& spec) const {
  if (!spec.is_object()) return {};
  std::vector<std::string> keys = addresses_.lock_keys(spec);
  if (const Json& image = field_of(spec, "image"); image.is_string()) keys.push_back(object_ref(Kind::image, image.get<std::string>()));
  const Json& nics = field_of(spec, "nics");
  for (const Json& nic : nics.is_array() ? nics : Json::array())
    if (nic.is_object() && nic.value("netns", Json()).is_string()) {
      std::string key = object_ref(Kind::netns, nic.at("netns").get<std::string>());
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
    }
  const Json& mounts = field_of(spec, "mounts");
  for (const Json& mount : mounts.is_array() ? mounts : Json::array())
    if (mount.is_object() && mount.value("type", Json()) == "volume" && mount.value("source", Json()).is_string())
      keys.push_back(object_ref(Kind::volume, mount.at("source").get<std::string>()));
  return keys;
}

// What this host cannot enforce is refused when it is asked for, not at a start some day.
void Containers::check_limits(const Resource& wanted, const Entry* before) const {
  const Json& limits = wanted.spec.at("limits");
  if (before && before->resource.spec.at("limits") == limits) return;
  try {
    kernel_.meters.check(read_limits(limits));
  } catch (const Error& error) {
    std::vector<FieldError> fields = error.fields();
    for (FieldError& field : fields) field.pointer.insert(0, "/limits");
    throw Error{error.code(), error.detail()}.with_hint(error.hint()).with_fields(std::move(fields));
  }
}

void Containers::check(const Resource& wanted, const Entry* known) const {
  if (!PacketRules::share_of_container(wanted).is_null()) packet_rules_.require("publish");
  check_limits(wanted, known);
  const ContainerSpec spec = container_spec_of(wanted);
  bridge_services_.check(wanted, spec);
  if (std::any_of(spec.nics.begin(), spec.nics.end(), [](const NicSpec& nic) { return nic.dhcp; })) dhcp_clients_.require();
  addresses_.check(wanted, known);
  if (!known) return parts_.check(spec, nullptr);
  const Entry& before = *known;
  std::vector<FieldError> fields;
  if (before.resource.spec.at("image") != wanted.spec.at("image"))
    fields.push_back({"/image", "immutable", "a container keeps the image it was made from"});
  const bool lives = before.runtime.alive();
  for (const char* field : start_fields)
    if (lives && field_of(before.resource.spec, field) != field_of(wanted.spec, field))
      fields.push_back({std::string{"/"} + field, "running", "cannot change while the container runs"});
  if (fields.empty()) {
    const ContainerSpec old_spec = container_spec_of(before.resource);
    return parts_.check(spec, &old_spec);
  }
  std::string detail = object_ref(Kind::container, wanted.name) + ": " + fields[0].pointer + " " + fields[0].detail;
  throw Error{Code::conflict, std::move(detail)}.with_fields(std::move(fields)).with_hint(
      lives ? "stop it first" : "create another container from the other image");
}

Plan Containers::plan(const Resource& wanted, const Entry* before) const {
  return before ? plan_update(*before, wanted) : plan_create(wanted);
}

void Containers::amend(Commit& commit, const Resource& wanted, const Entry* before) const {
  if (before) return;
  commit.runtime.emplace();
  commit.runtime->uid = wanted.uid;
}

void Containers::check_removal(const Entry& entry) const {
  if (entry.runtime.alive())
    throw Error{Code::conflict, object_ref(Kind::container, entry.resource.name) + " is " + entry.runtime.state}.with_hint("stop it first");
}

void Containers::after_removal(const Entry& entry) {
  kernel_.roots.remove(trash(entry.resource.uid));
  std::vector<std::string> layers = layers_of(entry.resource);
  for (const Snapshot& one : snapshots_of(entry.resource)) layers.insert(layers.end(), one.layers.begin(), one.layers.end());
  layers_.release(layers);
  images_.release(entry.resource.facts.at("image_digest").get<std::string>());
}

Plan Containers::plan_create(const Resource& container) const {
  Plan plan;
  const Json rootfs{{"lower", container.facts.at("image_directory")}, {"layers", layers_.of(container).layers}, {"directory", directory(container.uid)}};
  plan.add("rootfs.create", rootfs, "make an overlay of image " + container.spec.at("image").get<std::string>() + " for " + container.name);
  if (kernel_.layers.has_identity(rootfs.at("lower").get<std::string>()))
    plan.add("rootfs.identity", rootfs, "give " + container.name + " a machine-id and host keys of its own");
  return plan;
}

Plan Containers::plan_update(const Entry& before, const Resource& wanted) const {
  Plan plan;
  const bool lives = before.runtime.alive();
  const Json from = before.resource.spec.at("limits");
  const Json to = wanted.spec.at("limits");
  const std::string group = container_group(wanted.name, wanted.uid);
  // What is asked anew, or what somebody else has changed in the kernel's files.
  if (lives && (from != to || (to != write_limits({}) && kernel_.meters.compare(group, read_limits(to)) == GroupState::differs)))
    plan.add("container.limits", {{"uid", wanted.uid}, {"group", group}, {"from", from}, {"to", to}},
             "set limits of " + wanted.name);
  if (!lives) return plan;
  nics_.plan(before, wanted, plan);
  if (before.resource.spec.at("nics") != wanted.spec.at("nics")) plan_published(wanted, true, plan);
  parts_.plan(plan, wanted, container_spec_of(before.resource), container_spec_of(wanted));
  return plan;
}

// A port of the host leads to the container as long as it runs: to one that does not, callers are refused at once.
void Containers::plan_published(const Resource& container, bool runs, Plan& plan) const {
  const Json share = PacketRules::share_of_container(container);
  if (!share.is_null()) packet_rules_.plan(container, runs ? share : Json(), runs, plan);
}

Plan Containers::plan_start(const Resource& container) const {
  const ContainerSpec spec = container_spec_of(container);
  const std::string& name = container.name;
  check_alone(container, catalog_);
  const Json common = collect_args(container);
  Plan plan;
  plan.add("container.prepare", common, "mount the root file system of " + name + " and check its command");
  plan.add("container.launch", common, "create the group, namespaces and mounts of " + name);
  if (spec.isolation == Isolation::container) {
    const Json nics = nics_.args_of(container);
    plan.add("container.network", {{"uid", container.uid}, {"nics", nics}},
             "create the network namespace of " + name + " with " + std::to_string(nics.size()) + " NIC(s)");
  }
  for (std::size_t index = 0; index < spec.nics.size(); ++index) dhcp_clients_.plan_nic(container, spec.nics[index], index, std::nullopt, plan);
  plan_published(container, true, plan);
  plan.add("container.run", common, "execute the command of " + name);
  return plan;
}

Plan Containers::plan_stop(const Resource& container, bool force, std::chrono::milliseconds timeout) const {
  Json args = collect_args(container);
  args["force"] = force;
  args["timeout_ms"] = timeout.count();
  Plan plan;
  plan.forward = true;
  plan.add("container.shutdown", args, (force ? "kill " : "shut down ") + container.name, true);
  dhcp_clients_.plan_stop(container, read_container_spec(container.spec), plan);
  plan_published(container, false, plan);
  plan.add("container.collect", collect_args(container), "remove the group and links of " + container.name);
  return plan;
}

Plan Containers::plan_collect(const Resource& container) const {
  Plan plan;
  plan.forward = true;
  dhcp_clients_.plan_stop(container, read_container_spec(container.spec), plan);
  plan_published(container, false, plan);
  plan.add("container.collect", collect_args(container), "remove the group and links of " + container.name);
  return plan;
}

// Undone like anything that is made: the files are only moved aside, and deleted once nobody can want them back.
Plan Containers::plan_removal(const Resource& container) const {
  Plan plan = plan_collect(container);
  plan.forward = false;
  plan.add("rootfs.discard", {{"directory", directory(container.uid)}, {"trash", trash(container.uid)}},
           "remove the files of " + container.name, true);
  return plan;
}

Plan Containers::plan_freeze(const Resource& container, bool frozen) const {
  Plan plan;
  plan.add("container.freeze", {{"group", container_group(container.name, container.uid)}, {"frozen", frozen}},
           (frozen ? "freeze " : "thaw ") + container.name, frozen);
  return plan;
}

Json Containers::collect_args(const Resource& container) const {
  Json links = Json::array();
  const Json& nics = container.spec.at("nics");
  for (std::size_t index = 0; index < nics.size(); ++index)
    links.push_back({{"host_name", nic_host_name(container, nics[index].at("name").get<std::string>(), index)}, {"uid", container.uid},
                     {"netns", nics[index].value("netns", Json()).is_string() ? nics[index].at("netns") : Json("")}});
  return {{"uid", container.uid}, {"group", container_group(container.name, container.uid)}, {"links", std::move(links)}};
}

}  // namespace sovirt
