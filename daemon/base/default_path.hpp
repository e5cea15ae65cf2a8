#pragma once

namespace sovirt {

// Where commands are looked for whose environment says nothing of PATH: in containers, namespaces and cgroups.
inline constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace sovirt
