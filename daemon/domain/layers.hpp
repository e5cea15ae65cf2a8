#pragma once
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/resource.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/ports/root_filesystems.hpp"

namespace sovirt {

struct Snapshot {
  std::string name;
  std::string created_at;             // RFC 3339
  std::string parent;                 // the snapshot it was made after, "" for none
  std::vector<std::string> layers;    // ids, the topmost first
};

// The layers that a container stands on, as its facts keep them: ids of directories in STATE/layers. Those that no
// container and no snapshot names are nobody's.
std::vector<std::string> layers_of(const Resource&);
std::vector<Snapshot> snapshots_of(const Resource&);
std::string snapshot_head(const Resource&);   // what the present state came from, "" for none

void set_layers(Json& facts, const std::vector<std::string>& layers);
void set_snapshots(Json& facts, const std::vector<Snapshot>& snapshots, const std::string& head);

class Layers {
 public:
  Layers(const Catalog& catalog, const KernelPorts& kernel, const Places& places) : catalog_(catalog), kernel_(kernel), places_(places) {}

  // More than a kernel before 6.7 mounts at once; each costs a look-up of every path.
  static constexpr std::size_t most = 48;

  std::string path(std::string_view id) const;
  std::string directory(std::string_view container_uid) const;
  RootfsLayers of(const Resource& container) const;
  // The topmost directory below what the container itself writes.
  std::string below(const Resource& container) const;
  std::vector<std::string> in_use() const;
  // Removes those of `ids` that nobody names any more.
  void release(const std::vector<std::string>& ids);
  // Keeps them although nobody may name them, until the handle dies.
  std::shared_ptr<void> pin(std::vector<std::string> ids);
  void collect();                             // at start: everything nobody names

 private:
  const Catalog& catalog_;
  KernelPorts kernel_;
  const Places& places_;
  mutable std::mutex mutex_;
  std::multiset<std::string> pinned_;
};

}  // namespace sovirt
