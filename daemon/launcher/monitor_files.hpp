#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"
#include "daemon/launcher/protocol.hpp"

namespace sovirt::launch {

// What a monitor leaves in RUN/containers/<uid>/: monitor.json while it runs, exit.json afterwards, both put there
// whole by a rename, and its socket. Until publish() nothing of it has its final name: a launch may yet be aborted.
class MonitorFiles {
 public:
  MonitorFiles(unique_fd directory, std::string path, std::string boot_id);

  unique_fd listen();                              // throws Error
  void write_processes(const Processes&);          // throws Error
  void publish();                                  // throws Error
  void write_exit(const Ended&);                   // the socket goes with it
  void remove_all() noexcept;                      // the directory as well

 private:
  void write(const char* name, const std::string& text);

  unique_fd directory_;
  std::string path_, boot_id_;
};

std::string exit_json(const std::string& boot_id, const Ended&);

}  // namespace sovirt::launch
