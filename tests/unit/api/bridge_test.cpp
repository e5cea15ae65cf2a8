#include "api/bridge.hpp"

#include <nlohmann/json.hpp>

#include "tests/unit/api/errors.hpp"

namespace sovirt {
namespace {

std::string bridge_errors(const char* text) {
  return errors_of([&] { read_bridge_spec(Json::parse(text)); });
}

TEST(BridgeSpec, writes_every_field_and_reads_it_back) {
  const auto empty = write_bridge_spec(read_bridge_spec(Json::object()));
  EXPECT_EQ(empty, Json::parse(R"({"addresses":[],"mtu":1500,"mac":null,"stp":false,"ports":[],"address_from":"static","nat":false,
    "dhcp":{"enabled":false,"range":null,"lease_time":3600},"dns":{"enabled":false,"domain":"sovirt"},"isolation":false,"policy":"repair"})"));
  const auto full = Json::parse(R"({"addresses":["172.16.2.1/24","2001:db8::1/64"],"mtu":9000,"mac":"4a:49:43:49:79:bf","stp":true,"ports":[],"address_from":"static","nat":true,
    "dhcp":{"enabled":false,"range":null,"lease_time":3600},"dns":{"enabled":false,"domain":"sovirt"},"isolation":true,"policy":"observe"})");
  EXPECT_EQ(write_bridge_spec(read_bridge_spec(full)), full);
  EXPECT_EQ(write_bridge_spec(read_bridge_spec(empty)), empty);
}

TEST(BridgeSpec, canonical_forms) {
  const auto written = write_bridge_spec(read_bridge_spec(Json::parse(R"({"addresses":["2001:DB8:0:0::1/64"],"mac":"4A:49:43:49:79:BF"})")));
  EXPECT_EQ(written["addresses"][0], "2001:db8::1/64");
  EXPECT_EQ(written["mac"], "4a:49:43:49:79:bf");
}

TEST(BridgeSpec, table) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"addresses":["172.16.2.1/24","172.16.2.2/24"]})", ""},  // two of one subnet
      {R"({"addresses":["172.16.2.1/24","172.16.3.1/24","2001:db8::1/64"]})", ""},
      {R"({"mtu":68})", ""}, {R"({"mtu":65535})", ""}, {R"({"mtu":67})", "/mtu range"}, {R"({"mtu":65536})", "/mtu range"}, {R"({"mtu":"1500"})", "/mtu type"},
      {R"({"mtu":1279,"addresses":["2001:db8::1/64"]})", "/mtu range"}, {R"({"mtu":1280,"addresses":["2001:db8::1/64"]})", ""},
      {R"({"addresses":["10.1/16"]})", "/addresses/0 format"}, {R"({"addresses":["010.0.0.1/24"]})", "/addresses/0 format"}, {R"({"addresses":["10.0.0.1/33"]})", "/addresses/0 format"},
      {R"({"addresses":"10.0.0.1/24"})", "/addresses type"}, {R"({"addresses":[7]})", "/addresses/0 type"},
      {R"({"addresses":["172.16.2.0/24"]})", "/addresses/0 unusable"}, {R"({"addresses":["172.16.2.255/24"]})", "/addresses/0 unusable"}, {R"({"addresses":["127.0.0.1/8"]})", "/addresses/0 unusable"},
      {R"({"addresses":["172.16.2.1/24","172.16.2.1/24"]})", "/addresses/1 duplicate"}, {R"({"addresses":["172.16.2.1/24","172.16.2.1/16"]})", "/addresses/1 duplicate"},
      {R"({"addresses":["172.16.2.1/24","172.16.9.1/16"]})", "/addresses/1 overlap"}, {R"({"addresses":["10.0.0.1/8","10.0.0.2/30"]})", "/addresses/1 overlap"},
      {R"({"mac":"01:00:5e:00:00:01"})", "/mac multicast"}, {R"({"mac":"00:00:00:00:00:00"})", "/mac unusable"}, {R"({"mac":"4a49"})", "/mac format"},
      {R"({"stp":1})", "/stp type"}, {R"({"policy":"ignore"})", "/policy choice"}, {R"({"mtv":1500})", "/mtv unknown-field"}, {"[]", " type"}, {"null", " type"},
      {R"({"ports":[],"address_from":"static","nat":false,"dhcp":{"enabled":false},"dns":{"enabled":false,"domain":"sovirt"},"isolation":false})", ""},
      {R"({"ports":["eth0"]})", ""}, {R"({"ports":["lo"]})", "/ports/0 format"}, {R"({"ports":["a b"]})", "/ports/0 format"},
      {R"({"ports":["e0","e0"]})", "/ports/1 duplicate"}, {R"({"ports":"e0"})", "/ports type"}, {R"({"address_from":"port"})", "/address_from conflict"}, {R"({"address_from":"x"})", "/address_from choice"}, {R"({"address_from":"dhcp"})", ""}, {R"({"address_from":"dhcp","addresses":["10.0.0.1/24"],"dhcp":{"enabled":true}})", "/dhcp/enabled conflict"}, {R"({"nat":true})", ""}, {R"({"nat":1})", "/nat type"},
      {R"({"dhcp":{"enabled":true},"addresses":["172.16.2.1/24"]})", ""},
      {R"({"dhcp":{"enabled":true}})", "/dhcp/enabled conflict"}, {R"({"dhcp":{"enabled":true},"addresses":["172.16.2.1/31"]})", "/dhcp/enabled conflict"},
      {R"({"dhcp":{"range":["172.16.2.9","172.16.2.3"]},"addresses":["172.16.2.1/24"]})", "/dhcp/range range"},
      {R"({"dhcp":{"range":["172.16.2.9","172.16.3.9"]},"addresses":["172.16.2.1/24"]})", "/dhcp/range range"},
      {R"({"dhcp":{"range":["172.16.2.9","172.16.2.255"]},"addresses":["172.16.2.1/24"]})", "/dhcp/range unusable"},
      {R"({"dhcp":{"range":["172.16.2.9"]},"addresses":["172.16.2.1/24"]})", "/dhcp/range format"}, {R"({"dhcp":{"lease_time":119}})", "/dhcp/lease_time range"},
      {R"({"dns":{"domain":"x"}})", ""}, {R"({"dns":{"domain":"x..y"}})", "/dns/domain format"}, {R"({"dns":{"enabled":true}})", "/dns/enabled conflict"}, {R"({"isolation":true})", ""}, {R"({"isolation":"yes"})", "/isolation type"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(bridge_errors(text), wanted) << text;
}

}  // namespace
}  // namespace sovirt
