#pragma once
#include <nlohmann/json_fwd.hpp>

#include "daemon/domain/ports/terminals.hpp"
#include "daemon/kernel/process/run_directory.hpp"

namespace sovirt::process {

class ProcessTerminals final : public Terminals {
 public:
  explicit ProcessTerminals(const RunDirectory& run) : run_(run) {}
  std::unique_ptr<ExecSession> open_exec(std::string_view uid, const SessionRequest&) override;
  std::unique_ptr<ConsoleWatch> watch_console(std::string_view uid) override;

 private:
  const RunDirectory& run_;
};

// A connection to the monitor of a container that runs. Throws Error{conflict} where there is none.
unique_fd need_monitor(const RunDirectory&, std::string_view uid);

// `process` of the container's config.json, changed as the request says.
nlohmann::json exec_process(const RunDirectory&, std::string_view uid, const ExecRequest&);

}  // namespace sovirt::process
