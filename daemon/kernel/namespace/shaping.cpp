#include <linux/pkt_sched.h>
#include <sys/socket.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "daemon/kernel/namespace/look.hpp"

namespace sovirt::netns {
namespace {

// The handle of our queueing discipline, "5356:": what tells it from anybody else's.
constexpr std::uint32_t our_handle = 0x53560000;

std::uint32_t clamp32(std::uint64_t value) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, std::numeric_limits<std::uint32_t>::max())); }

tcmsg header(int ifindex) {
  tcmsg head{};
  head.tcm_family = AF_UNSPEC;
  head.tcm_ifindex = ifindex;
  head.tcm_parent = TC_H_ROOT;
  return head;
}

// A bucket of 20 ms, but not less than what arrives as one packet (64 KiB with segmentation offload would pass a smaller
// one in pieces), and a queue of 100 ms behind it, so that TCP finds its pace without long waits.
struct Bucket {
  std::uint32_t burst, queue;
};
Bucket bucket_of(std::uint64_t bytes_per_second) {
  const std::uint64_t burst = std::max<std::uint64_t>(bytes_per_second / 50, 16 << 10);
  return {clamp32(burst), clamp32(burst + std::max<std::uint64_t>(bytes_per_second / 10, 32 << 10))};
}

void put_bucket(netlink::Batch& batch, std::uint64_t bytes_per_second) {
  const Bucket bucket = bucket_of(bytes_per_second);
  tc_tbf_qopt options{};
  options.rate.rate = clamp32(bytes_per_second);
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;   // otherwise the kernel asks for a rate table, which nothing uses any more
  options.limit = bucket.queue;
  batch.put_text(TCA_KIND, "tbf");
  batch.nest(TCA_OPTIONS, [&] {
    batch.put(TCA_TBF_PARMS, {reinterpret_cast<const std::uint8_t*>(&options), sizeof options});
    batch.put_number<std::uint32_t>(TCA_TBF_BURST, bucket.burst);
    if (bytes_per_second > std::numeric_limits<std::uint32_t>::max()) batch.put_number<std::uint64_t>(TCA_TBF_RATE64, bytes_per_second);
  });
}

std::uint64_t rate_in(netlink::BytesView options) {
  if (const auto large = netlink::find_attribute(options, TCA_TBF_RATE64)) return netlink::value_of<std::uint64_t>(*large);
  const auto parameters = netlink::find_attribute(options, TCA_TBF_PARMS);
  return parameters ? netlink::value_of<tc_tbf_qopt>(*parameters).rate.rate : 0;
}

}  // namespace

std::uint64_t egress_of(netlink::Socket& socket, int ifindex) {
  netlink::Batch batch;
  batch.begin(RTM_GETQDISC, NLM_F_ECHO, header(ifindex));   // without it the kernel tells the group of listeners only
  const auto outcome = socket.transact(batch).front();
  if (outcome.error != 0 || netlink::value_of<tcmsg>(outcome.reply).tcm_handle != our_handle) return 0;
  const auto attributes = netlink::attributes_behind<tcmsg>(outcome.reply);
  const auto options = netlink::find_attribute(attributes, TCA_OPTIONS);
  return options ? rate_in(*options) * 8 : 0;
}

void set_egress(netlink::Socket& socket, int ifindex, std::uint64_t bits_per_second) {
  netlink::Batch batch;
  tcmsg head = header(ifindex);
  if (bits_per_second == 0) {
    if (egress_of(socket, ifindex) == 0) return;
    batch.begin(RTM_DELQDISC, 0, head);
    const auto outcome = socket.transact(batch).front();
    if (outcome.error != 0 && outcome.error != ENOENT) netlink::expect(outcome, "RTM_DELQDISC", "rate");
    return;
  }
  head.tcm_handle = our_handle;
  batch.begin(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, head);
  put_bucket(batch, bits_per_second / 8);
  const auto outcome = socket.transact(batch).front();
  if (outcome.error == ENOENT || outcome.error == EOPNOTSUPP)
    throw Error{Code::unsupported, "this kernel has no token bucket filter"}.with_errno(outcome.error, "RTM_NEWQDISC").with_hint("CONFIG_NET_SCH_TBF");
  netlink::expect(outcome, "RTM_NEWQDISC", "rate of " + std::to_string(bits_per_second) + " bit/s");
}

}  // namespace sovirt::netns
