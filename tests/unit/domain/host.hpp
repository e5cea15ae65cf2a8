#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "daemon/domain/host_service.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/store/sqlite_store.hpp"
#include "tests/fakes/cgroup/fake_cgroup_tree.hpp"
#include "tests/fakes/cgroup/fake_cgroup_watch.hpp"
#include "tests/fakes/files/fake_file_access.hpp"
#include "tests/fakes/filter/fake_packet_filter.hpp"
#include "tests/fakes/helper/fake_helpers.hpp"
#include "tests/fakes/image/fake_image_builder.hpp"
#include "tests/fakes/launcher/fake_launcher.hpp"
#include "tests/fakes/archives/fake_archives.hpp"
#include "tests/fakes/layers/fake_layer_files.hpp"
#include "tests/fakes/live/fake_live_changes.hpp"
#include "tests/fakes/namespace/fake_namespaces.hpp"
#include "tests/fakes/network/fake_network_kernel.hpp"
#include "tests/fakes/network/fake_uplinks.hpp"
#include "tests/fakes/rootfs/fake_root_filesystems.hpp"

namespace sovirt::tests {

class SilentLog final : public Log {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

class NoProbe final : public HostProbe {
 public:
  Json report() override { return Json::object(); }
};

// A host in memory with a real database. The daemon on it can die and be started again, the host can boot.
class Host {
 public:
  Host() : directory_(std::filesystem::temp_directory_path() / ("sovirt-domain-" + random_id(10))), launcher(groups) {
    std::filesystem::create_directories(directory_);
    namespaces.join(network);
    launcher.on_run = [this](pid_t pid, int netns) { network.add_process(pid, netns); };
    files.open_root = [this] { return roots.mount_again(); };
    launcher.on_gone = [this](pid_t pid) { network.remove_process(pid); };
  }
  ~Host() {
    stop();
    std::filesystem::remove_all(directory_);
  }

  void start(const std::string& boot_id = "boot-1") {
    stop();
    store = open_store({(directory_ / "sovirt.db").string()});
    if (!store->meta("instance")) store->set_meta("instance", "abcdefgh");
    service_ = std::make_unique<HostService>(KernelPorts{network, groups, groups, groups, launcher, roots, images, probe, files, filter, layers, helpers, uplinks, live, archives, namespaces.ports(), watch}, *store, log,
                                             Places{directory_.string(), directory_.string(), directory_.string(), "abcdefgh", boot_id});
    service_->start();
    eventually([&] { return service_->restore_finished(); });
  }
  void stop() {
    service_.reset();
    store.reset();
  }
  HostService& service() { return *service_; }

  static ChangeContext context() { return {}; }
  ChangeResult put(Kind kind, const std::string& name, const Json& spec, const ChangeContext& ctx = {}) {
    return service_->put(kind, name, split_body(spec), ctx);
  }
  void image(const std::string& name = "busy") {
    const auto result = put(Kind::image, name, {{"source", {{"type", "binaries"}, {"binaries", {"/bin/" + name}}}}});
    ASSERT_FALSE(result.operation.empty());
    eventually([&] { return service_->operation(result.operation).at("state") != "running"; });
    ASSERT_EQ(service_->operation(result.operation).at("state"), "done") << service_->operation(result.operation).dump();
  }
  ChangeResult state(const std::string& name, Desired desired, bool force = false) {
    return service_->set_state(name, {desired, force, std::chrono::seconds{1}}, {});
  }
  Json container(const std::string& name) { return service_->get(Kind::container, name); }
  std::string state_of(const std::string& name) { return container(name).at("status").at("state").get<std::string>(); }

  static void eventually(const std::function<bool()>& what) {
    for (int i = 0; i < 500 && !what(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds{10});
    ASSERT_TRUE(what());
  }
  // Everything of ours that the kernel holds, as text: equal texts, equal kernels.
  std::string kernel() {
    std::string text;
    for (const LinkState& link : network.marked_links()) text += link.name + " ";
    for (const std::string& group : groups.groups()) text += "group:" + group + " ";
    for (const std::string& uid : launcher.known()) text += "launch:" + uid + " ";
    for (const std::string& name : roots.directories(directory_.string() + "/containers")) text += "dir:" + name + " ";
    for (const std::string& id : roots.directories(directory_.string() + "/layers")) text += "layer:" + id + " ";
    return text;
  }

 private:
  std::filesystem::path directory_;

 public:
  fakes::FakeNetworkKernel network;
  fakes::FakeNamespaces namespaces;
  FakeCgroupTree groups;
  FakeCgroupWatch watch;
  FakeRootFilesystems roots;
  FakeLayerFiles layers{roots};
  FakeArchives archives;
  FakeImageBuilder images;
  FakeLauncher launcher;
  NoProbe probe;
  FakeFileAccess files;
  fakes::FakePacketFilter filter;
  fakes::FakeHelpers helpers;
  fakes::FakeUplinks uplinks{network};
  FakeLiveChanges live;
  SilentLog log;
  std::unique_ptr<Store> store;

 private:
  std::unique_ptr<HostService> service_;
};

// The code of the Error that f throws; internal if it throws none (which no test expects).
template <typename F>
Code code_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::internal;
}

template <typename F>
std::vector<std::string> conflicts_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.conflicts_with();
  }
  return {};
}

inline Json bridge_spec(const std::string& address = "172.16.2.1/24") { return {{"addresses", {address}}}; }
inline Json container_spec(const std::string& address = "172.16.2.10/24") {
  return {{"image", "busy"}, {"nics", {{{"bridge", "brso1"}, {"addresses", {address}}}}}};
}

}  // namespace sovirt::tests
