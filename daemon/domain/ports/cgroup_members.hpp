#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

struct CgroupCommand {
  std::vector<std::string> command;
  std::optional<std::string> cpus;            // "0-3,6"
  std::map<std::string, std::string> env;
  std::string cwd = "/";
};

struct GroupProcess {
  ProcessId id;
  std::string name;                           // as ps shows it, at most 15 bytes
  std::vector<std::string> command;           // empty: a kernel thread or a process that is ending
  std::uint32_t uid = 0;
};

// The processes of CgroupTree's groups, one by one. Thread-safe. Throws Error.
class CgroupMembers {
 public:
  virtual ~CgroupMembers() = default;

  virtual std::vector<GroupProcess> describe(const std::vector<pid_t>&) = 0;   // those that are there still
  virtual std::string group_of(pid_t pid) = 0;   // of this daemon's groups, "a/b"; "": in none of them, or no such process
  // Moves a process of the host into the group and, if asked, all that it has started and starts meanwhile. Gives those
  // that were moved. Error{not_found}: no such process; Error{conflict}: one that cannot be moved.
  virtual std::vector<pid_t> attach(std::string_view group, pid_t pid, bool descendants) = 0;
  // Back to the top of every hierarchy.
  virtual void release(pid_t pid) = 0;
  // Starts a command that is in the group before it executes anything. It is nobody's child and outlives the daemon; its
  // input and output are /dev/null. Error{conflict} where it cannot be executed.
  virtual ProcessId run(std::string_view group, const CgroupCommand&) = 0;
};

}  // namespace sovirt
