#pragma once
#include <cstdint>
#include <string>

namespace sovirt::rootfs {

// Bytes on the disk of a directory and everything below it, each file once however many names it has. 0 if absent.
std::uint64_t disk_usage(const std::string& directory);

}  // namespace sovirt::rootfs
