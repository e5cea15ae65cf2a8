#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/kernel/host/host_tree.hpp"

namespace sovirt {

// What is on record about how the running kernel was built: its configuration and its modules. Reads what does
// not change within a boot when made; about half a megabyte on a distribution's kernel.
class KernelBuild {
 public:
  explicit KernelBuild(const HostTree&);

  enum class Part {
    running,   // built in or loaded
    loadable,  // a module that is installed, not loaded yet
    absent,
    unknown,
  };
  struct Evidence {
    Part part = Part::unknown;
    std::string detail;  // "built into the kernel", "CONFIG_DUMMY is not set"
  };
  // `module` as the kernel writes it ("nf_tables"), `option` without CONFIG_.
  Evidence find(const HostTree&, const std::string& module, const std::string& option) const;

  std::optional<char> option(const std::string& name) const;  // 'y', 'm', 'n'; empty: no configuration is on record
  bool at_least(int major, int minor) const noexcept;
  const std::string& release() const noexcept { return release_; }

 private:
  std::string release_;
  int major_ = 0, minor_ = 0;
  std::string config_;   // "" if unknown
  std::set<std::string> builtin_;  // names in modules.builtin
  std::set<std::string> modules_;  // names in modules.dep
};

}  // namespace sovirt
