#pragma once
#include <string>
#include <string_view>

#include "api/container_copy.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

// Copies, names and snapshots of containers. Nothing is copied of a stopped one: what it has written becomes a layer
// that any number stand on. A running one is frozen while its own files are copied, which is an operation.
// Errors: not_found, exists (the name is taken), duplicate (a fixed MAC or address is held), conflict (its state).
class ContainerCopies {
 public:
  virtual ~ContainerCopies() = default;
  virtual ChangeResult copy(std::string_view container, const CopyRequest&, const ChangeContext&) = 0;
  virtual ChangeResult rename(std::string_view container, const std::string& to, const ChangeContext&) = 0;
  // The body is the snapshot's document.
  virtual ChangeResult snapshot(std::string_view container, const std::string& name, const ChangeContext&) = 0;
  // Its files are those of the snapshot again; what was written since is gone.
  virtual ChangeResult restore(std::string_view container, const std::string& snapshot, const ChangeContext&) = 0;
  virtual Json snapshots(std::string_view container) = 0;                                   // {"items":[…]}
  virtual ChangeResult remove_snapshot(std::string_view container, std::string_view snapshot, const ChangeContext&) = 0;
};

}  // namespace sovirt
