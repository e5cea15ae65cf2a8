#pragma once
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/domain/ports/network_kernel.hpp"

namespace sovirt {

// Whose an end is that a message of the kernel speaks of: by the key of its namespace and its ifindex. Thread-safe.
class EndHolders {
 public:
  void remember(const std::string& where, int ifindex, const std::string& uid);
  std::string heard(const std::string& where, const LinkEvent&);   // the uid, "": nobody's. An end that is gone is forgotten.
  void forget(const std::string& uid);

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::string> uids_;
};

}  // namespace sovirt
