#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt::process {

// RUN/containers: a folder for each container with config.json, monitor.sock, monitor.json and exit.json.
class RunDirectory {
 public:
  RunDirectory(std::string path, std::string boot_id);   // throws Error

  struct Prepared { unique_fd folder, config; };
  // A folder with this config.json and nothing of an earlier run.
  Prepared prepare(std::string_view uid, const std::string& config_json) const;
  std::string path(std::string_view uid) const { return path_ + "/" + std::string{uid}; }
  std::optional<std::string> config(std::string_view uid) const;
  std::optional<Launched> processes(std::string_view uid) const;   // of monitor.json; may have ended
  std::optional<ExitStatus> exit(std::string_view uid) const;
  void write_lost_exit(std::string_view uid, Time at) const;       // ended unseen
  void remove(std::string_view uid) const;
  std::vector<std::string> list() const;
  unique_fd open(std::string_view uid) const;                      // empty: absent

 private:
  std::string path_, boot_id_;
};

}  // namespace sovirt::process
