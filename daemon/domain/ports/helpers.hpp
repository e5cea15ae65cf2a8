#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// A program of the host that does something for an object as long as it is wanted: dnsmasq, a DHCP client. It outlives
// the daemon, and is the same one for the next daemon.
struct HelperSpec {
  std::string key;                            // names it and its folder: letters, digits, '-'
  std::string program;                        // "dnsmasq"; looked up where system programs are, or an absolute path
  std::vector<std::string> arguments;         // "{dir}" in them, and in the files, stands for its folder
  std::map<std::string, std::string> files;   // name -> content, put into its folder before it starts
  std::map<std::string, std::string> data;    // likewise, but given anew later: no part of what it is
  bool operator==(const HelperSpec&) const = default;
};

// Thread-safe. Throws Error.
class Helpers {
 public:
  virtual ~Helpers() = default;

  virtual bool installed(std::string_view program) = 0;
  // In the network namespace of this descriptor, -1: the daemon's. One that runs under this key with another spec is
  // ended before; with the same, nothing happens. On return it has lived for a moment: one that ends at once is
  // Error{conflict} with its last words.
  virtual void start(const HelperSpec&, int netns) = 0;
  virtual bool runs(const HelperSpec&) = 0;                         // with exactly that spec, its data aside
  virtual bool stop(std::string_view key) = 0;                      // false: was not there. Its folder goes with it
  // Puts a file into the folder of one that is known, and sends SIGHUP if that changed anything. Returns whether it did.
  virtual bool give(std::string_view key, std::string_view file, std::string_view content) = 0;
  virtual std::optional<std::string> read(std::string_view key, std::string_view file) = 0;   // nullopt: absent
  virtual std::vector<std::string> known() = 0;                     // keys of all folders: for orphans
  // Called from a thread of its own when one has ended that was not stopped, adopted ones included; until the handle dies.
  virtual std::shared_ptr<void> watch(std::function<void(std::string_view key)>) = 0;
};

}  // namespace sovirt
