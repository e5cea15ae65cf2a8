#pragma once
#include "daemon/domain/container_archives.hpp"
#include "daemon/domain/copies.hpp"
#include "daemon/domain/images.hpp"
#include "daemon/domain/operations.hpp"

namespace sovirt {

class Exports final : public ContainerArchives {
 public:
  struct Parts {
    Service& service;
    Catalog& catalog;
    Copies& copies;
    Images& images;
    Operations& operations;
    KernelPorts kernel;
  };
  explicit Exports(Parts parts) : parts_(std::move(parts)) {}

  ChangeResult write_container(std::string_view container, const std::string& path, const ChangeContext&) override;
  ChangeResult write_image(std::string_view image, const std::string& path, const ChangeContext&) override;
  ChangeResult read_container(std::string_view name, const ImportRequest&, const ChangeContext&) override;
  // The build of an image whose source is a container.
  BuiltImage publish(const std::string& container, const Actor&, std::stop_token, const std::function<void(Progress)>&);

 private:
  ChangeResult begin(const char* kind, const std::string& object, const ChangeContext&, Operations::Work);
  Json import(const std::string& name, const ImportRequest&, const ContainerDocument&, const ChangeContext&, std::stop_token,
              const std::function<void(Progress)>&);

  Parts parts_;
};

}  // namespace sovirt
