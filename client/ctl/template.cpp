#include <memory>

#include "client/ctl/json_text.hpp"
#include "client/ctl/nouns.hpp"
#include "client/ctl/session.hpp"

namespace sovirt::ctl {

void add_template(Command& root) {
  Command& templates = root.command("template", "named sources that images are built from").alias("templates");
  Command& ls = templates.command("ls", "list the templates").alias("list").example("sovirtctl template ls");
  ls.runs([](Session& session) {
    session.show_list(session.get("/v1/templates"),
                      {text_column("NAME", "/name"), {"TYPE", [](const Json& t) { return Cell(text(t, "/source/type")); }},
                       {"DESCRIPTION", [](const Json& t) { return Cell(text(t, "/description")); }, 20}},
                      "No templates: the daemon's template directory, usually /usr/share/sovirt/templates, has none.");
    return 0;
  });
  Command& show = templates.command("show", "show one template with its defaults").example("sovirtctl template show debian");
  auto name = std::make_shared<std::string>();
  show.positional("NAME", "name of the template", *name, Names::templates);
  show.runs([name](Session& session) {
    const Json list = session.get("/v1/templates");
    for (const Json& item : at(list, "/items")) {
      if (text(item, "/name") != *name) continue;
      session.show_page(item, [&](Page& page) {
        page.title("template/" + *name, {});
        page.section("Template");
        page.field("description", text(item, "/description"));
        page.section("Source");
        if (at(item, "/source").is_object())
          for (const auto& [key, value] : at(item, "/source").items()) page.field(key, text(value));
      });
      return 0;
    }
    throw Error(Code::not_found, "there is no template " + *name).with_hint("'sovirtctl template ls' lists them");
  });
}

}  // namespace sovirt::ctl
