#pragma once
#include <string>

#include "daemon/server/router.hpp"

namespace sovirt {

// The routes of each noun. Together they are the API.
void add_resource_routes(Router&);    // bridges, containers, images: what all kinds share
void add_container_routes(Router&);   // state, actions, exec, log
void add_file_routes(Router&);         // a container's files
void add_copy_routes(Router&);        // copy, rename, snapshots of containers
void add_cgroup_routes(Router&);      // processes, kill, stats
void add_inside_routes(Router&);      // processes, stats, passwd
void add_terminal_routes(Router&);    // exec and console over WebSockets
void add_archive_routes(Router&);     // export and import of containers and images
void add_network_routes(Router&);     // sockets and exec of namespaces, probes, addresses
void add_image_routes(Router&);       // content, templates
void add_operation_routes(Router&);
void add_event_routes(Router&);
void add_host_routes(Router&, std::string version);  // host, restore, audit, openapi, health; last: it writes down the others

}  // namespace sovirt
