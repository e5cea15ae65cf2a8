#include "daemon/domain/oci_config.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace sovirt {
namespace {

struct OciConfigTest : testing::Test {
  OciConfigTest() {
    input.name = "web";
    input.uid = "abcdefgh-abcdefghijkl";
    input.spec = &spec;
    input.command = {"/sbin/init", "--log"};
    input.hostname = "web.example";
    input.cgroups_path = "/sovirt-abcdefgh/web.abcdefghijkl";
  }
  Json config() const { return oci_config(input); }
  std::vector<std::string> namespaces() const {
    std::vector<std::string> types;
    const Json json = config();
    for (const Json& one : json["linux"]["namespaces"]) types.push_back(one.at("type").get<std::string>());
    std::sort(types.begin(), types.end());
    return types;
  }
  bool has_env(const std::string& variable) const {
    const Json env = config()["process"]["env"];
    return std::find(env.begin(), env.end(), variable) != env.end();
  }
  Json mount_at(const std::string& destination) const {
    const Json json = config();
    for (const Json& one : json["mounts"])
      if (one.at("destination") == destination) return one;
    return {};
  }
  ContainerSpec spec;
  OciInput input;
};

TEST_F(OciConfigTest, has_what_the_specification_requires) {
  const Json json = config();
  EXPECT_EQ(json.at("ociVersion"), "1.1.0");
  EXPECT_TRUE(json.at("root").at("path").is_string());
  EXPECT_EQ(json.at("process").at("args"), Json({"/sbin/init", "--log"}));
  EXPECT_EQ(json.at("process").at("cwd"), "/");
  EXPECT_EQ(json.at("process").at("user").at("uid"), 0);
  EXPECT_EQ(json.at("hostname"), "web.example");
  EXPECT_EQ(json.at("linux").at("cgroupsPath"), input.cgroups_path);
  for (const Json& one : json.at("mounts")) EXPECT_TRUE(one.at("destination").get<std::string>().starts_with("/"));
}

TEST_F(OciConfigTest, a_container_has_six_namespaces) {
  EXPECT_EQ(namespaces(), (std::vector<std::string>{"cgroup", "ipc", "mount", "network", "pid", "uts"}));
  const Json json = config();
  for (const Json& one : json["linux"]["namespaces"]) EXPECT_FALSE(one.contains("path"));
}

TEST_F(OciConfigTest, takes_the_spec) {
  spec.env = {{"PATH", "/mine"}, {"COLOUR", "green"}};
  spec.cwd = "/srv";
  spec.user = {1000, 1001};
  const Json process = config()["process"];
  EXPECT_TRUE(has_env("PATH=/mine"));
  EXPECT_TRUE(has_env("COLOUR=green"));
  EXPECT_TRUE(has_env("container=sovirt"));
  EXPECT_TRUE(has_env("HOME=/root"));
  EXPECT_EQ(process["env"].size(), 5u) << process["env"];
  EXPECT_EQ(process["cwd"], "/srv");
  EXPECT_EQ(process["user"]["uid"], 1000);
  EXPECT_EQ(process["user"]["gid"], 1001);
}

TEST_F(OciConfigTest, keeps_the_hosts_kernel_out_of_reach) {
  const Json capabilities = config()["process"]["capabilities"];
  for (const char* set : {"bounding", "effective", "permitted"}) {
    const auto names = capabilities[set].get<std::vector<std::string>>();
    for (const char* dangerous : {"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_TIME", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_BPF"})
      EXPECT_EQ(std::count(names.begin(), names.end(), dangerous), 0) << set << " " << dangerous;
    for (const char* needed : {"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_CHOWN", "CAP_KILL"})   // by its systemd
      EXPECT_EQ(std::count(names.begin(), names.end(), needed), 1) << set << " " << needed;
  }
  const Json linux = config()["linux"];
  EXPECT_NE(std::find(linux["readonlyPaths"].begin(), linux["readonlyPaths"].end(), "/proc/sys"), linux["readonlyPaths"].end());
  EXPECT_NE(std::find(linux["maskedPaths"].begin(), linux["maskedPaths"].end(), "/proc/kcore"), linux["maskedPaths"].end());
  const Json options = mount_at("/sys").at("options");
  EXPECT_NE(std::find(options.begin(), options.end(), "ro"), options.end());
}

TEST_F(OciConfigTest, mounts_come_after_what_they_lie_on) {
  const Json mounts = config()["mounts"];
  for (std::size_t i = 0; i < mounts.size(); ++i)
    for (std::size_t j = i + 1; j < mounts.size(); ++j) {
      const auto earlier = mounts[i]["destination"].get<std::string>(), later = mounts[j]["destination"].get<std::string>();
      EXPECT_FALSE(earlier.starts_with(later + "/")) << later << " would hide " << earlier;
    }
}

TEST_F(OciConfigTest, a_chroot_has_a_mount_namespace_and_the_hosts_devices_only) {
  spec.isolation = Isolation::chroot;
  EXPECT_EQ(namespaces(), std::vector<std::string>{"mount"});
  const Json json = config();
  EXPECT_FALSE(json.contains("hostname"));
  EXPECT_FALSE(json["process"].contains("capabilities"));
  EXPECT_EQ(json["annotations"]["org.sovirt.isolation"], "chroot");
  EXPECT_FALSE(has_env("container=sovirt"));
  for (const char* path : {"/dev", "/proc", "/sys"}) {
    const Json mount = mount_at(path);
    ASSERT_TRUE(mount.is_object()) << path;
    EXPECT_EQ(mount["source"], path);
    EXPECT_NE(std::find(mount["options"].begin(), mount["options"].end(), "rbind"), mount["options"].end());
  }
}

TEST_F(OciConfigTest, a_chroot_without_a_command_has_no_console) {
  spec.isolation = Isolation::chroot;
  input.command.clear();
  const Json json = config();
  EXPECT_TRUE(json["process"]["args"].is_array());
  EXPECT_TRUE(json["process"]["args"].empty());
  EXPECT_EQ(json["process"]["terminal"], false);
  EXPECT_EQ(json["annotations"]["org.sovirt.console"], "none");
}

TEST_F(OciConfigTest, mounts_of_the_spec_come_last_and_as_they_are) {
  MountSpec bind;
  bind.source = "/srv/data";
  bind.target = "/mnt";
  bind.read_only = true;
  bind.propagation = MountSpec::Propagation::slave;
  MountSpec tmpfs;
  tmpfs.type = MountSpec::Type::tmpfs;
  tmpfs.target = "/scratch";
  tmpfs.size = 65536;
  input.mounts = {bind, tmpfs};
  const Json mounts = config()["mounts"];
  EXPECT_EQ(mounts[mounts.size() - 2], Json::parse(R"({"destination":"/mnt","type":"none","source":"/srv/data","options":["rbind","rslave","ro"]})"));
  EXPECT_EQ(mounts.back(), Json::parse(R"({"destination":"/scratch","type":"tmpfs","source":"sovirt-tmpfs","options":["nosuid","nodev","mode=1777","rw","size=65536"]})"));
}

TEST_F(OciConfigTest, capabilities_are_added_and_dropped) {
  const auto granted = [&] { return config()["process"]["capabilities"]["bounding"].get<std::vector<std::string>>(); };
  spec.security.add = {"SYS_TIME"};
  spec.security.drop = {"NET_RAW"};
  auto names = granted();
  EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_NET_RAW"), 0);
  EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_SYS_TIME"), 1);
  spec.security.drop = {"ALL"};
  EXPECT_EQ(granted(), std::vector<std::string>{"CAP_SYS_TIME"});
  spec.security = {};
  spec.security.privileged = true;
  EXPECT_EQ(granted().size(), capability_names().size());
}

TEST_F(OciConfigTest, system_calls_are_refused_unless_meant_to_be_used) {
  const auto refused = [&](const std::string& call) {
    const Json rule = config()["linux"]["seccomp"]["syscalls"][0];
    return std::find(rule["names"].begin(), rule["names"].end(), call) != rule["names"].end();
  };
  for (const char* call : {"kexec_load", "init_module", "open_by_handle_at", "bpf", "clock_settime", "keyctl"}) EXPECT_TRUE(refused(call)) << call;
  for (const char* call : {"mount", "reboot", "unshare", "ptrace", "setns"}) EXPECT_FALSE(refused(call)) << call;   // a systemd's own
  spec.security.add = {"SYS_TIME"};
  EXPECT_FALSE(refused("clock_settime"));
  spec.security = {};
  spec.security.seccomp = false;
  EXPECT_FALSE(config()["linux"].contains("seccomp"));
  spec.security = {};
  spec.security.privileged = true;
  const Json linux = config()["linux"];
  EXPECT_FALSE(linux.contains("seccomp") || linux.contains("maskedPaths") || linux.contains("readonlyPaths"));
}

TEST_F(OciConfigTest, devices_are_listed_with_their_numbers) {
  input.devices = {{"/dev/fuse", "c", 10, 229, 0660, 0, 5}};
  EXPECT_EQ(config()["linux"]["devices"], Json::parse(R"([{"path":"/dev/fuse","type":"c","major":10,"minor":229,"fileMode":432,"uid":0,"gid":5}])"));
}

}  // namespace
}  // namespace sovirt
