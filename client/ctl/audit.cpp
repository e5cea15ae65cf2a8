#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"
#include "client/ctl/values.hpp"

namespace sovirt::ctl {

void add_audit(Command& root) {
  Command& audit = root.command("audit", "who asked for which change");
  auto limit = std::make_shared<std::optional<std::string>>();
  Command& ls = audit.command("ls", "list the changes that were asked for, newest first").alias("list").example("sovirtctl audit ls --limit 20");
  ls.option("--limit", "NUMBER", "how many (default 100)", *limit);
  ls.runs([limit](Session& session) {
    client::Query query;
    if (*limit) query.emplace_back("limit", std::to_string(integer_of("--limit", **limit)));
    session.show_list(session.get(client::with_query("/v1/audit", query)),
                      {{"AT", [](const Json& r) { return Cell(moment(at(r, "/at"))); }},
                       {"UID", [](const Json& r) { return Cell(text(r, "/actor/uid")); }, 0, 10, true},
                       {"PID", [](const Json& r) { return Cell(text(r, "/actor/pid")); }, 0, 4, true},
                       {"STATUS", [](const Json& r) {
                          const Json& status = at(r, "/status");
                          return Cell(text(status), status.is_number() && status >= 400 ? Style::bad : Style::good);
                        }, 0, 8, true},
                       {"ACTION", [](const Json& r) { return Cell(text(r, "/action")); }, 20},
                       {"OBJECT", [](const Json& r) { return Cell(text(r, "/object")); }, 12, 3},
                       {"CODE", [](const Json& r) { return Cell(text(r, "/code")); }, 0, 5},
                       {"REQUEST", [](const Json& r) { return Cell(text(r, "/request_id")); }, 0, 1, false, true}},
                      "Nobody changed anything yet.");
    return 0;
  });
}

}  // namespace sovirt::ctl
