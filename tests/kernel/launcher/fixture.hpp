#pragma once
#include <gtest/gtest.h>

#include "tests/kernel/launcher/launcher_host.hpp"

namespace sovirt::test {

class LauncherTest : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (const auto reason = LauncherHost::missing(GetParam())) GTEST_SKIP() << *reason;
    host_ = std::make_unique<LauncherHost>(GetParam());
    if (!has_spare(GetParam())) return;
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

inline auto all_modes() { return testing::Values(Mode::direct, Mode::spare, Mode::direct_v2, Mode::spare_v2); }
inline std::string mode_name(const testing::TestParamInfo<Mode>& info) {
  constexpr const char* names[] = {"direct", "spare", "direct_v2", "spare_v2"};
  return names[static_cast<int>(info.param)];
}

}  // namespace sovirt::test
