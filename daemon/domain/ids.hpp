#pragma once
#include <string>
#include <string_view>

namespace sovirt {

// `length` characters of [a-z2-7] from getrandom(2): 5 bits each.
std::string random_id(std::size_t length);

// "<instance>-<random 12>". The instance tells the objects of several daemons on one host apart.
std::string new_uid(std::string_view instance);
bool uid_is_of(std::string_view uid, std::string_view instance) noexcept;
std::string_view uid_random(std::string_view uid) noexcept;  // the 12 characters

// The host's end of NIC `index` of a container: 14 bytes, an interface name holds 15.
std::string nic_host_name(std::string_view uid, std::size_t index);
bool is_nic_host_name(std::string_view name) noexcept;  // has it the form of one?
// Group of a container: readable, and never the same for two containers of one name.
std::string container_group(std::string_view name, std::string_view uid);

}  // namespace sovirt
