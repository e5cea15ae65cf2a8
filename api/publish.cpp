#include "api/publish.hpp"


#include <nlohmann/json.hpp>

#include "api/reader.hpp"

namespace sovirt {
namespace {

constexpr std::size_t most_published = 256;

PublishSpec read_one(ObjectReader& in) {
  PublishSpec one;
  in.require("host_port");
  one.host_port = static_cast<std::uint16_t>(in.integer("host_port", 1, 65535).value_or(0));
  one.port = static_cast<std::uint16_t>(in.integer("port", 1, 65535).value_or(one.host_port));
  one.udp = in.choice("protocol", {"tcp", "udp"}).value_or(0) == 1;
  return one;
}

}  // namespace

std::vector<PublishSpec> read_publish(ObjectReader& nic) {
  std::vector<PublishSpec> all;
  nic.objects("publish", most_published, [&](ObjectReader& in, std::size_t) {
    all.push_back(read_one(in));
  });
  return all;
}

Json write_publish(const std::vector<PublishSpec>& all) {
  Json list = Json::array();
  for (const PublishSpec& one : all) list.push_back({{"host_port", one.host_port}, {"port", one.port}, {"protocol", one.udp ? "udp" : "tcp"}});
  return list;
}

}  // namespace sovirt
