#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt::ctl {

// What people write on the command line, as the API wants it. All throw UsageError naming the option.
// Values whose rules are the daemon's (addresses, names, MACs) go through as they are.

std::pair<std::string, std::string> pair_of(const std::string& option, const std::string& text);  // "k=v"
std::int64_t integer_of(const std::string& option, const std::string& text);
std::uint64_t size_of(const std::string& option, const std::string& text);                        // "512M"
std::chrono::nanoseconds duration_of(const std::string& option, const std::string& text);         // "10s", "10" is seconds
std::int64_t seconds_of(const std::string& option, const std::string& text);                      // rounded up
bool yes_no_of(const std::string& option, const std::string& text);
std::int64_t nanoseconds_of_cpus(const std::string& option, const std::string& text);             // "1.5": of each 100 ms

// "bridge=brso1,name=eth0,address=172.16.2.10/24,…"; `address` may be there several times.
Json publish_of(const std::string& text);  // "8080:80/tcp"
Json nic_of(const std::string& text);          // says where it leads
Json nic_changes_of(const std::string& text);  // of one that is there

// "k=v" sets, "k-" removes (null), as PATCH has it.
Json label_changes(const std::vector<std::string>& words);
Json labels_of(const std::vector<std::string>& words);  // "k=v" only

}  // namespace sovirt::ctl
