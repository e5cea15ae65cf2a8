#include <gtest/gtest.h>

#include "api/cidr.hpp"
#include "api/mac.hpp"

namespace sovirt {
namespace {

TEST(IpAddress, text_is_canonical) {
  const std::pair<const char*, const char*> cases[] = {
      {"10.0.0.1", "10.0.0.1"}, {"255.255.255.255", "255.255.255.255"}, {"0.0.0.0", "0.0.0.0"},
      {"2001:DB8::1", "2001:db8::1"}, {"2001:db8:0:0:0:0:0:1", "2001:db8::1"}, {"::", "::"}, {"::1", "::1"},
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},       // RFC 5952 4.2.2: one group is not shortened
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},                // 4.2.3: the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},          // 4.2.3: the first of equals
  };
  for (const auto& [in, out] : cases) {
    const auto address = IpAddress::parse(in);
    ASSERT_TRUE(address) << in;
    EXPECT_EQ(address->text(), out);
  }
}

TEST(IpAddress, refuses_every_lax_form) {
  for (const std::string_view text : {"", "10.1", "10.0.0", "10.0.0.0.1", "010.0.0.1", "10.0.0.01", "256.0.0.1", "1.2.3.", ".1.2.3",
                           "1..2.3", " 1.2.3.4", "1.2.3.4 ", "0x1.2.3.4", "1.2.3.-4", "+1.2.3.4", "fe80::1%eth0", ":::", "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9", "g::1", "12345::", "[::1]", "::1/64"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view("::1\0", 4)));
}

TEST(Cidr, refuses_what_is_not_strict) {
  for (const char* text : {"", "10.0.0.1", "10.1/16", "010.0.0.1/24", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/024", "10.0.0.1/+4",
                           "10.0.0.1/24/24", "/24", "::1/129", "10.0.0.1/24 ", "10.0.0.1 /24", "10.0.0.1/2 4", "::/0x10"})
    EXPECT_FALSE(Cidr::parse(text)) << text;
  EXPECT_EQ(Cidr::parse("172.16.2.10/24")->text(), "172.16.2.10/24");
  EXPECT_EQ(Cidr::parse("2001:DB8::A/64")->text(), "2001:db8::a/64");
}

TEST(Cidr, network) {
  const std::pair<const char*, const char*> cases[] = {{"172.16.2.10/24", "172.16.2.0"}, {"172.16.2.10/32", "172.16.2.10"}, {"172.16.2.10/0", "0.0.0.0"},
      {"10.255.255.255/9", "10.128.0.0"}, {"10.1.1.5/30", "10.1.1.4"}, {"2001:db8:ffff::1/33", "2001:db8:8000::"}, {"2001:db8::1/128", "2001:db8::1"}};
  for (const auto& [in, out] : cases) EXPECT_EQ(Cidr::parse(in)->network().text(), out) << in;
}

TEST(Cidr, which_addresses_a_host_cannot_have) {
  for (const char* text : {"10.0.0.0/24", "10.0.0.255/24", "0.0.0.0/24", "0.1.2.3/8", "127.0.0.1/8", "224.0.0.1/24", "239.255.255.255/24",
                           "255.255.255.255/32", "10.0.0.1/0", "10.0.0.4/30", "10.0.0.7/30", "::/64", "::1/128", "ff02::1/64", "2001:db8::/64",
                           "2001:db8::4/126", "::ffff:10.0.0.1/96", "2001:db8::1/0"})
    EXPECT_NE(Cidr::parse(text)->unusable_for_host(), "") << text;
  for (const char* text : {"10.0.0.1/24", "10.0.0.254/24", "10.0.0.0/31", "10.0.0.1/31", "10.0.0.0/32", "10.0.0.255/32", "10.0.1.0/16", "10.0.0.255/16",
                           "2001:db8::1/64", "2001:db8::/127", "2001:db8::/128", "fe80::1/64", "2001:db8::ffff:ffff:ffff:ffff/64"})
    EXPECT_EQ(Cidr::parse(text)->unusable_for_host(), "") << text;
}

TEST(Cidr, contains_and_overlaps) {
  const auto net = *Cidr::parse("172.16.2.1/24");
  EXPECT_TRUE(net.contains(*IpAddress::parse("172.16.2.255")));
  EXPECT_FALSE(net.contains(*IpAddress::parse("172.16.3.0")));
  EXPECT_FALSE(net.contains(*IpAddress::parse("::1")));
  struct Case { const char *a, *b; bool overlap; };
  const Case cases[] = {{"10.0.0.1/8", "10.5.0.1/24", true}, {"10.0.0.1/24", "10.0.1.1/24", false}, {"10.0.0.1/24", "10.0.0.9/24", true},
                        {"2001:db8::1/32", "2001:db8:5::1/64", true}, {"2001:db8::1/64", "2001:db8:5::1/64", false}, {"0.0.0.0/0", "::1/0", false}};
  for (const auto& c : cases) {
    EXPECT_EQ(Cidr::parse(c.a)->overlaps(*Cidr::parse(c.b)), c.overlap) << c.a << " " << c.b;
    EXPECT_EQ(Cidr::parse(c.b)->overlaps(*Cidr::parse(c.a)), c.overlap) << c.b << " " << c.a;
  }
}

TEST(Mac, any_case_in_lower_out) {
  EXPECT_EQ(Mac::parse("4A:49:43:49:79:bf")->text(), "4a:49:43:49:79:bf");
  for (const char* text : {"", "4a:49:43:49:79", "4a:49:43:49:79:bf:00", "4a-49-43-49-79-bf", "4a49434979bf", "g0:00:00:00:00:00", "4a:49:43:49:79:b",
                           " 4a:49:43:49:79:bf", "4a:49:43:49:79:bf ", "4a.49.43.49.79.bf"})
    EXPECT_FALSE(Mac::parse(text)) << text;
  EXPECT_TRUE(Mac::parse("01:00:5e:00:00:01")->multicast());
  EXPECT_TRUE(Mac::parse("ff:ff:ff:ff:ff:ff")->multicast());
  EXPECT_FALSE(Mac::parse("4a:49:43:49:79:bf")->multicast());
  EXPECT_TRUE(Mac::parse("00:00:00:00:00:00")->zero());
}

TEST(Mac, random_ones_are_local_unicast_and_differ) {
  const auto first = Mac::random_local();
  bool differ = false;
  for (int i = 0; i < 50; ++i) {
    const auto mac = Mac::random_local();
    EXPECT_EQ(mac.bytes()[0] & 3, 2) << mac.text();
    differ = differ || mac != first;
  }
  EXPECT_TRUE(differ);
}

}  // namespace
}  // namespace sovirt
