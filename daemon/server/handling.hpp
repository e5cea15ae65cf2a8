#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "daemon/domain/service.hpp"
#include "daemon/server/router.hpp"

namespace sovirt {

// What the handlers of several nouns do alike.

// The body as JSON. Empty bodies of routes that allow it: an empty object.
Json read_body(const Call&);
const std::string& name_of(const Call&);          // the route's first parameter

ListQuery read_list_query(const Request&);
Json write_page(const Page&);
std::vector<QueryParameter> list_parameters(bool with_state);
QueryParameter dry_run_parameter();

// Actor, If-Match, If-None-Match and dry_run of a change. `object`: what If-Match is about; it is asked for its
// revision only where the field is more than one tag. Throws Error{malformed}, Error{precondition_failed}.
Actor actor_of(const Request&);
ChangeContext read_change(const Call&, std::optional<Kind> kind);

// 200, 201 or 204 with ETag and Location; the plan of a dry run; 202 for an operation, or what it has come to
// when the client prefers to wait for it.
Reply write_change(const Call&, ChangeResult, Kind kind, const std::string& name);
Json write_exec_result(const ExecResult&);
// A resource with its ETag, or 304.
Reply write_resource_reply(const Call&, Json resource);

// Values of environment variables are often secrets: strangers see the names only.
void hide_secrets(const Request&, Json& resource);

Hold operation_hold(Service&, std::string id, std::chrono::milliseconds longest, std::function<std::optional<Reply>(bool over)> look);
bool has_ended(const Json& operation);

}  // namespace sovirt
