#pragma once
#include <string>
#include <string_view>

#include "api/container_archive.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

// Containers and images as files of the host. Each is an operation; its result is {"path","size","digest"}, or the
// container that was made. Errors: exists (a file or an object is there), not_found, invalid (no such archive).
class ContainerArchives {
 public:
  virtual ~ContainerArchives() = default;
  // The files as they are at one moment: a running one is frozen while its own are copied. Without snapshots.
  virtual ChangeResult write_container(std::string_view container, const std::string& path, const ChangeContext&) = 0;
  virtual ChangeResult write_image(std::string_view image, const std::string& path, const ChangeContext&) = 0;
  virtual ChangeResult read_container(std::string_view name, const ImportRequest&, const ChangeContext&) = 0;
};

}  // namespace sovirt
