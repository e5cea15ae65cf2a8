#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "client/ctl/command.hpp"
#include "client/ctl/page.hpp"
#include "client/ctl/progress.hpp"
#include "client/ctl/table.hpp"
#include "client/lib/api_client.hpp"
#include "client/lib/web_socket.hpp"

namespace sovirt::ctl {

enum class Format { table, wide, json, yaml, name };

// The options every command has.
struct Globals {
  std::optional<std::string> format_text, socket;
  bool dry_run = false, show_curl = false, quiet = false, no_colour = false, version = false;
  Format format = Format::table;
};

// One run of the program: the daemon, the options and the two streams, as a command sees them.
class Session {
 public:
  explicit Session(const Globals&);

  const Globals& globals() const noexcept { return globals_; }
  bool for_people() const noexcept { return globals_.format == Format::table || globals_.format == Format::wide; }
  bool wide() const noexcept { return globals_.format == Format::wide; }
  const Terminal& out() const noexcept { return out_; }
  const Terminal& err() const noexcept { return err_; }

  // Requests. `doing` is what the progress line says.
  Json get(const std::string& target, const std::string& doing = "asking the daemon");
  Json get_all(const std::string& target);
  // nullopt: --dry-run, the plan is printed.
  std::optional<client::Answer> change(const std::string& method, const std::string& target, const Json& body, const std::string& doing,
                                       const client::Headers& more = {});
  client::Answer upload(const std::string& target, const std::string& path, const std::string& doing);
  // What has no steps to plan: refuses --dry-run instead of doing it.
  client::Answer act(const std::string& method, const std::string& target, const Json& body, const std::string& doing);
  // Bytes to and from a file of a container. `total` 0: not known. An answer of 404 to look_up() is null.
  client::Answer send_bytes(const std::string& target, int source, std::optional<std::uint64_t> size, const std::string& name,
                            const std::string& type, const client::Headers& more, const std::string& doing);
  client::HttpResponse receive_bytes(const std::string& target, const std::string& accept, std::uint64_t total,
                                     std::function<void(std::string_view)> sink, const std::string& doing);
  Json look_up(const std::string& target, const std::string& doing);
  client::HttpResponse stream(const std::string& target, const std::string& accept, std::function<bool(std::string_view)> sink);
  // A WebSocket, upgraded.
  std::unique_ptr<client::WebSocket> open_line(const std::string& target, const std::string& protocol);
  // Shows its progress until it has ended. Throws the Error it ended with.
  Json follow_operation(const std::string& id, const std::string& doing);

  // Answers. Each prints in the format asked for.
  void print(std::string_view text);                       // stdout as it is
  void note(const std::string& text);                      // stderr, a line; not with -q
  void show_document(const Json&);                         // json and yaml
  void show_list(const Json& list, const std::vector<Column>&, const std::string& if_empty);
  void show_page(const Json& document, const std::function<void(Page&)>& fill);
  // "container/web started"; json and yaml print the resource, name its reference.
  void show_done(const std::string& ref, const std::string& what, const Json& resource = nullptr);

 private:
  template <typename Work> auto waiting(const std::string& doing, Work&& work);
  void show_plan(const Json& plan);
  Json poll_operation(const std::string& id);

  Globals globals_;
  Terminal out_, err_;
  Progress progress_;
  client::ApiClient api_;
  std::string last_curl_;
};

std::string default_socket();  // SOVIRT_SOCKET, or /run/sovirt/sovirt.sock
Format format_from(const std::string& text);

// Does the work for each name; goes on after a failure, says each, and gives the status of the first.
int for_each_name(Session&, const std::vector<std::string>& names, const std::function<void(const std::string&)>& work);

}  // namespace sovirt::ctl
