#pragma once
#include <map>

#include "daemon/domain/catalog.hpp"
#include "daemon/domain/container_files.hpp"
#include "daemon/domain/container_inside.hpp"
#include "daemon/domain/kernel_ports.hpp"

namespace sovirt {

class HostInside final : public ContainerInside {
 public:
  HostInside(Catalog& catalog, const KernelPorts& kernel, ContainerFiles& files) : catalog_(catalog), kernel_(kernel), files_(files) {}
  Json processes(std::string_view container) override;
  std::string set_password(std::string_view container, const std::string& user, const std::optional<std::string>& password) override;

 private:
  EntryPtr need_alive(std::string_view container) const;
  std::string read_file(std::string_view container, const std::string& path, FileFacts& facts);
  std::map<uid_t, std::string> user_names(std::string_view container);

  Catalog& catalog_;
  KernelPorts kernel_;
  ContainerFiles& files_;
};

}  // namespace sovirt
