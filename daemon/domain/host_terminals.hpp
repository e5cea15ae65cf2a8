#pragma once
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/container_terminals.hpp"
#include "daemon/domain/containers.hpp"
#include "daemon/domain/kernel_ports.hpp"

namespace sovirt {

class HostTerminals final : public ContainerTerminals {
 public:
  HostTerminals(Catalog& catalog, const KernelPorts& kernel, const Containers& containers)
      : catalog_(catalog), kernel_(kernel), containers_(containers) {}
  std::unique_ptr<ExecSession> open_exec(std::string_view container, const SessionRequest&) override;
  OpenConsole open_console(std::string_view container, const ConsoleRequest&) override;
  std::uint64_t log_offset(std::string_view container, Time since) override;

 private:
  Catalog& catalog_;
  KernelPorts kernel_;
  const Containers& containers_;
};

// The container, running. Throws Error{not_found}, Error{conflict}.
EntryPtr need_running(const Catalog&, std::string_view container);

}  // namespace sovirt
