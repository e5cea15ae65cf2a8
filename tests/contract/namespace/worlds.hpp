#pragma once
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/kernel/namespace/namespaces.hpp"
#include "tests/fakes/namespace/fake_namespaces.hpp"

namespace sovirt::contract {

class FakeNamespaceWorld {
 public:
  static std::string missing() { return {}; }
  NetnsPorts ports() { return fake_.ports(); }
  unique_fd foreign_netns(const std::string& name) { return fake_.foreign_netns(name); }

 private:
  fakes::FakeNamespaces fake_;
};

// This machine's kernel, in a network and a mount namespace of the test's own: neither the host's links nor its mounts change.
class RealNamespaceWorld {
 public:
  RealNamespaceWorld() : folder_(make_folder()) {
    if (::unshare(CLONE_NEWNET) != 0) throw errno_error("unshare", "CLONE_NEWNET");
    pins_ = make_namespace_pins(folder_ + "/pins");
    kept_ = make_kept_namespaces(folder_ + "/kept");
    inside_ = make_namespace_inside();
    watch_ = make_namespace_watch();
    ends_ = make_link_ends();
    prober_ = make_prober();
  }
  ~RealNamespaceWorld() {
    for (const char* part : {"/pins", "/kept"}) {
      std::error_code error;
      for (const auto& entry : std::filesystem::directory_iterator(folder_ + part, error)) ::umount2(entry.path().c_str(), MNT_DETACH);
      ::umount2((folder_ + part).c_str(), MNT_DETACH);
    }
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
  }
  RealNamespaceWorld(const RealNamespaceWorld&) = delete;
  RealNamespaceWorld& operator=(const RealNamespaceWorld&) = delete;

  static std::string missing() {
    if (::geteuid() != 0) return "needs root to make a network namespace";
    static const bool apart = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return apart ? "" : "this host does not let us make a mount namespace";
  }
  NetnsPorts ports() { return {*pins_, *kept_, *inside_, *watch_, *ends_, *prober_}; }
  // As ip-netns(8) leaves it: pinned, without our mark.
  unique_fd foreign_netns(const std::string& name) {
    pins_->create(name, "abcdefgh-foreign23456");
    pins_->release(name, "abcdefgh-foreign23456");
    return pins_->open(name);
  }

 private:
  static std::string make_folder() {
    std::string path = std::filesystem::temp_directory_path() / "sovirt-namespaces-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) throw errno_error("mkdtemp", path);
    return path;
  }

  std::string folder_;
  std::unique_ptr<NamespacePins> pins_;
  std::unique_ptr<KeptNamespaces> kept_;
  std::unique_ptr<NamespaceInside> inside_;
  std::unique_ptr<NamespaceWatch> watch_;
  std::unique_ptr<LinkEnds> ends_;
  std::unique_ptr<Prober> prober_;
};

template <class World>
class Namespaces : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = World::missing(); !why.empty()) GTEST_SKIP() << why;
    world_.emplace();
  }
  World& world() { return *world_; }
  NetnsPorts ports() { return world_->ports(); }

 private:
  std::optional<World> world_;
};
using NamespaceWorlds = testing::Types<FakeNamespaceWorld, RealNamespaceWorld>;

template <class Action>
Code code_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Code::internal;
}

template <class Condition>
bool soon(Condition holds) {
  for (int i = 0; i < 500 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  return holds();
}

constexpr const char* a_uid = "abcdefgh-aaaaaaaaaaaa";
constexpr const char* b_uid = "abcdefgh-bbbbbbbbbbbb";

}  // namespace sovirt::contract
