#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

struct PinState {
  std::string name;
  std::uint64_t inode = 0;
  std::string mark;                    // the uid it carries as an altname of its lo; "": not sovirt's
};

// Network namespaces that a file in /run/netns keeps alive, as ip-netns(8) makes them. Our mark is an altname of the
// namespace's lo: it lives and dies with the namespace, whatever becomes of the file. Thread-safe. Throws Error.
class NamespacePins {
 public:
  virtual ~NamespacePins() = default;

  virtual std::optional<PinState> find(std::string_view name) = 0;   // nullopt: nothing is pinned there
  virtual std::vector<PinState> all() = 0;
  // Marked and with lo up before it can be seen. There with this mark: fine. Foreign: Error{conflict}.
  virtual void create(std::string_view name, std::string_view uid) = 0;
  virtual void adopt(std::string_view name, std::string_view uid) = 0;         // puts the mark; not_found, conflict if another's
  virtual void release(std::string_view name, std::string_view uid) = 0;       // takes the mark away, where it is
  virtual void pin(std::string_view name, int netns) = 0;                      // what is open under a name that is free
  virtual bool remove(std::string_view name, std::string_view uid) = 0;        // false: absent or not so marked
  virtual unique_fd open(std::string_view name) = 0;                           // Error{not_found}
  virtual std::uint64_t inode(std::string_view name) = 0;                      // cheap; 0: nothing is pinned there
};

// Namespaces that sovirt keeps for itself, out of sight of ip-netns(8), by files in its run directory. Thread-safe.
class KeptNamespaces {
 public:
  virtual ~KeptNamespaces() = default;
  // Where the ends of links are whose container does not run, and what a fresh namespace looks like. Made when first asked for.
  virtual unique_fd parking() = 0;
  // A namespace that must outlive its processes until the ends in it have been moved away.
  virtual void keep(std::string_view key, int netns) = 0;
  virtual unique_fd kept(std::string_view key) = 0;                            // no descriptor: none such
  virtual void let_go(std::string_view key) = 0;
  virtual std::vector<std::string> keys() = 0;                                 // without the parking
};

// What happens in namespaces beside the host's own, from one thread, asleep while nothing does. Thread-safe.
class NamespaceWatch {
 public:
  virtual ~NamespaceWatch() = default;
  // key: as given to follow(); "": a pin may have changed. Not called any more once the handle is gone.
  using Listener = std::function<void(const std::string& key, const LinkEvent&, bool lost)>;
  virtual std::shared_ptr<void> listen(Listener) = 0;
  virtual void follow(const std::string& key, int netns) = 0;   // holds the namespace (-1: the host's); again: replaces
  virtual void forget(const std::string& key) = 0;
};

}  // namespace sovirt
