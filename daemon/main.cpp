#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "daemon/async/systemd.hpp"
#include "daemon/async/worker_pool.hpp"
#include "daemon/domain/host_service.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"
#include "daemon/kernel/files/kernel_file_access.hpp"
#include "daemon/kernel/filter/kernel_packet_filter.hpp"
#include "daemon/kernel/helper/helper_processes.hpp"
#include "daemon/kernel/host/host_probe.hpp"
#include "daemon/kernel/image/kernel_archives.hpp"
#include "daemon/kernel/image/kernel_image_builder.hpp"
#include "daemon/kernel/mount/kernel_layer_files.hpp"
#include "daemon/kernel/mount/overlay_root_filesystems.hpp"
#include "daemon/kernel/namespace/namespaces.hpp"
#include "daemon/kernel/netlink/netlink_kernel.hpp"
#include "daemon/kernel/netlink/uplinks.hpp"
#include "daemon/domain/device_rules.hpp"
#include "daemon/kernel/process/live_changes.hpp"
#include "daemon/kernel/process/process_launcher.hpp"
#include "daemon/logging.hpp"
#include "daemon/options.hpp"
#include "daemon/server/server.hpp"
#include "daemon/store/sqlite_store.hpp"
#include "daemon/store/state_lock.hpp"

namespace sovirt {
namespace {

std::atomic<Server*> signalled_server{nullptr};  // a signal handler has no other way to it

void on_signal(int) {
  if (Server* server = signalled_server.load()) server->stop();
}

void handle_signals(Server* server) {
  signalled_server = server;
  struct sigaction action{};
  action.sa_handler = server ? on_signal : SIG_IGN;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

// Memory of a burst goes back to the kernel. By itself glibc keeps an arena for each worker thread and raises its
// thresholds to the largest block ever freed, so that one flood of console output is resident from then on.
void keep_memory_small() {
  constexpr int large = 128 * 1024;
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, large);
  ::mallopt(M_TRIM_THRESHOLD, large);
}

std::string read_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) throw Error{Code::unavailable, "cannot read " + path};
  return line;
}

void make_directory(const std::string& path, mode_t mode) {
  std::filesystem::create_directories(path);
  if (::chmod(path.c_str(), mode) != 0) throw errno_error("chmod", path);
}

// In a file beside the database: without it nothing of a damaged database's containers would be known as ours.
std::string instance_of(const std::string& state_dir, Store& store) {
  const std::string path = state_dir + "/instance";
  std::string instance;
  if (std::ifstream in(path); std::getline(in, instance) && instance.size() == 8) return instance;
  if (const auto known = store.meta("instance")) instance = *known;
  else store.set_meta("instance", instance = random_id(8));
  std::ofstream out(path, std::ios::trunc);
  if (!(out << instance << '\n' << std::flush)) throw Error{Code::disk_full, "cannot write " + path};
  return instance;
}

std::vector<Listen> sockets(const Options& options) {
  std::vector<Listen> listen;
  for (systemd::InheritedSocket& socket : systemd::inherited_sockets()) {
    Listen one;
    one.path = socket.name;
    one.fd = std::move(socket.fd);
    one.read_only = socket.name == "ro";
    listen.push_back(std::move(one));
  }
  if (!listen.empty()) return listen;
  Listen changes;
  changes.path = options.socket;
  changes.group = "sovirt";
  Listen reads;
  reads.path = options.run_dir + "/sovirt-ro.sock";
  reads.read_only = true;
  reads.mode = 0666;
  listen.push_back(std::move(changes));
  listen.push_back(std::move(reads));
  return listen;
}

// A stop takes a second at most: what has not ended by then is cut off like by a crash, which the journal bears.
class Deadline {
 public:
  Deadline() : thread_([this](const std::stop_token& stop) {
    for (int i = 0; i < 90 && !stop.stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds{10});
    if (!stop.stop_requested()) ::_exit(0);
  }) {}

 private:
  std::jthread thread_;
};

int serve(const Options& options, Log& log) {
  auto listen = sockets(options);  // before any thread: it changes the environment
  make_directory(options.state_dir, 0700);
  make_directory(options.state_dir + "/containers", 0700);
  make_directory(options.run_dir, 0755);
  const StateLock lock(options.state_dir);
  const auto store = open_store({options.state_dir + "/sovirt.db"});
  const Places places{options.state_dir, options.run_dir, options.templates, instance_of(options.state_dir, *store), read_line(options.boot_id_file)};
  const auto network = make_network_kernel();
  const CgroupPorts groups = make_cgroup_ports({places.instance, options.cgroup_parent, options.launcher});
  const auto& cgroups = groups.tree;
  const auto roots = make_root_filesystems();
  const auto layers = make_layer_files();
  const auto images = make_image_builder({options.state_dir + "/images", options.state_dir + "/tmp"});
  const auto archives = make_archives({options.state_dir + "/images", options.state_dir + "/tmp"});
  HostProbeOptions probe;
  probe.controllers = [&cgroups = *cgroups] { return cgroups.controllers(); };
  const auto host = make_host_probe(std::move(probe));
  const auto launcher = make_launcher({options.launcher, options.run_dir + "/containers", places.boot_id, *cgroups, true, default_device_rules()});
  const auto live = make_live_changes(options.run_dir + "/containers", places.boot_id);
  const auto files = make_file_access();
  const auto filter = make_packet_filter({places.instance, options.run_dir + "/forwarding.json"});
  const auto helpers = make_helpers({options.run_dir + "/helpers", options.libexec, places.boot_id});
  const auto uplinks = make_uplinks();
  const auto pins = make_namespace_pins("/run/netns");
  const auto kept = make_kept_namespaces(options.run_dir + "/netns");
  const auto inside = make_namespace_inside();
  const auto namespaces = make_namespace_watch();
  const auto ends = make_link_ends();
  const auto prober = make_prober();
  const NetnsPorts netns{*pins, *kept, *inside, *namespaces, *ends, *prober};
  HostService service({*network, *cgroups, *groups.meters, *groups.members, *launcher, *roots, *images, *host, *files, *filter, *layers, *helpers, *uplinks, *live, *archives, netns, *groups.watch}, *store, log, places);
  WorkerPool pool;
  ServerOptions server_options;
  server_options.listen = std::move(listen);
  server_options.version = SOVIRT_VERSION;
  if (const auto interval = systemd::watchdog_interval()) {
    server_options.tick = *interval;
    server_options.on_tick = [] { systemd::notify_watchdog(); };
  }
  service.start();
  Server server(std::move(server_options), service, pool, log);
  handle_signals(&server);
  log.info("ready", {{"instance", places.instance}, {"socket", options.socket}, {"state", options.state_dir}});
  systemd::notify_ready("answering");
  server.run();
  handle_signals(nullptr);
  const Deadline deadline;
  systemd::notify_stopping();
  log.info("stopping; containers go on");
  if (pool.stop(std::chrono::milliseconds{200}) != 0) ::_exit(0);  // cut off as by a crash: the journal decides at the next start
  service.stop();
  return 0;
}

}  // namespace
}  // namespace sovirt

int main(int argc, char** argv) {
  sovirt::keep_memory_small();
  const sovirt::Options options = sovirt::read_options(argc, argv);
  const auto log = sovirt::make_log(options.log_level);
  try {
    return sovirt::serve(options, *log);
  } catch (const sovirt::Error& error) {
    log->error(error.detail(), {{"hint", error.hint()}});
  } catch (const std::exception& error) {
    log->error(error.what());
  }
  return 1;
}
