#pragma once
#include "daemon/domain/ports/link_ends.hpp"
#include "daemon/domain/ports/namespace_inside.hpp"
#include "daemon/domain/ports/namespaces.hpp"
#include "daemon/domain/ports/prober.hpp"

namespace sovirt {

// All that the domain has of network namespaces beside the host's own, and of links between them.
struct NetnsPorts {
  NamespacePins& pins;
  KeptNamespaces& kept;
  NamespaceInside& inside;
  NamespaceWatch& watch;
  LinkEnds& ends;
  Prober& prober;
};

}  // namespace sovirt
