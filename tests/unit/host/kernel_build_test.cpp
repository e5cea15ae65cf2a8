#include "daemon/kernel/host/kernel_build.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "tests/unit/host/recorded_host.hpp"

namespace sovirt::test {
namespace {

KernelBuild::Part part_of(const RecordedHost& recorded, const char* module, const char* option) {
  const HostTree host{recorded.path("/proc"), recorded.path("/sys"), recorded.path("/dev"), recorded.path("")};
  return KernelBuild{host}.find(host, module, option).part;
}

TEST(KernelBuild, CompressedConfigurationOfTheRunningKernel) {
  RecordedHost recorded;
  recorded.file("/proc/sys/kernel/osrelease", "6.18.44-custom\n");
  const gzFile file = ::gzopen(recorded.path("/proc/config.gz").c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ::gzputs(file, "# x\nCONFIG_VETH=y\nCONFIG_BRIDGE=m\n# CONFIG_DUMMY is not set\nCONFIG_VXLAN_X=y\n");
  ::gzclose(file);
  EXPECT_EQ(part_of(recorded, "veth", "VETH"), KernelBuild::Part::running);
  EXPECT_EQ(part_of(recorded, "bridge", "BRIDGE"), KernelBuild::Part::unknown) << "a module, and no list of modules";
  EXPECT_EQ(part_of(recorded, "dummy", "DUMMY"), KernelBuild::Part::absent);
  EXPECT_EQ(part_of(recorded, "vxlan", "VXLAN"), KernelBuild::Part::absent) << "a longer name is another option";
}

TEST(KernelBuild, NothingOnRecord) {
  const RecordedHost recorded;
  EXPECT_EQ(part_of(recorded, "veth", "VETH"), KernelBuild::Part::unknown);
}

TEST(KernelBuild, NamesOfModuleFiles) {
  RecordedHost recorded;
  recorded.file("/proc/sys/kernel/osrelease", "6.1.0\n")
      .file("/lib/modules/6.1.0/modules.dep", "kernel/a/nf-tables.ko.xz: kernel/b/veth.ko.xz\nkernel/c/bridge.ko.zst:\n")
      .file("/lib/modules/6.1.0/modules.builtin", "kernel/fs/overlayfs/overlay.ko\n");
  EXPECT_EQ(part_of(recorded, "nf_tables", "NF_TABLES"), KernelBuild::Part::loadable);
  EXPECT_EQ(part_of(recorded, "bridge", "BRIDGE"), KernelBuild::Part::loadable);
  EXPECT_EQ(part_of(recorded, "overlay", "OVERLAY_FS"), KernelBuild::Part::running);
  EXPECT_EQ(part_of(recorded, "veth", "VETH"), KernelBuild::Part::unknown) << "only named as what another one needs";
}

TEST(KernelBuild, Versions) {
  RecordedHost recorded;
  recorded.file("/proc/sys/kernel/osrelease", "5.10.0-28-amd64\n");
  const KernelBuild build{HostTree{recorded.path("/proc"), "", "", recorded.path("")}};
  EXPECT_TRUE(build.at_least(5, 10));
  EXPECT_TRUE(build.at_least(4, 20));
  EXPECT_FALSE(build.at_least(5, 14));
  EXPECT_FALSE(build.at_least(6, 1));
}

TEST(HostTree, Words) {
  EXPECT_TRUE(contains_word("lockdown,yama,apparmor", "yama"));
  EXPECT_TRUE(contains_word("a\tb\n", "b"));
  EXPECT_FALSE(contains_word("vmxnet", "vmx"));
  EXPECT_FALSE(contains_word("", "x"));
}

}  // namespace
}  // namespace sovirt::test
