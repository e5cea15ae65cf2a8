#include "daemon/kernel/netlink/message.hpp"

#include <netlink/errno.h>
#include <netlink/msg.h>

#include <algorithm>
#include <new>

#include "daemon/base/error.hpp"
#include "daemon/kernel/netlink/attributes.hpp"

namespace sovirt::netlink {
namespace {

// The kernel takes no name or altname that comes near a page, so this is about what was asked for.
void require_room(int code) {
  if (code < 0) throw Error{Code::invalid, std::string{"a netlink message does not hold it: "} + ::nl_geterror(code)};
}

}  // namespace

void FreeMessage::operator()(nl_msg* message) const noexcept { ::nlmsg_free(message); }

void Batch::append(const void* data, std::size_t size) {
  // Only read by libnl.
  require_room(::nlmsg_append(current(), const_cast<void*>(data), size, NLMSG_ALIGNTO));
}

void Batch::begin_message(std::uint16_t type, std::uint16_t flags) {
  MessagePtr message{::nlmsg_alloc_simple(type, NLM_F_REQUEST | flags)};
  if (!message) throw std::bad_alloc{};
  messages_.push_back(std::move(message));
}

nlattr* Batch::open_attribute(std::uint16_t attribute) {
  nlattr* const start = ::nla_nest_start(current(), attribute);
  if (start == nullptr) require_room(-NLE_NOMEM);
  return start;
}

void Batch::close_attribute(nlattr* start) { require_room(::nla_nest_end(current(), start)); }

void Batch::put(std::uint16_t attribute, BytesView value) {
  require_room(::nla_put(current(), attribute, static_cast<int>(value.size()), value.data()));
}

void Batch::put_text(std::uint16_t attribute, std::string_view text) {
  require_room(::nla_put_string(current(), attribute, std::string{text}.c_str()));
}

BytesView Batch::finish(std::uint32_t first_sequence) {
  joined_.clear();
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    nlmsghdr* const head = ::nlmsg_hdr(messages_[i].get());
    head->nlmsg_seq = first_sequence + static_cast<std::uint32_t>(i);
    if (i + 1 == messages_.size()) head->nlmsg_flags |= NLM_F_ACK;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(head);
    joined_.insert(joined_.end(), bytes, bytes + head->nlmsg_len);
    joined_.resize(NLMSG_ALIGN(joined_.size()));
  }
  return joined_;
}

std::optional<BytesView> find_attribute(BytesView bytes, std::uint16_t wanted) {
  const auto* found = ::nla_find(reinterpret_cast<const nlattr*>(bytes.data()), static_cast<int>(bytes.size()), wanted);
  if (found == nullptr) return std::nullopt;
  return bytes_of(found);
}

std::string text_of(BytesView bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
  return {bytes.begin(), end};
}

}  // namespace sovirt::netlink
