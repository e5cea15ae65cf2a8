#pragma once
#include <string_view>

#include "api/container.hpp"
#include "api/json.hpp"
#include "api/probe.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

struct ChangeContext;

// What a person does with the network beside changing it. All of it blocks. Errors are thrown as Error.
class NetworkTools {
 public:
  virtual ~NetworkTools() = default;
  virtual Json sockets(std::string_view netns) = 0;                                                  // {"items":[…]}
  virtual Json probe(const ProbeRequest&) = 0;                                                       // {"reachable","rtt","blocked_by"}
  virtual Json addresses() = 0;                                                                      // {"items":[…]}
  virtual ExecResult exec(std::string_view netns, const ExecRequest&, const ChangeContext&) = 0;
};

}  // namespace sovirt
