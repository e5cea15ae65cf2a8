#pragma once
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

namespace sovirt {

// The layers that root file systems are stacked from: directories in overlayfs's own format, with its whiteouts and
// extended attributes. What has become a layer is never written again, so any number of containers may stand on it.
// `directory` is a container's own as in RootfsLayers. Thread-safe. Throws Error.
class LayerFiles {
 public:
  virtual ~LayerFiles() = default;

  // What the container has written becomes `layer`, and it goes on with nothing above that: one rename, no bytes are
  // copied. It must not be mounted. Repeated: fine.
  virtual void freeze(const std::string& directory, const std::string& layer) = 0;
  virtual void unfreeze(const std::string& directory, const std::string& layer) = 0;  // back again; never frozen: fine
  // Has nothing been written above `below`, the topmost of its lower directories?
  virtual bool unchanged(const std::string& directory, const std::string& below) = 0;

  // What the container has written moves to `aside`, and it goes on with nothing above `below`. Not mounted. Repeated: fine.
  virtual void reset(const std::string& directory, const std::string& below, const std::string& aside) = 0;
  virtual void take_back(const std::string& directory, const std::string& aside) = 0;

  // The same content in a layer of its own: shared blocks where the file system has them (FICLONE), else a copy that
  // keeps holes, links, owners, times and attributes. Whole or not there. `source` may be mounted, but nothing may
  // write to it meanwhile. Error{cancelled} on stop.
  virtual void copy(const std::string& source, const std::string& layer, std::stop_token,
                    const std::function<void(std::uint64_t bytes)>& progress) = 0;
  // One layer that shows what `upper` on `lower` shows, its files being further names of theirs. Whole or not there.
  virtual void merge(const std::string& upper, const std::string& lower, const std::string& into) = 0;
  virtual bool remove(const std::string& layer) = 0;            // false: was absent
  virtual std::uint64_t size(const std::string& layer) = 0;     // bytes on the disk; 0 if absent

  // Is there anything in the tree at `path` (an image's) that new_identity() would take away? Looks at a few names.
  virtual bool has_identity(const std::string& path) = 0;
  // Makes a copied system another one: machine-id, ssh host keys, random seed and DHCP leases are its own from now on.
  // `rootfs` as from RootFilesystems::mount.
  virtual void new_identity(int rootfs) = 0;
};

}  // namespace sovirt
