#include "api/container.hpp"

#include <nlohmann/json.hpp>

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

std::string container_errors(Json fields) {
  if (!fields.contains("image")) fields["image"] = "debian";
  return errors_of([&] { read_container_spec(fields); });
}
std::string nic_errors(const char* nic) {
  return container_errors({{"nics", Json::array({Json::parse(nic)})}});
}

TEST(ContainerSpec, writes_every_field_and_reads_it_back) {
  const auto least = write_container_spec(read_container_spec({{"image", "debian"}}));
  EXPECT_EQ(least, Json::parse(R"({"image":"debian","hostname":null,"isolation":"container","command":null,"env":{},"cwd":"/","user":"0:0","nics":[],"mounts":[],"devices":[],
    "security":{"privileged":false,"capabilities":{"add":[],"drop":[]},"seccomp":"default","no_new_privileges":false},"restart":{"policy":"no","max_retries":0},
    "limits":{"cpu":{"weight":null,"shares":null,"max":null},"cpuset":{"cpus":null,"mems":null},"memory":{"max":null,"high":null,"swap_max":null,"on_excess":"refuse"},"pids":{"max":null},"io":{"weight":null,"limits":[]},"pressure":[]},"autostart":"never","boot_priority":0,"boot_delay":0,"stop_timeout":10})"));
  EXPECT_EQ(write_container_spec(read_container_spec(least)), least);
  const auto full = Json::parse(R"({"image":"debian","hostname":"So.debian","isolation":"container","command":["/bin/sh","-c",""],"env":{"A":"","B":"=x"},"cwd":"/root","user":"1000:100",
    "nics":[{"name":"eth0","bridge":"brso1","netns":null,"none":false,"peer":null,"rate":{"egress":null,"ingress":null},"mac":"4a:49:43:49:79:bf","addresses":["172.16.2.10/24","2001:db8::2/64"],"gateway":"172.16.2.1","mtu":1400,"dhcp":false,"publish":[{"host_port":8080,"port":80,"protocol":"tcp"}]},
            {"name":"eth1","bridge":"brso1","netns":null,"none":false,"peer":null,"rate":{"egress":null,"ingress":null},"mac":null,"addresses":[],"gateway":null,"mtu":0,"dhcp":true,"publish":[]}],
    "limits":{"cpu":{"weight":70,"shares":null,"max":{"quota":50000000,"period":100000000}},"cpuset":{"cpus":"0-1","mems":null},"memory":{"max":536870912,"high":null,"swap_max":0,"on_excess":"kill"},"pids":{"max":100},
              "io":{"weight":null,"limits":[{"device":"/dev/vda","read_bytes":1048576,"write_bytes":null,"read_operations":null,"write_operations":null}]},
              "pressure":[{"resource":"memory","level":"full","stall":150000000,"window":2000000000}]},
    "mounts":[{"type":"bind","source":"/srv","target":"/mnt","read_only":true,"recursive":false,"propagation":"slave","size":0},
              {"type":"tmpfs","source":null,"target":"/run/x","read_only":false,"recursive":true,"propagation":"private","size":65536},
              {"type":"volume","source":"data","target":"/data","read_only":false,"recursive":true,"propagation":"private","size":0}],
    "devices":[{"path":"/dev/fuse","source":"/dev/fuse","access":"rw","mode":"0660","uid":0,"gid":5}],
    "security":{"privileged":false,"capabilities":{"add":["SYS_TIME"],"drop":["ALL"]},"seccomp":"unconfined","no_new_privileges":true},
    "restart":{"policy":"on-failure","max_retries":3},
    "autostart":"last-state","boot_priority":-5,"boot_delay":3,"stop_timeout":0})");
  EXPECT_EQ(write_container_spec(read_container_spec(full)), full);
}

TEST(ContainerSpec, defaults_of_nics_and_users) {
  const auto spec = read_container_spec(Json::parse(R"({"image":"d","user":"7","nics":[{"bridge":"b"},{"bridge":"b"}],"limits":{"cpu":{"max":{"quota":1000000}}}})"));
  EXPECT_EQ(spec.user.uid, 7u);
  EXPECT_EQ(spec.user.gid, 7u);
  EXPECT_EQ(spec.nics[0].name, "eth0");
  EXPECT_EQ(spec.nics[1].name, "eth1");
  EXPECT_EQ(spec.limits.cpu_max->period, std::chrono::milliseconds{100});
}

