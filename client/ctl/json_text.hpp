#pragma once
#include <string>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "client/ctl/table.hpp"

namespace sovirt::ctl {

// Resources as people read them. All of these take whatever the daemon sent: what is absent or of another
// type than expected shows as "".

const Json& at(const Json& document, const char* pointer);    // RFC 6901; null if there is nothing
std::string text(const Json&);                                // "yes", "a, b", "1500", "key=value, …"
std::string text(const Json& document, const char* pointer);
std::string size_text(const Json& bytes);                     // "512M"
std::string time_text(const Json& nanoseconds);               // "4.2s"
std::string age(const Json& rfc3339);                         // "3m", "" for no time
std::string moment(const Json& rfc3339);                      // "2026-11-23 12:00:00 UTC (3m ago)"
std::string short_digest(const Json&);                        // "sha256:0123456789ab"
Cell state_cell(const Json& state);
std::string ref_of(const Json& resource);                     // "container/web"

Column text_column(std::string heading, std::string pointer);

}  // namespace sovirt::ctl
