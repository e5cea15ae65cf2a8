#include "client/ctl/session.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "api/problem.hpp"
#include "client/ctl/interrupts.hpp"
#include "client/ctl/json_text.hpp"
#include "client/ctl/problem_text.hpp"
#include "client/ctl/yaml.hpp"
#include "client/lib/curl.hpp"

namespace sovirt::ctl {

std::string default_socket() {
  const char* asked = std::getenv("SOVIRT_SOCKET");
  return asked != nullptr && *asked != '\0' ? asked : "/run/sovirt/sovirt.sock";
}

Format format_from(const std::string& text) {
  if (text == "wide") return Format::wide;
  if (text == "json") return Format::json;
  if (text == "yaml") return Format::yaml;
  if (text == "name") return Format::name;
  return Format::table;
}

Session::Session(const Globals& globals)
    : globals_(globals),
      out_(examine_terminal(STDOUT_FILENO, globals.no_colour)),
      err_(examine_terminal(STDERR_FILENO, globals.no_colour)),
      progress_(err_, globals.quiet),
      api_(globals.socket.value_or(default_socket())) {
  if (!globals.show_curl) return;
  api_.on_request([this](const std::string& socket, const client::HttpRequest& request) {
    std::string line = client::curl_command(socket, request);
    if (line == last_curl_) return;  // the next turn of a wait
    last_curl_ = std::move(line);
    progress_.clear();
    std::fprintf(stderr, "%s\n", last_curl_.c_str());
  });
}

template <typename Work>
auto Session::waiting(const std::string& doing, Work&& work) {
  const Interrupts interrupts;
  progress_.begin(doing);
  api_.watch({.body = {}, .tick = [this] { progress_.tick(); }, .sent = {}, .interrupt = interrupts.fd(), .silence = {}});
  struct End {
    Session& session;
    ~End() {
      session.progress_.end();
      session.api_.watch({});
    }
  } const end{*this};
  return work();
}

Json Session::get(const std::string& target, const std::string& doing) {
  return waiting(doing, [&] { return api_.get(target); });
}

Json Session::get_all(const std::string& target) {
  return waiting("asking the daemon", [&] { return api_.get_all(target); });
}

std::optional<client::Answer> Session::change(const std::string& method, const std::string& target, const Json& body,
                                              const std::string& doing, const client::Headers& more) {
  const std::string full = globals_.dry_run ? client::with_query(target, {{"dry_run", "true"}}) : target;
  client::Answer answer = waiting(doing, [&] { return api_.call(method, full, body, more); });
  if (!globals_.dry_run) return answer;
  show_plan(answer.body);
  return std::nullopt;
}

client::Answer Session::act(const std::string& method, const std::string& target, const Json& body, const std::string& doing) {
  if (globals_.dry_run) throw UsageError("--dry-run is for changes that are made in steps: " + doing + " is not");
  return waiting(doing, [&] { return api_.call(method, target, body); });
}

client::Answer Session::upload(const std::string& target, const std::string& path, const std::string& doing) {
  if (globals_.dry_run) throw UsageError("--dry-run is for changes that are made in steps: " + doing + " is not");
  const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (!file || ::fstat(file.get(), &facts) != 0) throw errno_error("open", path);
  if (!S_ISREG(facts.st_mode)) throw UsageError(path + " is not a regular file");
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  return waiting(doing, [&] {
    client::HttpWatch watch = api_.watched();
    watch.sent = [this, size](std::uint64_t sent) {
      progress_.update(size == 0 ? 100 : static_cast<int>(sent * 100 / size), size_text(sent) + " of " + size_text(size));
      progress_.tick();
    };
    api_.watch(std::move(watch));
    return api_.upload(target, file.get(), size, path);
  });
}

client::Answer Session::send_bytes(const std::string& target, int source, std::optional<std::uint64_t> size, const std::string& name,
                                   const std::string& type, const client::Headers& more, const std::string& doing) {
  if (globals_.dry_run) throw UsageError("--dry-run is for changes that are made in steps: " + doing + " is not");
  return waiting(doing, [&] {
    client::HttpWatch watch = api_.watched();
    watch.sent = [this, size](std::uint64_t sent) {
      const bool known = size && *size > 0;
      progress_.update(known ? static_cast<int>(sent * 100 / *size) : -1, size_text(sent) + (known ? " of " + size_text(*size) : ""));
      progress_.tick();
    };
    api_.watch(std::move(watch));
    return api_.put_bytes(target, source, size, name, type, more);
  });
}

client::HttpResponse Session::receive_bytes(const std::string& target, const std::string& accept, std::uint64_t total,
                                            std::function<void(std::string_view)> sink, const std::string& doing) {
  std::uint64_t got = 0;
  return waiting(doing, [&] {
    return api_.stream(target, accept, [&](std::string_view bytes) {
      sink(bytes);
      got += bytes.size();
      progress_.update(total > 0 ? static_cast<int>(got * 100 / total) : -1, size_text(got) + (total > 0 ? " of " + size_text(total) : ""));
      progress_.tick();
      return true;
    });
  });
}

Json Session::look_up(const std::string& target, const std::string& doing) {
  try {
    return get(target, doing);
  } catch (const client::ApiError& error) {
    if (error.status() == 404 && error.error().code() == Code::not_found) return nullptr;
    throw;
  }
}

client::HttpResponse Session::stream(const std::string& target, const std::string& accept, std::function<bool(std::string_view)> sink) {
  return api_.stream(target, accept, std::move(sink));
}

std::unique_ptr<client::WebSocket> Session::open_line(const std::string& target, const std::string& protocol) {
  if (globals_.dry_run) throw UsageError("--dry-run is for changes that are made in steps: a session is not");
  const std::string socket = globals_.socket.value_or(default_socket());
  if (globals_.show_curl) std::fprintf(stderr, "%s\n", client::curl_command(socket, client::upgrade_request(target, protocol)).c_str());
  return std::make_unique<client::WebSocket>(socket, target, protocol);
}

// One second at a time, so that the percentage on the screen is never older than that.
Json Session::poll_operation(const std::string& id) {
  const std::string target = client::with_query(client::path_of({"v1", "operations", id}), {{"wait", "1s"}});
  for (;;) {
    const Json operation = api_.get(target);
    if (text(operation, "/state") != "running") return operation;
    const Json& percent = at(operation, "/progress/percent");
    progress_.update(percent.is_number() ? percent.get<int>() : -1, text(operation, "/progress/message"));
    progress_.tick();
  }
}

Json Session::follow_operation(const std::string& id, const std::string& doing) {
  Json operation;
  try {
    operation = waiting(doing, [&] { return poll_operation(id); });
  } catch (const client::Interrupted&) {
    std::fprintf(stderr, "It goes on in the daemon.\n  follow it:  sovirtctl operation wait %s\n  end it:     sovirtctl operation cancel %s\n", id.c_str(), id.c_str());
    throw;
  }
  const std::string state = text(operation, "/state");
  if (state == "done") return operation;
  if (at(operation, "/error").is_object()) throw read_problem(at(operation, "/error"));
  throw Error(Code::cancelled, "operation " + id + " was " + state);
}

void Session::print(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) throw errno_error("write", "standard output");
}

