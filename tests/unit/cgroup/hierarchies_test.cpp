#include "daemon/kernel/cgroup/hierarchies.hpp"

#include <gtest/gtest.h>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/kernel_cgroup_tree.hpp"

namespace sovirt {
namespace {

using Names = std::vector<std::string>;

constexpr std::string_view v2_only =
    "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

constexpr std::string_view hybrid =
    "31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
    "33 31 0:30 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd\n"
    "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw shared:13 - cgroup cgroup rw,cpu,cpuacct\n"
    "37 31 0:34 / /sys/fs/cgroup/memory rw shared:14 - cgroup cgroup rw,memory\n"
    "38 31 0:35 / /sys/fs/cgroup/cpuset rw shared:15 - cgroup cgroup rw,cpuset,clone_children\n";

TEST(Hierarchies, V2Only) {
  const auto all = parse_hierarchies(v2_only, "0::/system.slice/sovirtd.service\n");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].version, 2);
  EXPECT_EQ(all[0].mount, "/sys/fs/cgroup");
  EXPECT_EQ(all[0].self, "/system.slice/sovirtd.service");
  EXPECT_TRUE(all[0].controllers.empty());
  EXPECT_TRUE(all[0].writable);
}

TEST(Hierarchies, HybridHasV2LastAndCoMountedControllersTogether) {
  const auto all = parse_hierarchies(hybrid, "5:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/c\n");
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0].controllers, Names{"name=systemd"});
  EXPECT_EQ(all[0].self, "/b");
  EXPECT_EQ(all[1].controllers, (Names{"cpu", "cpuacct"}));
  EXPECT_EQ(all[1].self, "/a");
  EXPECT_EQ(all[3].controllers, Names{"cpuset"});
  EXPECT_EQ(all[4].version, 2);
  EXPECT_EQ(all[4].self, "/c");
}

TEST(Hierarchies, OfTwoMountsTheWritableOne) {
  const auto all = parse_hierarchies(
      "1 0 0:1 / /a ro,nosuid - cgroup cgroup rw,memory\n"
      "2 0 0:1 /docker/x /b rw - cgroup cgroup rw,memory\n"
      "3 0 0:1 / /c\\040d rw - cgroup cgroup rw,memory\n",
      "");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].mount, "/c d");
}

TEST(Hierarchies, ReadOnlyIsSaid) {
  const auto all = parse_hierarchies("1 0 0:1 / /a ro - cgroup2 cgroup2 rw\n", "");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_FALSE(all[0].writable);
}

TEST(Hierarchies, IgnoresWhatIsNoMountLine) {
  EXPECT_TRUE(parse_hierarchies("", "").empty());
  EXPECT_TRUE(parse_hierarchies("garbage\n1 2 3\n- - - - - - -\n", "x\n::\n0:\n").empty());
}

TEST(Hierarchies, KernelControllers) {
  const auto all = parse_controllers("#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\nmemory\t0\t64\t0\nbad\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "cpuset");
  EXPECT_EQ(all[0].hierarchy, 3);
  EXPECT_TRUE(all[0].enabled);
  EXPECT_FALSE(all[1].enabled);
}

TEST(Hierarchies, ParentBelowTheMount) {
  CgroupHierarchy at_root, in_container;
  at_root.self = "/user.slice/x";
  in_container.root = "/docker/ab";
  in_container.self = "/docker/ab/init";
  EXPECT_EQ(parent_below_mount(at_root, "/"), "");
  EXPECT_EQ(parent_below_mount(at_root, "/system.slice/sovirt-cgroup.service"), "system.slice/sovirt-cgroup.service");
  EXPECT_EQ(parent_below_mount(at_root, "groups"), "user.slice/x/groups");
  EXPECT_EQ(parent_below_mount(at_root, "."), "user.slice/x");
  EXPECT_EQ(parent_below_mount(in_container, "/"), "");
  EXPECT_EQ(parent_below_mount(in_container, "/docker/ab"), "");
  EXPECT_EQ(parent_below_mount(in_container, "/docker/ab/mine/"), "mine");
  EXPECT_EQ(parent_below_mount(in_container, "/docker/abc"), "docker/abc");
  EXPECT_EQ(parent_below_mount(in_container, "."), "init");
}

TEST(GroupNames, CannotLeaveTheDirectory) {
  for (const char* name : {"", "..", ".", "a/..", "/a", "A", "é", ".hidden"}) EXPECT_THROW(check_group_name(name), Error) << name;
  for (const char* name : {"a", "web.abcdefghijkl", "monitors", "0-9"}) EXPECT_NO_THROW(check_group_name(name)) << name;
}

TEST(GroupNames, InstanceCannotLeaveTheParent) {
  EXPECT_THROW(make_cgroup_tree({"../x", "/"}, {}), Error);
  EXPECT_THROW(make_cgroup_tree({"", "/"}, {}), Error);
}

}  // namespace
}  // namespace sovirt
