#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/ctl/bridge.hpp"
#include "client/ctl/command.hpp"
#include "client/ctl/container_spec.hpp"
#include "client/ctl/image.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {
namespace {

TEST(Nic, AllKeys) {
  EXPECT_EQ(nic_of("bridge=brso1,name=eth0,mac=4a:49:43:49:79:bf,address=172.16.2.10/24,address=fd00::2/64,gateway=172.16.2.1,mtu=1400").dump(),
            R"({"addresses":["172.16.2.10/24","fd00::2/64"],"bridge":"brso1","gateway":"172.16.2.1","mac":"4a:49:43:49:79:bf","mtu":1400,"name":"eth0"})");
  EXPECT_EQ(nic_of("bridge=b").dump(), R"({"bridge":"b"})");
}

class WrongNic : public testing::TestWithParam<const char*> {};
TEST_P(WrongNic, IsRefused) { EXPECT_THROW(nic_of(GetParam()), UsageError) << GetParam(); }
INSTANTIATE_TEST_SUITE_P(All, WrongNic, testing::Values("", "bridge", "name=eth0", "bridge=b,", "bridge=b,,name=x", "bridge=a,bridge=b", "bridge=b,bogus=1",
                                                        "bridge=b,mtu=x", "=b", "bridge=b,mtu=1,mtu=2"));

TEST(Nic, SuggestsTheKey) {
  try {
    nic_of("bridge=b,adress=10.0.0.1/24");
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_EQ(error.hint(), "did you mean 'address'?");
  }
}

TEST(Scalars, AsPeopleWriteThem) {
  EXPECT_EQ(size_of("--memory", "512M"), 536870912u);
  EXPECT_EQ(seconds_of("--timeout", "10"), 10);
  EXPECT_EQ(seconds_of("--timeout", "2m"), 120);
  EXPECT_EQ(seconds_of("--timeout", "1500ms"), 2);
  EXPECT_EQ(integer_of("--x", "-5"), -5);
  EXPECT_EQ(nanoseconds_of_cpus("--cpus", "1.5"), 150'000'000);
  EXPECT_TRUE(yes_no_of("--stp", "yes"));
  EXPECT_FALSE(yes_no_of("--stp", "no"));
}

TEST(Scalars, WrongOnesNameTheOption) {
  const auto message = [](auto&& work) {
    try {
      work();
      return std::string("no error");
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(message([] { size_of("--memory", "lots"); }), "--memory: 'lots' is not a size such as 512M or 2G");
  EXPECT_EQ(message([] { integer_of("--mtu", "1500x"); }), "--mtu: '1500x' is not a whole number");
  EXPECT_EQ(message([] { integer_of("--mtu", "99999999999999999999"); }), "--mtu: '99999999999999999999' is not a whole number");
  EXPECT_EQ(message([] { seconds_of("--timeout", "soon"); }), "--timeout: 'soon' is not a time such as 10s, 2m or 500ms");
  for (const char* wrong : {"0", "-1", "nan", "inf", "1e3", ""}) EXPECT_THROW(nanoseconds_of_cpus("--cpus", wrong), UsageError) << wrong;
  EXPECT_THROW(pair_of("--label", "novalue"), UsageError);
}

TEST(Labels, SetAndRemove) {
  EXPECT_EQ(label_changes({"a=b", "c-", "d="}).dump(), R"({"a":"b","c":null,"d":""})");
  EXPECT_THROW(labels_of({"c-"}), UsageError);
}

TEST(Bridge, Bodies) {
  BridgeOptions options;
  options.name = "brso1";
  EXPECT_EQ(bridge_body(options).dump(), "{}");
  options.addresses = {"172.16.2.1/24"};
  options.mtu = "1400";
  options.stp = "yes";
  options.labels = {"a=b"};
  EXPECT_EQ(bridge_body(options).dump(), R"({"addresses":["172.16.2.1/24"],"labels":{"a":"b"},"mtu":1400,"stp":true})");
  BridgeOptions empty_addresses;
  empty_addresses.no_addresses = true;
  EXPECT_EQ(bridge_changes(empty_addresses).dump(), R"({"addresses":[]})");
}

TEST(Container, Bodies) {
  ContainerOptions options;
  options.image = "debian";
  options.nics = {"bridge=b,address=10.0.0.2/24"};
  options.memory = "512M";
  options.cpus = "0.5";
  options.pids = "none";
  options.env = {"A=b=c"};
  options.command = {"sleep", "inf"};
  options.boot_delay = "2s";
  EXPECT_EQ(container_body(options).dump(),
            R"({"boot_delay":2,"command":["sleep","inf"],"env":{"A":"b=c"},"image":"debian",)"
            R"("limits":{"cpu":{"max":{"period":100000000,"quota":50000000}},"memory":{"max":536870912},"pids":{"max":null}},)"
            R"("nics":[{"addresses":["10.0.0.2/24"],"bridge":"b"}]})");
  EXPECT_TRUE(container_changes({}).empty());
}

TEST(Image, Sources) {
  ImageOptions suite;
  suite.suite = "bookworm";
  suite.packages = {"systemd-sysv"};
  EXPECT_EQ(image_source(suite, nullptr).dump(), R"({"packages":["systemd-sysv"],"suite":"bookworm","type":"debootstrap"})");
  ImageOptions from_template;
  from_template.template_name = "debian";
  from_template.mirror = "http://mirror/debian";
  EXPECT_EQ(image_source(from_template, Json{{"type", "debootstrap"}, {"suite", "stable"}}).dump(),
            R"({"mirror":"http://mirror/debian","suite":"stable","type":"debootstrap"})");
  ImageOptions binaries;
  binaries.binaries = {"/bin/bash"};
  EXPECT_EQ(image_source(binaries, nullptr).dump(), R"({"binaries":["/bin/bash"],"files":[],"type":"binaries"})");
  ImageOptions path;
  path.path = "/x.tar";
  EXPECT_EQ(image_source(path, nullptr).dump(), R"({"path":"/x.tar","type":"tarball"})");
}

TEST(Image, OneSourceAndWhatGoesWithIt) {
  EXPECT_THROW(image_source({}, nullptr), UsageError);
  ImageOptions two;
  two.suite = "stable";
  two.path = "/x.tar";
  EXPECT_THROW(image_source(two, nullptr), UsageError);
  ImageOptions stray;
  stray.binaries = {"/bin/bash"};
  stray.mirror = "http://mirror";
  EXPECT_THROW(image_source(stray, nullptr), UsageError);
  ImageOptions digest;
  digest.suite = "stable";
  digest.digest = "sha256:0";
  EXPECT_THROW(image_source(digest, nullptr), UsageError);
}

}  // namespace
}  // namespace sovirt::ctl