void Session::note(const std::string& words) {
  if (!globals_.quiet) std::fprintf(stderr, "%s\n", words.c_str());
}

void Session::show_document(const Json& document) {
  if (globals_.format == Format::yaml) print(write_yaml(document));
  else print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Session::show_list(const Json& list, const std::vector<Column>& columns, const std::string& if_empty) {
  if (globals_.format == Format::json || globals_.format == Format::yaml) return show_document(list);
  const Json& items = at(list, "/items");
  const std::vector<Json> rows = items.is_array() ? std::vector<Json>(items.begin(), items.end()) : std::vector<Json>();
  if (rows.empty()) return note(if_empty);
  if (globals_.format != Format::name) return print(render_table(columns, rows, out_, wide()));
  for (const Json& row : rows) print((row.contains("name") ? text(row, "/name") : text(row, "/id")) + "\n");
}

void Session::show_page(const Json& document, const std::function<void(Page&)>& fill) {
  if (globals_.format == Format::name) {
    for (const char* field : {"/id", "/hostname"})
      if (!at(document, field).is_null()) return print(text(document, field) + "\n");
    return print(ref_of(document) + "\n");
  }
  if (!for_people()) return show_document(document);
  Page page(out_, wide());
  fill(page);
  print(page.finish());
}

void Session::show_done(const std::string& ref, const std::string& what, const Json& resource) {
  if (globals_.format == Format::name) return print(ref + "\n");
  if (!for_people()) return resource.is_null() ? void() : show_document(resource);
  if (!globals_.quiet) print(styled(ref, Style::strong, out_.colour) + " " + what + "\n");
}

void Session::show_plan(const Json& plan) {
  if (!for_people()) return show_document(plan);
  const Json& steps = at(plan, "/steps");
  if (!steps.is_array() || steps.empty()) return print("Nothing would change.\n");
  print("This would be done" + (at(plan, "/object").is_string() ? " to " + styled(printable(text(plan, "/object")), Style::strong, out_.colour) : "") + ":\n");
  const std::size_t digits = std::to_string(steps.size()).size();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    print("  " + std::string(digits - number.size(), ' ') + number + ". " + printable(text(steps[i], "/description")) +
          (at(steps[i], "/disruptive") == true ? "  " + styled("(disruptive)", Style::warn, out_.colour) : "") + "\n");
  }
  print("Nothing was changed.\n");
}

int for_each_name(Session& session, const std::vector<std::string>& names, const std::function<void(const std::string&)>& work) {
  int first = 0;
  for (const std::string& name : names) {
    try {
      work(name);
    } catch (const client::ApiError& error) {
      const Failure failure = describe(error, session.err().colour);
      std::fflush(stdout);
      std::fputs(failure.text.c_str(), stderr);
      if (first == 0) first = static_cast<int>(failure.status);
    }
  }
  return first;
}

}  // namespace sovirt::ctl