TEST(ContainerSpec, table) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"image":null})", "/image required"}, {R"({"image":7})", "/image type"}, {R"({"image":"../x"})", "/image format"}, {R"({"image":""})", "/image format"},
      {R"({"hostname":"a.b-c.9"})", ""}, {R"({"hostname":"-a"})", "/hostname format"}, {R"({"hostname":"a-"})", "/hostname format"}, {R"({"hostname":"a..b"})", "/hostname format"},
      {R"({"hostname":"a-.b"})", "/hostname format"}, {R"({"hostname":"a.-b"})", "/hostname format"}, {R"({"hostname":""})", "/hostname format"}, {R"({"hostname":"a_b"})", "/hostname format"},
      {R"({"hostname":"ü"})", "/hostname format"}, {R"({"hostname":"a."})", "/hostname format"},
      {R"({"command":[]})", "/command range"}, {R"({"command":[""]})", "/command format"}, {R"({"command":"sh"})", "/command type"}, {R"({"command":["sh",1]})", "/command/1 type"},
      {R"({"env":{"A=B":"x"}})", "/env/A=B format"}, {R"({"env":{"":"x"}})", "/env/ format"}, {R"({"env":{"A":1}})", "/env/A type"}, {R"({"env":[]})", "/env type"},
      {R"({"cwd":"root"})", "/cwd format"}, {R"({"cwd":""})", "/cwd format"},
      {R"({"user":"root"})", "/user format"}, {R"({"user":"1:"})", "/user format"}, {R"({"user":":1"})", "/user format"}, {R"({"user":"-1:0"})", "/user format"}, {R"({"user":"4294967295"})", "/user format"},
      {R"({"user":"4294967294:0"})", ""}, {R"({"user":"00"})", "/user format"}, {R"({"user":"1:2:3"})", "/user format"},
      {R"({"isolation":"vm"})", "/isolation choice"}, {R"({"isolation":"chroot"})", ""}, {R"({"isolation":"chroot","hostname":"x"})", "/hostname conflict"},
      {R"({"isolation":"chroot","nics":[{"bridge":"b"}]})", "/nics conflict"},
      {R"({"autostart":"yes"})", "/autostart choice"}, {R"({"boot_priority":1001})", "/boot_priority range"}, {R"({"boot_delay":-1})", "/boot_delay range"}, {R"({"boot_delay":3601})", "/boot_delay range"},
      {R"({"stop_timeout":3601})", "/stop_timeout range"}, {R"({"stop_timeout":1.5})", "/stop_timeout type"},
      {R"({"limits":{"cpu":{"weight":0}}})", "/limits/cpu/weight range"}, {R"({"limits":{"cpu":{"weight":10001}}})", "/limits/cpu/weight range"}, {R"({"limits":{"cpu":{"shares":717}}})", ""},
      {R"({"limits":{"cpu":{"max":{"period":100000000}}}})", "/limits/cpu/max/quota required"}, {R"({"limits":{"cpu":{"max":{"quota":999999}}}})", "/limits/cpu/max/quota range"},
      {R"({"limits":{"cpu":{"max":{"quota":1000000,"period":1000000001}}}})", "/limits/cpu/max/period range"}, {R"({"limits":{"memory":{"max":-1}}})", "/limits/memory/max range"},
      {R"({"limits":{"memory":{"max":"512M"}}})", "/limits/memory/max type"}, {R"({"limits":{"memory":{"high":1}}})", "/limits/memory/high range"}, {R"({"limits":{"pids":{"max":0}}})", "/limits/pids/max range"},
      {R"({"limits":{"cpuset":{"cpus":"1-0"}}})", "/limits/cpuset/cpus format"}, {R"({"limits":{"io":{"weight":0}}})", "/limits/io/weight range"}, {R"({"limits":{"frozen":true}})", "/limits/frozen conflict"}, {R"({"limits":{"parent":"x"}})", "/limits/parent unknown-field"},
      {R"({"limits":{"memory":{"may":1}}})", "/limits/memory/may unknown-field"}, {R"({"limits":null})", ""},
      {R"({"mounts":[],"devices":[],"restart":{"policy":"no"},"security":{"privileged":false,"capabilities":{"add":[]},"seccomp":"default"}})", ""},
      {R"({"mounts":[{}]})", "/mounts/0/target required; /mounts/0/source required"}, {R"({"mounts":[{"source":"/a","target":"b"}]})", "/mounts/0/target format"},
      {R"({"mounts":[{"source":"/a","target":"/../b"}]})", "/mounts/0/target format"}, {R"({"mounts":[{"source":"/a","target":"/b/"}]})", "/mounts/0/target format"},
      {R"({"mounts":[{"source":"a","target":"/b"}]})", "/mounts/0/source format"}, {R"({"mounts":[{"source":"/a","target":"/"}]})", "/mounts/0/target range"},
      {R"({"mounts":[{"source":"/a","target":"/proc/sys"}]})", "/mounts/0/target range"}, {R"({"mounts":[{"source":"/a","target":"/process"}]})", ""},
      {R"({"mounts":[{"source":"/a","target":"/b"},{"source":"/c","target":"/b"}]})", "/mounts/1/target duplicate"},
      {R"({"mounts":[{"type":"tmpfs","source":"/a","target":"/b"}]})", "/mounts/0/source conflict"}, {R"({"mounts":[{"type":"tmpfs","target":"/b","size":4095}]})", "/mounts/0/size range"},
      {R"({"mounts":[{"source":"/a","target":"/b","size":4096}]})", "/mounts/0/size conflict"}, {R"({"mounts":[{"type":"volume","source":"../x","target":"/b"}]})", "/mounts/0/source format"},
      {R"({"mounts":[{"type":"nfs","target":"/b"}]})", "/mounts/0/type choice; /mounts/0/source required"}, {R"({"mounts":[{"source":"/a","target":"/b","mode":1}]})", "/mounts/0/mode unknown-field"},
      {R"({"devices":["/dev/kvm"]})", "/devices/0 type"}, {R"({"devices":[{"path":"/etc/x"}]})", "/devices/0/path format"}, {R"({"devices":[{"path":"/dev/pts/0"}]})", "/devices/0/path format"},
      {R"({"devices":[{"path":"/dev/fuse","access":"rr"}]})", "/devices/0/access format"}, {R"({"devices":[{"path":"/dev/fuse","mode":"999"}]})", "/devices/0/mode format"},
      {R"({"devices":[{"path":"/dev/a"},{"path":"/dev/a"}]})", "/devices/1/path duplicate"},
      {R"({"restart":{"policy":"sometimes"}})", "/restart/policy choice"}, {R"({"restart":{"policy":"always","max_retries":1001}})", "/restart/max_retries range"},
      {R"({"security":{"privileged":1}})", "/security/privileged type"}, {R"({"security":{"capabilities":{"add":["NET_MAGIC"]}}})", "/security/capabilities/add/0 unknown"},
      {R"({"security":{"capabilities":{"add":["cap_net_admin","ALL"]}}})", ""}, {R"({"security":{"seccomp":"strict"}})", "/security/seccomp choice"},
      {R"({"isolation":"chroot","devices":[{"path":"/dev/fuse"}]})", "/devices conflict"}, {R"({"isolation":"chroot","security":{"privileged":true}})", "/security conflict"},
      {R"({"colour":"red"})", "/colour unknown-field"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(container_errors(Json::parse(text)), wanted) << text;
  EXPECT_EQ(errors_of([] { read_container_spec(Json::object()); }), "/image required");
  EXPECT_EQ(container_errors({{"hostname", std::string(63, 'a')}}), "");
  EXPECT_EQ(container_errors({{"hostname", std::string(64, 'a')}}), "/hostname format");
  EXPECT_EQ(container_errors({{"command", {std::string("a\0b", 3)}}}), "/command/0 format");
}

