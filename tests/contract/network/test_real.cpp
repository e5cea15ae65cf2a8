// What only the real kernel can show: sysctls, processes, death at any moment.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "daemon/kernel/netlink/netlink_kernel.hpp"
#include "tests/contract/network/worlds.hpp"

namespace sovirt::contract {
namespace {

class RealNetwork : public Network<RealWorld> {
 protected:
  static void set_sysctl(const std::string& name, const std::string& value) {
    std::ofstream file{"/proc/sys/net/" + name};
    file << value << std::flush;
    ASSERT_TRUE(file) << name;
  }
};

TEST_F(RealNetwork, Ipv6SwitchedOffIsSaidInWords) {
  kernel().create_bridge(bridge());
  set_sysctl("ipv6/conf/brso1/disable_ipv6", "1");
  const auto error = error_of([&] { kernel().add_address("brso1", cidr("fd00:2::1/64")); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::unsupported);
  EXPECT_NE(error->detail().find("IPv6 is switched off"), std::string::npos) << error->detail();
  EXPECT_NE(error->hint().find("disable_ipv6"), std::string::npos);
  EXPECT_EQ(error->syscall(), "RTM_NEWADDR");
  EXPECT_TRUE(kernel().add_address("brso1", cidr("172.16.2.1/24")));
}

TEST_F(RealNetwork, ErrorsCarryTheKernelsOwnWords) {
  kernel().create_bridge(bridge());
  const auto error = error_of([&] { kernel().change_link("brso1", {.mtu = 70000, .mac = {}, .stp = {}, .up = {}, .master = {}}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::invalid);
  EXPECT_EQ(error->error_number(), EINVAL);
  EXPECT_NE(error->detail().find("mtu"), std::string::npos) << error->detail();
}

TEST_F(RealNetwork, NamespaceOfAProcessIsOpened) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  world().create_link("seen0");
  const auto netns = kernel().open_netns(child);
  bool seen = false;
  for (const auto& link : kernel().links_in(netns.get())) seen = seen || link.name == "seen0";
  EXPECT_TRUE(seen);
  ::kill(child, SIGKILL);
  // A zombie has no namespace any more, and a process that is gone has none either.
  EXPECT_TRUE(soon([&] { return error_of([&] { kernel().open_netns(child); }).has_value(); }));
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(error_of([&] { kernel().open_netns(child); }).value().code(), Code::not_found);
}

TEST_F(RealNetwork, PacketsGoThroughAtOnce) {
  if (const auto tool = run({"ping", "-V"}); !tool.empty()) GTEST_SKIP() << "needs ping: " << tool;
  kernel().create_bridge(bridge());
  kernel().change_link("brso1", {.mtu = {}, .mac = {}, .stp = {}, .up = true, .master = {}});
  kernel().add_address("brso1", cidr("172.16.2.1/24"));
  kernel().add_address("brso1", cidr("fd00:2::1/64"));
  const auto netns = kernel().create_netns();
  kernel().plug({.host_name = "vping0", .uid = "abcdefgh-ping23456789", .bridge = "brso1", .netns = netns.get(), .name = "eth0",
                 .mac = mac("4a:49:43:49:79:bf"), .mtu = 1500, .addresses = {cidr("172.16.2.10/24"), cidr("fd00:2::10/64")}, .gateway = {}});
  EXPECT_EQ(run({"ping", "-q", "-c", "1", "-W", "2", "172.16.2.10"}), "");
  EXPECT_EQ(run({"ping", "-q", "-c", "1", "-W", "2", "fd00:2::10"}), "");
}

// The calling thread comes back from the namespaces it visits, also when something fails there.
TEST_F(RealNetwork, CallerStaysInItsNamespace) {
  const auto here = [] {
    std::string target(256, '\0');
    target.resize(static_cast<std::size_t>(::readlink("/proc/thread-self/ns/net", target.data(), target.size())));
    return target;
  };
  const std::string before = here();
  const auto netns = kernel().create_netns();
  kernel().links_in(netns.get());
  const unique_fd other{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  EXPECT_TRUE(error_of([&] { kernel().links_in(other.get()); }));
  EXPECT_EQ(here(), before);
}

// Makes and deletes bridges and NICs until it is killed.
[[noreturn]] void work_until_killed() {
  try {
    const auto own = make_network_kernel();
    for (;;) {
      own->create_bridge(bridge());
      const auto netns = own->create_netns();
      own->plug({.host_name = "vkill0", .uid = "abcdefgh-kill23456789", .bridge = "brso1", .netns = netns.get(), .name = "eth0",
                 .mac = mac("4a:49:43:49:79:bf"), .mtu = 1500, .addresses = {cidr("172.16.2.10/24")}, .gateway = {}});
      own->delete_link("brso1", bridge_uid);
    }
  } catch (const Error&) {
    ::_exit(1);
  }
}

TEST_F(RealNetwork, KilledAtAnyMomentLeavesNoUnmarkedLink) {
  int bridges_left = 0;
  for (int round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) work_until_killed();
    // Counted from the start of the worker, and from its first bridge, which comes late on a busy machine.
    EXPECT_TRUE(round % 2 == 1 || soon([&] { return kernel().find_link("brso1").has_value(); }));
    std::this_thread::sleep_for(std::chrono::microseconds{283 * round});
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the worker failed by itself";
    const auto here = kernel().open_netns(::getpid());
    for (const auto& link : kernel().links_in(here.get())) {
      if (link.name == "lo") continue;
      EXPECT_NE(link.mark, "") << link.name << " after round " << round;
      bridges_left += link.kind == "bridge" ? 1 : 0;
    }
    kernel().create_bridge(bridge());  // whatever was left, this works
    EXPECT_EQ(kernel().find_link("brso1").value().mark, bridge_uid);
    EXPECT_TRUE(kernel().delete_link("brso1", bridge_uid));
    kernel().delete_link("vkill0", "abcdefgh-kill23456789");
  }
  EXPECT_GT(bridges_left, 0) << "every kill came before the work: the test has shown nothing";
}

}  // namespace
}  // namespace sovirt::contract
