#pragma once
#include <gtest/gtest.h>

#include "tests/kernel/launcher/launcher_host.hpp"

namespace sovirt::test {

// Every test twice: the launch made from nothing, and from a spare.
class LauncherTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (const auto reason = LauncherHost::missing()) GTEST_SKIP() << *reason;
    host_ = std::make_unique<LauncherHost>(GetParam());
    if (!GetParam()) return;
    // On v1 a spare is in a group of its own, by which it is seen to be there.
    if (!host_->cgroups().needs_attach()) return;
    ASSERT_TRUE(soon([&] {
      for (const std::string& group : host_->cgroups().groups())
        if (group.starts_with("spare.") && !host_->cgroups().processes(group).empty()) return true;
      return false;
    }));
  }
  LauncherHost& host() { return *host_; }
  Launcher& launcher() { return host_->launcher(); }

 private:
  std::unique_ptr<LauncherHost> host_;
};

inline std::string mode_name(const testing::TestParamInfo<bool>& info) { return info.param ? "spare" : "direct"; }

}  // namespace sovirt::test
