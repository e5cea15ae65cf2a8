#pragma once
#include <string>

#include "daemon/domain/ports/cgroup_members.hpp"
#include "daemon/domain/ports/cgroup_meters.hpp"
#include "daemon/domain/ports/archives.hpp"
#include "daemon/domain/netns_ports.hpp"
#include "daemon/domain/ports/cgroup_tree.hpp"
#include "daemon/domain/ports/cgroup_watch.hpp"
#include "daemon/domain/ports/file_access.hpp"
#include "daemon/domain/ports/helpers.hpp"
#include "daemon/domain/ports/host_probe.hpp"
#include "daemon/domain/ports/image_builder.hpp"
#include "daemon/domain/ports/launcher.hpp"
#include "daemon/domain/ports/layer_files.hpp"
#include "daemon/domain/ports/live_changes.hpp"
#include "daemon/domain/ports/network_kernel.hpp"
#include "daemon/domain/ports/packet_filter.hpp"
#include "daemon/domain/ports/root_filesystems.hpp"
#include "daemon/domain/ports/uplinks.hpp"

namespace sovirt {

// All that the domain has of the host. Outlives it.
struct KernelPorts {
  NetworkKernel& network;
  CgroupTree& cgroups;
  CgroupMeters& meters;
  CgroupMembers& members;
  Launcher& launcher;
  RootFilesystems& roots;
  ImageBuilder& images;
  HostProbe& host;
  FileAccess& files;
  PacketFilter& filter;
  LayerFiles& layers;
  Helpers& helpers;
  Uplinks& uplinks;
  LiveChanges& live;
  Archives& archives;
  NetnsPorts netns;
  CgroupWatch& group_watch;
};

struct Places {
  std::string state_dir;   // /var/lib/sovirt
  std::string run_dir;     // /run/sovirt
  std::string templates;   // /usr/share/sovirt/templates
  std::string instance;    // 8 characters, first part of every uid
  std::string boot_id;
};

}  // namespace sovirt
