#include "daemon/kernel/netlink/message.hpp"

#include <algorithm>

namespace sovirt::netlink {

void Batch::append(const void* data, std::size_t size) {
  const auto* from = static_cast<const std::uint8_t*>(data);
  bytes_.insert(bytes_.end(), from, from + size);
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
}

void Batch::begin_message(std::uint16_t type, std::uint16_t flags) {
  starts_.push_back(bytes_.size());
  nlmsghdr head{};
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  append(&head, sizeof head);
}

std::size_t Batch::open_attribute(std::uint16_t attribute) {
  const std::size_t start = bytes_.size();
  nlattr head{};
  head.nla_type = attribute;
  append(&head, sizeof head);
  return start;
}

void Batch::close_attribute(std::size_t start) {
  const auto length = static_cast<std::uint16_t>(bytes_.size() - start);
  std::memcpy(bytes_.data() + start + offsetof(nlattr, nla_len), &length, sizeof length);
}

void Batch::put(std::uint16_t attribute, BytesView value) {
  nlattr head{};
  head.nla_type = attribute;
  head.nla_len = static_cast<std::uint16_t>(sizeof head + value.size());
  append(&head, sizeof head);
  append(value.data(), value.size());
}

void Batch::put_text(std::uint16_t attribute, std::string_view text) {
  const std::string terminated{text};
  put(attribute, {reinterpret_cast<const std::uint8_t*>(terminated.c_str()), terminated.size() + 1});
}

BytesView Batch::finish(std::uint32_t first_sequence) {
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    const bool last = i + 1 == starts_.size();
    nlmsghdr head;
    std::memcpy(&head, bytes_.data() + starts_[i], sizeof head);
    head.nlmsg_len = static_cast<std::uint32_t>((last ? bytes_.size() : starts_[i + 1]) - starts_[i]);
    head.nlmsg_seq = first_sequence + static_cast<std::uint32_t>(i);
    if (last) head.nlmsg_flags |= NLM_F_ACK;
    std::memcpy(bytes_.data() + starts_[i], &head, sizeof head);
  }
  return bytes_;
}

std::optional<BytesView> find_attribute(BytesView bytes, std::uint16_t wanted) {
  std::optional<BytesView> found;
  for_each_attribute(bytes, [&](std::uint16_t type, BytesView value) {
    if (type == wanted && !found) found = value;
  });
  return found;
}

std::string text_of(BytesView bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
  return {bytes.begin(), end};
}

}  // namespace sovirt::netlink
