#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

// The words of config.json as the kernel's numbers.
namespace sovirt::launch {

int capability_number(std::string_view name) noexcept;      // "CAP_SYS_ADMIN" -> 21; -1: unknown
int resource_number(std::string_view name) noexcept;        // "RLIMIT_NOFILE"; -1: unknown
std::uint64_t namespace_flag(std::string_view type) noexcept;  // "mount" -> CLONE_NEWNS; 0: unknown
// MS_* of an option of mount(8); 0 for one that says nothing new ("rw"); nullopt: it is the file system's own.
std::optional<unsigned long> mount_option(std::string_view option) noexcept;

}  // namespace sovirt::launch