TEST(ContainerSpec, nics) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"bridge":"brso1"})", ""}, {R"({})", "/nics/0/bridge required"}, {R"({"bridge":"br%d"})", "/nics/0/bridge format"}, {R"({"bridge":"brso1-with-16-ch"})", "/nics/0/bridge format"},
      {R"({"netns":"x"})", ""}, {R"({"none":true})", ""}, {R"({"none":false})", "/nics/0/bridge required"}, {R"({"bridge":"b","netns":"x"})", "/nics/0/netns conflict"},
      {R"({"bridge":"b","none":true})", "/nics/0/none conflict"}, {R"({"netns":"x","none":true})", "/nics/0/none conflict"}, {R"({"none":true,"dhcp":true})", "/nics/0/dhcp conflict"},
      {R"({"netns":"x","peer":{"name":"c0","addresses":["10.0.0.1/24"]},"addresses":["10.0.0.2/24"]})", ""}, {R"({"bridge":"b","peer":{}})", "/nics/0/peer conflict"},
      {R"({"netns":"x","peer":{"addresses":["10.0.0.2/24"]},"addresses":["10.0.0.2/24"]})", "/nics/0/addresses/0 duplicate"}, {R"({"bridge":"b","addresses":["auto"],"gateway":"10.0.0.1"})", ""},
      {R"({"netns":"x","addresses":["auto"]})", "/nics/0/addresses/0 conflict"}, {R"({"bridge":"b","addresses":["auto","auto"]})", "/nics/0/addresses/1 duplicate"}, {R"({"bridge":"b","addresses":["any"]})", "/nics/0/addresses/0 format"},
      {R"({"bridge":"b","addresses":["auto"],"dhcp":true})", "/nics/0/dhcp conflict"}, {R"({"bridge":"b","dhcp":true})", ""}, {R"({"bridge":"b","dhcp":1})", "/nics/0/dhcp type"}, {R"({"bridge":"b","dhcp":true,"addresses":["172.16.2.5/24"]})", "/nics/0/dhcp conflict"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":80}]})", ""}, {R"({"bridge":"b","publish":[{"host_port":80}]})", "/nics/0/publish conflict"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":0}]})", "/nics/0/publish/0/host_port range"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":65536}]})", "/nics/0/publish/0/host_port range"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"port":80}]})", "/nics/0/publish/0/host_port required"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":80,"port":0}]})", "/nics/0/publish/0/port range"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":80,"protocol":"sctp"}]})", "/nics/0/publish/0/protocol choice"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":80,"at":1}]})", "/nics/0/publish/0/at unknown-field"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":80},{"host_port":80}]})", "/nics/0/publish duplicate"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"publish":[{"host_port":80},{"host_port":80,"protocol":"udp"}]})", ""},
      {R"({"bridge":"b","dhcp":false,"rate":{}})", ""}, {R"({"bridge":"b","rate":{"egress":1}})", "/nics/0/rate/egress range"}, {R"({"bridge":"b","rate":{"egress":10000000,"ingress":null}})", ""},
      {R"({"bridge":"b","name":""})", "/nics/0/name format"}, {R"({"bridge":"b","name":"lo"})", "/nics/0/name format"}, {R"({"bridge":"b","name":".."})", "/nics/0/name format"},
      {R"({"bridge":"b","name":"a b"})", "/nics/0/name format"}, {R"({"bridge":"b","name":"a/b"})", "/nics/0/name format"}, {R"({"bridge":"b","name":"a:b"})", "/nics/0/name format"},
      {R"({"bridge":"b","name":"e%d"})", "/nics/0/name format"}, {R"({"bridge":"b","name":"sixteen-bytes-xx"})", "/nics/0/name format"}, {R"({"bridge":"b","name":"Eth0.100"})", ""},
      {R"({"bridge":"b","mac":"01:00:5e:00:00:01"})", "/nics/0/mac multicast"}, {R"({"bridge":"b","mac":"00:00:00:00:00:00"})", "/nics/0/mac unusable"}, {R"({"bridge":"b","mtu":67})", "/nics/0/mtu range"},
      {R"({"bridge":"b","mtu":68})", ""}, {R"({"bridge":"b","mtu":1279,"addresses":["2001:db8::2/64"]})", "/nics/0/mtu range"},
      {R"({"bridge":"b","addresses":["172.16.2.0/24"]})", "/nics/0/addresses/0 unusable"}, {R"({"bridge":"b","addresses":["172.16.2.5/24","172.16.2.5/24"]})", "/nics/0/addresses/1 duplicate"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"gateway":"172.16.2.1"})", ""}, {R"({"bridge":"b","addresses":["172.16.2.5/24"],"gateway":"172.16.3.1"})", "/nics/0/gateway unreachable"},
      {R"({"bridge":"b","gateway":"172.16.3.1"})", "/nics/0/gateway unreachable"}, {R"({"bridge":"b","addresses":["172.16.2.5/24"],"gateway":"172.16.2.5"})", "/nics/0/gateway unusable"},
      {R"({"bridge":"b","addresses":["172.16.2.5/24"],"gateway":"172.16.2.255"})", "/nics/0/gateway unusable"}, {R"({"bridge":"b","addresses":["172.16.2.5/24"],"gateway":"x"})", "/nics/0/gateway format"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(nic_errors(text), wanted) << text;
}

