#pragma once
#include <string>
#include <vector>

#include "api/container.hpp"
#include "daemon/domain/ports/root_filesystems.hpp"

namespace sovirt {

// /etc/hostname, /etc/hosts and /etc/resolv.conf of a container, written at each start.
// resolv.conf is the host's without loopback servers, which nobody answers in another network namespace.
std::vector<RootfsFile> hosts_files(const std::string& hostname, const ContainerSpec&);

// For the tests: resolv.conf from the host's text.
std::string container_resolv_conf(const std::string& of_host);

}  // namespace sovirt
