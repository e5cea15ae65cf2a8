#include "daemon/domain/layers.hpp"

#include <algorithm>

namespace sovirt {
namespace {

std::vector<std::string> ids(const Json& owner) { return owner.value("layers", std::vector<std::string>{}); }

}  // namespace

std::vector<std::string> layers_of(const Resource& container) { return ids(container.facts); }

std::vector<Snapshot> snapshots_of(const Resource& container) {
  std::vector<Snapshot> all;
  const auto found = container.facts.find("snapshots");
  if (found == container.facts.end()) return all;
  for (const Json& one : *found)
    all.push_back({one.at("name").get<std::string>(), one.at("created_at").get<std::string>(), one.at("parent").get<std::string>(), ids(one)});
  return all;
}

std::string snapshot_head(const Resource& container) { return container.facts.value("snapshot_head", ""); }

void set_layers(Json& facts, const std::vector<std::string>& layers) { facts["layers"] = layers; }

void set_snapshots(Json& facts, const std::vector<Snapshot>& snapshots, const std::string& head) {
  Json list = Json::array();
  for (const Snapshot& one : snapshots)
    list.push_back({{"name", one.name}, {"created_at", one.created_at}, {"parent", one.parent}, {"layers", one.layers}});
  facts["snapshots"] = std::move(list);
  facts["snapshot_head"] = head;
}

std::string Layers::path(std::string_view id) const { return places_.state_dir + "/layers/" + std::string{id}; }

std::string Layers::directory(std::string_view uid) const { return places_.state_dir + "/containers/" + std::string{uid}; }

RootfsLayers Layers::of(const Resource& container) const {
  RootfsLayers layers{container.facts.at("image_directory").get<std::string>(), directory(container.uid), {}};
  for (const std::string& id : layers_of(container)) layers.layers.push_back(path(id));
  return layers;
}

std::string Layers::below(const Resource& container) const {
  const auto all = layers_of(container);
  return all.empty() ? container.facts.at("image_directory").get<std::string>() : path(all.front());
}

std::vector<std::string> Layers::in_use() const {
  std::vector<std::string> used;
  const auto add = [&](const std::vector<std::string>& more) { used.insert(used.end(), more.begin(), more.end()); };
  for (const EntryPtr& container : catalog_.all(Kind::container)) {
    add(layers_of(container->resource));
    for (const Snapshot& one : snapshots_of(container->resource)) add(one.layers);
  }
  {
    const std::lock_guard lock(mutex_);
    used.insert(used.end(), pinned_.begin(), pinned_.end());
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  return used;
}

void Layers::release(const std::vector<std::string>& ids) {
  if (ids.empty()) return;
  const auto used = in_use();
  for (const std::string& id : ids)
    if (!std::binary_search(used.begin(), used.end(), id)) kernel_.layers.remove(path(id));
}

std::shared_ptr<void> Layers::pin(std::vector<std::string> ids) {
  {
    const std::lock_guard lock(mutex_);
    pinned_.insert(ids.begin(), ids.end());
  }
  return {nullptr, [this, ids = std::move(ids)](void*) {
    {
      const std::lock_guard lock(mutex_);
      for (const std::string& id : ids) pinned_.erase(pinned_.find(id));
    }
    try {
      release(ids);
    } catch (const std::exception&) {
      // What cannot be removed now is nobody's, and collected at the next start.
    }
  }};
}

void Layers::collect() {
  const auto used = in_use();
  for (const std::string& id : kernel_.roots.directories(places_.state_dir + "/layers"))
    if (!std::binary_search(used.begin(), used.end(), id)) kernel_.layers.remove(path(id));
}

}  // namespace sovirt
