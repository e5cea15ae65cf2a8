#include "daemon/domain/catalog.hpp"

#include <algorithm>
#include <mutex>

namespace sovirt {

void Catalog::load(const StoredState& state) {
  const std::unique_lock lock(mutex_);
  last_event_ = state.last_event;
  readable_ = state.readable;
  std::map<std::string, Entry> loaded;
  for (const Resource& resource : state.resources) {
    Entry& entry = loaded[resource.uid];
    entry.resource = resource;
    entry.claims = claims_of_(resource);
  }
  for (const RuntimeRow& runtime : state.runtimes) loaded[runtime.uid].runtime = runtime;
  for (const auto& [uid, targets] : state.references) loaded[uid].references = targets;
  for (auto& [uid, entry] : loaded) put(std::move(entry));
}

void Catalog::apply(const Commit& commit, std::int64_t last_event) {
  const std::unique_lock lock(mutex_);
  last_event_ = std::max(last_event_, last_event);
  if (commit.remove_uid) drop(*commit.remove_uid);
  for (const auto& [changed, facts] : commit.facts) {
    const auto known = by_uid_.find(changed);
    if (known == by_uid_.end()) continue;
    Entry entry = *known->second;
    entry.resource.facts = facts;
    put(std::move(entry));
  }
  const std::string* uid = commit.put ? &commit.put->uid : commit.runtime ? &commit.runtime->uid : nullptr;
  if (!uid) return;
  const auto known = by_uid_.find(*uid);
  if (known == by_uid_.end() && !commit.put) return;
  Entry entry = known == by_uid_.end() ? Entry{} : *known->second;
  if (commit.put) {
    entry.resource = *commit.put;
    entry.claims = commit.claims;
    entry.references = commit.references;
  }
  if (commit.runtime) entry.runtime = *commit.runtime;
  put(std::move(entry));
}

void Catalog::put(Entry entry) {
  const std::string uid = entry.resource.uid;
  if (const auto known = by_uid_.find(uid); known != by_uid_.end()) {
    for (const Claim& claim : known->second->claims) claims_.erase({claim.type, claim.value});
    entries_.erase(Key{known->second->resource.kind, known->second->resource.name});  // it may have another name now
  }
  for (const Claim& claim : entry.claims) claims_[{claim.type, claim.value}] = uid;
  auto shared = std::make_shared<const Entry>(std::move(entry));
  entries_[{shared->resource.kind, shared->resource.name}] = shared;
  by_uid_[uid] = std::move(shared);
}

void Catalog::drop(const std::string& uid) {
  const auto known = by_uid_.find(uid);
  if (known == by_uid_.end()) return;
  for (const Claim& claim : known->second->claims) claims_.erase({claim.type, claim.value});
  entries_.erase({known->second->resource.kind, known->second->resource.name});
  conditions_.erase(uid);
  by_uid_.erase(known);
}

EntryPtr Catalog::find(Kind kind, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto entry = entries_.find(std::pair<Kind, std::string>{kind, name});
  return entry == entries_.end() ? nullptr : entry->second;
}

EntryPtr Catalog::find_uid(std::string_view uid) const {
  const std::shared_lock lock(mutex_);
  const auto entry = by_uid_.find(uid);
  return entry == by_uid_.end() ? nullptr : entry->second;
}

EntryPtr Catalog::need(Kind kind, std::string_view name) const {
  check_name(kind, name);
  if (EntryPtr entry = find(kind, name)) return entry;
  check_readable();
  throw Error{Code::not_found, "there is no " + std::string{kind_text(kind)} + " named " + std::string{name}};
}

void Catalog::check_readable() const {
  const std::shared_lock lock(mutex_);
  if (!readable_)
    throw Error{Code::unavailable, "the database is damaged and cannot be read"}.with_hint(
        "containers go on running; put back a backup of sovirt.db in the state directory and start sovirtd again");
}

std::vector<EntryPtr> Catalog::all(Kind kind) const { return after(kind, "", SIZE_MAX); }

std::vector<EntryPtr> Catalog::after(Kind kind, std::string_view name, std::size_t most) const {
  const std::shared_lock lock(mutex_);
  std::vector<EntryPtr> found;
  for (auto entry = entries_.upper_bound(std::pair<Kind, std::string>{kind, name});
       entry != entries_.end() && entry->first.first == kind && found.size() < most; ++entry)
    found.push_back(entry->second);
  return found;
}

std::vector<EntryPtr> Catalog::dependents(std::string_view uid) const {
  const std::shared_lock lock(mutex_);
  std::vector<EntryPtr> found;
  for (const auto& [key, entry] : entries_)
    if (std::find(entry->references.begin(), entry->references.end(), uid) != entry->references.end())
      found.push_back(entry);
  return found;
}

EntryPtr Catalog::holder(const Claim& claim) const {
  const std::shared_lock lock(mutex_);
  const auto held = claims_.find({claim.type, claim.value});
  if (held == claims_.end()) return nullptr;
  const auto entry = by_uid_.find(held->second);
  return entry == by_uid_.end() ? nullptr : entry->second;
}

std::int64_t Catalog::last_event() const {
  const std::shared_lock lock(mutex_);
  return last_event_;
}

void Catalog::check_claims(const std::vector<Claim>& claims, std::string_view uid) const {
  for (const Claim& claim : claims) {
    const EntryPtr held_by = holder(claim);
    if (!held_by || held_by->resource.uid == uid) continue;
    const std::string ref = object_ref(held_by->resource.kind, held_by->resource.name);
    throw Error{Code::duplicate, claim.type + " " + claim.value + " is held by " + ref}.with_conflicts({ref});
  }
}

bool Catalog::set_condition(std::string_view uid, Condition condition) {
  const std::unique_lock lock(mutex_);
  auto& list = conditions_[std::string{uid}];
  const auto same = std::find_if(list.begin(), list.end(), [&](const Condition& c) { return c.type == condition.type; });
  if (condition.since == Time{}) condition.since = now();
  if (same == list.end()) {
    list.push_back(std::move(condition));
    return true;
  }
  if (*same == condition) return false;
  if (same->status == condition.status) condition.since = same->since;
  *same = std::move(condition);
  return true;
}

bool Catalog::clear_condition(std::string_view uid, std::string_view type) {
  const std::unique_lock lock(mutex_);
  const auto list = conditions_.find(uid);
  if (list == conditions_.end()) return false;
  return std::erase_if(list->second, [&](const Condition& c) { return c.type == type; }) != 0;
}

std::vector<Condition> Catalog::conditions(std::string_view uid) const {
  const std::shared_lock lock(mutex_);
  const auto list = conditions_.find(uid);
  return list == conditions_.end() ? std::vector<Condition>{} : list->second;
}

}  // namespace sovirt
