#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include "daemon/kernel/netlink/message.hpp"
#include "daemon/kernel/netlink/records.hpp"

namespace sovirt::netlink {
namespace {

// The messages of a batch as the kernel walks them.
std::vector<std::pair<nlmsghdr, BytesView>> messages(BytesView bytes) {
  std::vector<std::pair<nlmsghdr, BytesView>> out;
  while (bytes.size() >= sizeof(nlmsghdr)) {
    const auto head = value_of<nlmsghdr>(bytes);
    out.emplace_back(head, bytes.subspan(sizeof head, head.nlmsg_len - sizeof head));
    bytes = bytes.subspan(NLMSG_ALIGN(head.nlmsg_len));
  }
  EXPECT_TRUE(bytes.empty());
  return out;
}

TEST(Batch, MessagesLieBehindEachOtherNumberedAndOnlyTheLastAsksForAnAnswer) {
  Batch batch;
  batch.begin(RTM_NEWLINK, NLM_F_CREATE, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, "abc");  // 4 bytes with its NUL
  batch.begin(RTM_GETLINK, 0, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, "abcd");  // 5, padded to 8
  const auto parts = messages(batch.finish(41));
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].first.nlmsg_type, RTM_NEWLINK);
  EXPECT_EQ(parts[0].first.nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);
  EXPECT_EQ(parts[0].first.nlmsg_seq, 41U);
  EXPECT_EQ(parts[1].first.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(parts[1].first.nlmsg_seq, 42U);
  const auto name = find_attribute(attributes_behind<ifinfomsg>(parts[1].second), IFLA_IFNAME);
  ASSERT_TRUE(name);
  EXPECT_EQ(name->size(), 5U);
  EXPECT_EQ(text_of(*name), "abcd");
}

TEST(Batch, NestedAttributesHoldWhatWasPutInside) {
  Batch batch;
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{});
  batch.nest(IFLA_LINKINFO, [&] {
    batch.put_text(IFLA_INFO_KIND, "veth");
    batch.nest(IFLA_INFO_DATA, [&] { batch.put_number<std::uint32_t>(VETH_INFO_PEER, 7); });
  });
  batch.put_number<std::uint32_t>(IFLA_MTU, 1400);
  const auto parts = messages(batch.finish(1));
  const auto attributes = attributes_behind<ifinfomsg>(parts.at(0).second);
  const auto info = find_attribute(attributes, IFLA_LINKINFO);
  ASSERT_TRUE(info);
  EXPECT_FALSE(find_attribute(*info, IFLA_MTU));
  const auto data = find_attribute(*info, IFLA_INFO_DATA);
  ASSERT_TRUE(data);
  EXPECT_EQ(value_of<std::uint32_t>(find_attribute(*data, VETH_INFO_PEER).value()), 7U);
  EXPECT_EQ(value_of<std::uint32_t>(find_attribute(attributes, IFLA_MTU).value()), 1400U);
}

// Every prefix of an answer, and lengths that lie, end the walk and read nothing beyond.
TEST(Attributes, CutAnywhereAreReadWithoutHarm) {
  Batch batch;
  batch.begin(RTM_NEWLINK, 0, ifinfomsg{});
  batch.put_text(IFLA_IFNAME, "brso1");
  batch.nest(IFLA_PROP_LIST | NLA_F_NESTED, [&] { batch.put_text(IFLA_ALT_IFNAME, "sovirt:abcdefgh-x"); });
  const auto whole = messages(batch.finish(1)).at(0).second;
  const auto full = read_link(whole);
  EXPECT_EQ(full.state.name, "brso1");
  EXPECT_EQ(full.state.mark, "abcdefgh-x");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto link = read_link(cut);
    EXPECT_TRUE(link.state.name.empty() || link.state.name == "brso1");
  }
  for (const std::uint16_t length : {0, 1, 3, 4, 5, 65535}) {
    Bytes lying(whole.begin(), whole.end());
    std::memcpy(lying.data() + sizeof(ifinfomsg), &length, sizeof length);
    EXPECT_NE(read_link(lying).state.name, "brso1");
  }
}

TEST(Mark, IsTheUidBetweenPrefixAndLinkName) {
  EXPECT_EQ(mark_of(bridge_altname("abcdefgh-x")), "abcdefgh-x");
  EXPECT_EQ(mark_of(nic_altname("abcdefgh-x", "vx0")), "abcdefgh-x");
  EXPECT_NE(nic_altname("abcdefgh-x", "vx0"), nic_altname("abcdefgh-x", "vx1"));
  EXPECT_EQ(mark_of("enp0s3"), "");
  EXPECT_EQ(mark_of("sovirt"), "");
}

TEST(Address, OfTheKernelsOwnMakingIsLeftOut) {
  const auto address = IpAddress::parse("fe80::1").value();
  for (const std::uint8_t protocol : {std::uint8_t{0}, std::uint8_t{IFAPROT_KERNEL_LL}}) {
    Batch batch;
    ifaddrmsg head{};
    head.ifa_family = AF_INET6;
    head.ifa_prefixlen = 64;
    head.ifa_index = 3;
    batch.begin(RTM_NEWADDR, 0, head);
    batch.put(IFA_ADDRESS, {address.bytes(), address.size()});
    if (protocol != 0) batch.put_number<std::uint8_t>(IFA_PROTO, protocol);
    const auto record = read_address(messages(batch.finish(1)).at(0).second);
    EXPECT_EQ(record.has_value(), protocol == 0);
    if (record) {
      EXPECT_EQ(record->cidr.text(), "fe80::1/64");
    }
  }
}

}  // namespace
}  // namespace sovirt::netlink
