#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/link_ends.hpp"
#include "daemon/domain/ports/namespace_inside.hpp"
#include "daemon/domain/ports/namespaces.hpp"
#include "daemon/domain/ports/prober.hpp"

namespace sovirt {

std::unique_ptr<NamespacePins> make_namespace_pins(std::string folder);        // "/run/netns", where ip-netns(8) looks
std::unique_ptr<KeptNamespaces> make_kept_namespaces(std::string folder);     // of our own
std::unique_ptr<NamespaceWatch> make_namespace_watch();
std::unique_ptr<NamespaceInside> make_namespace_inside();
std::unique_ptr<LinkEnds> make_link_ends();
std::unique_ptr<Prober> make_prober();

}  // namespace sovirt
