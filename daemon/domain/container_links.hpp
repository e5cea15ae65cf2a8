#pragma once
#include <string>

namespace sovirt {

// What the start and the end of a container mean to links that have an end in it.
class ContainerLinks {
 public:
  virtual ~ContainerLinks() = default;
  // Its namespace has been made, nothing runs in it yet: the ends that were kept for it go in. Throws Error.
  virtual void enter(const std::string& container_uid, int netns) = 0;
  // Its processes are gone: the ends come out, and their other ends notice nothing but a lost carrier. Repeated: fine.
  virtual void leave(const std::string& container_uid) = 0;
};

}  // namespace sovirt
