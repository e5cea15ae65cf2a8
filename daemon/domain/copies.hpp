#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/container_copies.hpp"
#include "daemon/domain/containers.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/images.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/layers.hpp"
#include "daemon/domain/operations.hpp"

namespace sovirt {

// Copies, names and snapshots: which layers a container stands on, and who else does.
class Copies final : public ContainerCopies {
 public:
  using Document = std::function<Json(const Entry&)>;   // a resource as clients see it
  struct Parts {
    Catalog& catalog;
    Executor& executor;
    KeyedLocks& locks;
    Operations& operations;
    Containers& containers;
    Images& images;
    Layers& layers;
    KernelPorts kernel;
    const Places& places;
    Document document;
  };
  explicit Copies(Parts parts) : parts_(std::move(parts)) {}

  ChangeResult copy(std::string_view container, const CopyRequest&, const ChangeContext&) override;
  ChangeResult rename(std::string_view container, const std::string& to, const ChangeContext&) override;
  ChangeResult snapshot(std::string_view container, const std::string& name, const ChangeContext&) override;
  ChangeResult restore(std::string_view container, const std::string& snapshot, const ChangeContext&) override;
  Json snapshots(std::string_view container) override;
  ChangeResult remove_snapshot(std::string_view container, std::string_view snapshot, const ChangeContext&) override;

  // A container's files as they are at one moment, mounted read-only for as long as this lives, whatever becomes of it.
  struct Held {
    Resource container;
    std::shared_ptr<void> image, layers;
    unique_fd root;
  };
  Held hold(const std::string& uid, const Actor&, std::stop_token, const std::function<void(Progress)>&);

  ActionTable actions();

 private:
  // How what a container has written becomes a layer: the ids it and a copy stand on then, with the step for it.
  struct Frozen {
    std::vector<std::string> source, copy;
    std::string made;                       // the new layer, "" where nothing was written
  };
  Frozen freeze(const Entry& source, Plan&) const;

  EntryPtr need(std::string_view name, const ChangeContext&) const;
  void check_free(const std::string& name) const;
  Resource clone_of(const Entry& source, const CopyRequest&) const;
  void settle_identity(Resource& clone, Identity) const;
  Job copy_job(const Entry& source, const CopyRequest&, const Actor&) const;
  Json run_copy(const std::string& source_uid, const CopyRequest&, const Actor&, std::stop_token, const std::function<void(Progress)>&);
  Job snapshot_job(const Entry& source, const std::string& name, const Actor&) const;
  Json run_snapshot(const std::string& source_uid, const std::string& name, const Actor&, std::stop_token, const std::function<void(Progress)>&);
  std::string begin(const char* kind, const std::string& object, const Actor&, Operations::Work);
  void copy_layer(const Json& args, Scratch&);
  void thaw(const Json& args) const noexcept;
  std::vector<std::pair<std::string, std::string>> mergeable(const Resource&) const;
  void merge(const std::string& uid, const Actor&);
  Json show(const Resource&, const Snapshot&);
  std::uint64_t own_size(const Resource&, const Snapshot&);

  Parts parts_;
  std::mutex sizes_mutex_;
  std::map<std::string, std::uint64_t> sizes_;   // of layers, which never change
};

}  // namespace sovirt