TEST(ContainerSpec, nics_among_each_other) {
  EXPECT_EQ(container_errors(Json::parse(R"({"nics":[{"bridge":"b","name":"eth0"},{"bridge":"b","name":"eth0"}]})")), "/nics/1/name duplicate");
  EXPECT_EQ(container_errors(Json::parse(R"({"nics":[{"bridge":"b","mac":"4a:49:43:49:79:bf"},{"bridge":"b","mac":"4A:49:43:49:79:BF"}]})")), "/nics/1/mac duplicate");
  EXPECT_EQ(container_errors(Json::parse(R"({"nics":[{"bridge":"b","addresses":["10.0.0.1/24"]},{"bridge":"c","addresses":["10.0.0.1/16"]}]})")), "/nics/1/addresses/0 duplicate");
  Json nine = Json::array();
  for (int i = 0; i < 9; ++i) nine.push_back({{"bridge", "b"}});
  EXPECT_EQ(container_errors({{"nics", nine}}), "/nics range");
  EXPECT_EQ(container_errors({{"nics", {1}}}), "/nics/0 type");
}

TEST(ExecRequest, table) {
  const auto read = [](const char* text) { return errors_of([&] { read_exec_request(Json::parse(text)); }); };
  EXPECT_EQ(read(R"({"command":["true"]})"), "");
  EXPECT_EQ(read("{}"), "/command required");
  EXPECT_EQ(read(R"({"command":null})"), "/command required");
  EXPECT_EQ(read(R"({"command":["x"],"timeout":-1})"), "/timeout range");
  EXPECT_EQ(read(R"({"command":["x"],"timeout":"1"})"), "/timeout type");
  EXPECT_EQ(read(R"({"command":["x"],"cwd":"rel","user":"me","stdin":1,"tty":true})"), "/cwd format; /user format; /stdin type; /tty unknown-field");
  const auto request = read_exec_request(Json::parse(R"({"command":["cat"],"stdin":"hi","timeout":0.25,"user":"5:6","cwd":"/x","env":{"A":"b"}})"));
  EXPECT_EQ(request.timeout, std::chrono::milliseconds{250});
  EXPECT_EQ(request.input, "hi");
  EXPECT_EQ(request.user->gid, 6u);
  EXPECT_EQ(request.cwd, "/x");
  EXPECT_EQ(request.env.at("A"), "b");
  EXPECT_EQ(read_exec_request(Json::parse(R"({"command":["x"],"timeout":0.0001})")).timeout, std::chrono::milliseconds{1});  // not 0, which is none
}

TEST(StateRequest, table) {
  const auto read = [](const char* text) { return errors_of([&] { read_state_request(Json::parse(text)); }); };
  EXPECT_EQ(read("{}"), "/desired required");
  EXPECT_EQ(read(R"({"desired":"paused"})"), "/desired choice");
  EXPECT_EQ(read(R"({"desired":"stopped","timeout":-1})"), "/timeout range");
  EXPECT_EQ(read(R"({"desired":"stopped","force":"yes"})"), "/force type");
  const auto request = read_state_request(Json::parse(R"({"desired":"frozen","force":true,"timeout":3})"));
  EXPECT_EQ(request.desired, Desired::frozen);
  EXPECT_TRUE(request.force);
  EXPECT_EQ(request.timeout, std::chrono::seconds{3});
  EXPECT_FALSE(read_state_request(Json::parse(R"({"desired":"running"})")).timeout);
}

}  // namespace
}  // namespace sovirt
