#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/ports/root_filesystems.hpp"

namespace sovirt {

// Who answers the container's questions for names, where a bridge of it has a name service.
struct Resolver {
  std::vector<Cidr> servers;
  std::string domain;
};

// /etc/hostname, /etc/hosts and /etc/resolv.conf of a container, written at each start.
// resolv.conf names the resolver; without one it is the host's without loopback servers, which nobody answers in another network namespace.
std::vector<RootfsFile> hosts_files(const std::string& hostname, const ContainerSpec&, const std::optional<Resolver>&);

// For the tests: resolv.conf from the host's text.
std::string container_resolv_conf(const std::string& of_host);

}  // namespace sovirt
