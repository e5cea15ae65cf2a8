#include "daemon/domain/hosts_files.hpp"

#include <fstream>
#include <sstream>

namespace sovirt {
namespace {

constexpr const char* note = "# written by sovirt at each start of this container\n";

std::string hosts(const std::string& hostname, const ContainerSpec& spec) {
  std::string text = note;
  text += "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  bool named = false;
  for (const NicSpec& nic : spec.nics)
    for (const Cidr& cidr : nic.addresses) {
      text += cidr.address().text() + "\t" + hostname + "\n";
      named = true;
    }
  // Without an address of its own the name must still resolve, or sudo and mail programs wait for DNS.
  if (!named) text += "127.0.1.1\t" + hostname + "\n";
  return text;
}

std::string resolver_conf(const Resolver& resolver) {
  std::string text = note;
  for (const Cidr& server : resolver.servers) text += "nameserver " + server.address().text() + "\n";
  return text + "search " + resolver.domain + "\n";
}

}  // namespace

std::string container_resolv_conf(const std::string& of_host) {
  std::string text = note;
  std::istringstream lines(of_host);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string key;
    std::string value;
    words >> key >> value;
    const auto address = IpAddress::parse(value);
    const bool loopback = address && (address->is_v6() ? value == "::1" : address->bytes()[0] == 127);
    if ((key == "nameserver" && !loopback) || key == "search" || key == "options") text += line + "\n";
  }
  return text;
}

std::vector<RootfsFile> hosts_files(const std::string& hostname, const ContainerSpec& spec, const std::optional<Resolver>& resolver) {
  std::vector<RootfsFile> files{{"/etc/hostname", hostname + "\n"}, {"/etc/hosts", hosts(hostname, spec)}};
  if (resolver) {
    files.push_back({"/etc/resolv.conf", resolver_conf(*resolver)});
    return files;
  }
  std::ifstream host_file("/etc/resolv.conf");
  std::stringstream content;
  if (host_file) content << host_file.rdbuf();
  files.push_back({"/etc/resolv.conf", container_resolv_conf(content.str())});
  return files;
}

}  // namespace sovirt
