#include "fake_service.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "api/reader.hpp"

namespace sovirt::test {

Json& FakeService::find(Kind kind, std::string_view name) {
  const auto found = resources_.find({kind, std::string{name}});
  if (found == resources_.end()) throw Error{Code::not_found, "there is no " + object_ref(kind, name)};
  return found->second;
}

Json FakeService::get(Kind kind, std::string_view name) {
  if (name == "explode") throw std::runtime_error{"a secret of the implementation"};
  const std::lock_guard lock{mutex_};
  return find(kind, name);
}

Page FakeService::list(Kind kind, const ListQuery& query) {
  const std::lock_guard lock{mutex_};
  Page page;
  page.seq = static_cast<std::int64_t>(events_.size());
  for (const auto& [key, resource] : resources_) {
    if (key.first != kind || key.second <= query.cursor) continue;
    if (page.items.size() == query.limit) {
      page.next = page.items.back()["name"].get<std::string>();
      break;
    }
    bool wanted = true;
    for (const auto& [label, value] : query.labels) wanted = wanted && resource["labels"].value(label, "") == value;
    if (wanted) page.items.push_back(resource);
  }
  return page;
}

ChangeResult FakeService::store(Kind kind, const std::string& name, Json spec, const Labels& labels, const ChangeContext& context) {
  context_ = context;
  const auto found = resources_.find({kind, name});
  const bool exists = found != resources_.end();
  if (exists && context.if_none_match) throw Error{Code::precondition_failed, object_ref(kind, name) + " exists"};
  if (exists && context.create_only) throw Error{Code::exists, object_ref(kind, name) + " exists"};
  const std::int64_t revision = exists ? found->second["revision"].get<std::int64_t>() : 0;
  if (context.if_match && *context.if_match != revision) throw Error{Code::precondition_failed, "it is at revision " + std::to_string(revision)};
  if (context.dry_run) return {{{"steps", Json::array({{{"description", "store " + name}}})}}, 0, false, {}};
  Json resource{{"kind", kind_text(kind)}, {"name", name}, {"uid", "fake-" + name}, {"revision", revision + 1}, {"labels", labels},
                {"spec", std::move(spec)}, {"status", {{"state", "ok"}}}};
  resources_[{kind, name}] = resource;
  return {resource, revision + 1, !exists, {}};
}

ChangeResult FakeService::put(Kind kind, std::string_view name, const ResourceBody& body, const ChangeContext& context) {
  if (kind == Kind::image) {
    {
      const std::lock_guard lock{mutex_};
      store(kind, std::string{name}, body.spec, body.labels, context);
    }
    return {nullptr, 0, true, begin_operation("image/" + std::string{name})};
  }
  const std::lock_guard lock{mutex_};
  if (body.spec.contains("bad")) throw field_error("/bad", "unknown-field", "there is no such field");
  if (body.spec.contains("full")) throw errno_error(ENOSPC, "write", "fake");
  return store(kind, std::string{name}, body.spec, body.labels, context);
}

ChangeResult FakeService::patch(Kind kind, std::string_view name, const Json& patch, const ChangeContext& context) {
  const std::lock_guard lock{mutex_};
  return store(kind, std::string{name}, merge_patch(find(kind, name)["spec"], patch), {}, context);
}

ChangeResult FakeService::remove(Kind kind, std::string_view name, const ChangeContext& context) {
  const std::lock_guard lock{mutex_};
  context_ = context;
  find(kind, name);
  if (name == "held") throw Error{Code::in_use, "it is in use"}.with_conflicts({"container/web"});
  if (context.dry_run) return {{{"steps", Json::array()}}, 0, false, {}};
  resources_.erase({kind, std::string{name}});
  return {};
}

Json FakeService::history(Kind kind, std::string_view name) {
  const std::lock_guard lock{mutex_};
  const Json& resource = find(kind, name);
  return {{"items", Json::array({{{"revision", resource["revision"]}, {"spec", resource["spec"]}}})}};
}

ChangeResult FakeService::revert(Kind kind, std::string_view name, std::int64_t, const ChangeContext& context) {
  const std::lock_guard lock{mutex_};
  return store(kind, std::string{name}, find(kind, name)["spec"], {}, context);
}

ChangeResult FakeService::set_state(std::string_view name, const StateRequest& request, const ChangeContext& context) {
  const std::lock_guard lock{mutex_};
  context_ = context;
  Json& resource = find(Kind::container, name);
  resource["status"]["state"] = request.desired == Desired::running ? "running" : request.desired == Desired::stopped ? "stopped" : "frozen";
  return {resource, resource["revision"].get<std::int64_t>(), false, {}};
}

ChangeResult FakeService::restart(std::string_view name, std::optional<std::chrono::seconds>, const ChangeContext& context) {
  return set_state(name, {}, context);
}

void FakeService::kill(std::string_view name, int signal, const ChangeContext&) {
  const std::lock_guard lock{mutex_};
  find(Kind::container, name);
  last_signal = signal;
}

std::unique_ptr<ExecSession> FakeService::OfContainers::open_exec(std::string_view container, const SessionRequest& request) {
  service_.get(Kind::container, container);
  return service_.sessions.open_exec(container, request);
}

Json FakeService::Inside::processes(std::string_view container) {
  service_.get(Kind::container, container);
  return {{"items", Json::array()}};
}

std::string FakeService::Inside::set_password(std::string_view container, const std::string&, const std::optional<std::string>& password) {
  service_.get(Kind::container, container);
  return password.value_or("made-up");
}

OpenConsole FakeService::OfContainers::open_console(std::string_view container, const ConsoleRequest&) {
  service_.get(Kind::container, container);
  return {std::string{container}, service_.sessions.watch_console(container), 0, "", {}};
}

ExecResult FakeService::exec(std::string_view, const ExecRequest& request, const ChangeContext&) {
  std::this_thread::sleep_for(std::chrono::milliseconds{exec_ms});
  ExecResult result;
  result.exit.code = 3;
  result.output = request.command.at(0) + "\xff";
  result.error_output = request.input;
  return result;
}

Launcher::Log FakeService::log(std::string_view, std::uint64_t since, std::size_t most) {
  last_log_limit = most;
  const std::string all = "console \x1b[1mline\n";
  const auto from = std::min<std::uint64_t>(since, all.size());
  return {all.substr(from, most), all.size()};
}

std::string FakeService::begin_upload(std::string_view image) {
  if (image == "absent") throw Error{Code::not_found, "there is no image/absent"};
  if (!upload_target.empty()) return upload_target;
  const auto path = upload_directory + "/upload-" + std::to_string(++uploads);
  std::ofstream{path};
  return path;
}

ChangeResult FakeService::finish_upload(std::string_view image, const std::string& path, const ChangeContext&) {
  std::ifstream file{path, std::ios::binary};
  uploaded.resize(std::filesystem::file_size(path));
  file.read(uploaded.data(), static_cast<std::streamsize>(uploaded.size()));
  return {nullptr, 0, false, begin_operation("image/" + std::string{image})};
}

void FakeService::abandon_upload(const std::string&) noexcept { ++abandoned; }
Json FakeService::templates() { return {{"items", Json::array({{{"name", "debian"}}})}}; }

Json FakeService::operation(std::string_view id) {
  const std::lock_guard lock{mutex_};
  const auto found = operations_.find(std::string{id});
  if (found == operations_.end()) throw Error{Code::not_found, "there is no such operation"};
  return found->second;
}

Page FakeService::operations(const ListQuery&) {
  const std::lock_guard lock{mutex_};
  Page page;
  for (const auto& [id, operation] : operations_) page.items.push_back(operation);
  return page;
}

Json FakeService::cancel(std::string_view id) {
  operation(id);
  end_operation(std::string{id}, "cancelled");
  return operation(id);
}

std::string FakeService::begin_operation(std::string object) {
  const std::lock_guard lock{mutex_};
  const std::string id = "op" + std::to_string(++next_operation_);
  operations_[id] = {{"id", id}, {"kind", "image.build"}, {"object", object}, {"state", "running"}, {"progress", {{"percent", 0}, {"message", ""}}},
                     {"error", nullptr}, {"result", nullptr}};
  return id;
}

void FakeService::end_operation(const std::string& id, std::string state, Json error) {
  {
    const std::lock_guard lock{mutex_};
    operations_.at(id)["state"] = std::move(state);
    operations_.at(id)["error"] = std::move(error);
  }
  notify(id);
}

std::shared_ptr<void> FakeService::subscribe(std::string id, std::function<void()> call) {
  const std::lock_guard lock{mutex_};
  const int key = next_subscription_++;
  subscriptions_[key] = {std::move(id), std::move(call)};
  return {this, [key](FakeService* service) {
            const std::lock_guard guard{service->mutex_};
            service->subscriptions_.erase(key);
          }};
}

void FakeService::notify(const std::string& id) {
  std::vector<std::function<void()>> calls;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& [key, subscription] : subscriptions_)
      if (subscription.id == id) calls.push_back(subscription.call);
  }
  for (const auto& call : calls) call();
}

std::shared_ptr<void> FakeService::on_operation_end(std::string_view id, std::function<void()> call) {
  auto handle = subscribe(std::string{id}, call);
  if (operation(id)["state"] != "running") call();
  return handle;
}

std::shared_ptr<void> FakeService::on_event(std::function<void()> call) { return subscribe("", std::move(call)); }

std::size_t FakeService::listeners() {
  const std::lock_guard lock{mutex_};
  return subscriptions_.size();
}

std::vector<Event> FakeService::events(std::int64_t after, const EventFilter& filter, std::size_t most) {
  const std::lock_guard lock{mutex_};
  std::vector<Event> found;
  for (const auto& event : events_) {
    if (event.id <= after || event.id < oldest_ || found.size() == most) continue;
    if (!filter.kind.empty() && filter.kind != event.kind) continue;
    if (!filter.name.empty() && filter.name != event.name) continue;
    if (!filter.type.empty() && filter.type != event.type) continue;
    found.push_back(event);
  }
  return found;
}

std::int64_t FakeService::oldest_event() {
  const std::lock_guard lock{mutex_};
  return events_.empty() ? 0 : oldest_;
}

std::int64_t FakeService::last_event() {
  const std::lock_guard lock{mutex_};
  return events_.empty() ? 0 : events_.back().id;
}

void FakeService::add_event(std::string type, std::string kind, std::string name) {
  {
    const std::lock_guard lock{mutex_};
    Event event;
    event.id = static_cast<std::int64_t>(events_.size()) + 1;
    event.type = std::move(type);
    event.kind = std::move(kind);
    event.name = std::move(name);
    events_.push_back(std::move(event));
  }
  notify("");
}

void FakeService::forget_events_before(std::int64_t id) {
  const std::lock_guard lock{mutex_};
  oldest_ = id;
}

Json FakeService::host() { return {{"kind", "host"}}; }
Json FakeService::restore_report() { return {{"finished", restored.load()}}; }
Json FakeService::start_all_containers(const ChangeContext& context) { return {{"dry_run", context.dry_run}}; }
Json FakeService::stop_all_containers(const ChangeContext& context) { return {{"dry_run", context.dry_run}}; }
Json FakeService::health() { return {{"status", "ok"}}; }

void FakeService::audit(const AuditRow& row) {
  const std::lock_guard lock{mutex_};
  audit_.push_back(row);
}

std::vector<AuditRow> FakeService::audit_rows(std::size_t most) {
  const std::lock_guard lock{mutex_};
  std::vector<AuditRow> rows{audit_.rbegin(), audit_.rend()};
  if (rows.size() > most) rows.resize(most);
  return rows;
}

ChangeContext FakeService::last_context() {
  const std::lock_guard lock{mutex_};
  return context_;
}

void FakeLog::write(LogLevel, std::string_view message, std::initializer_list<LogField> fields) {
  const std::lock_guard lock{mutex_};
  text_.append(message);
  for (const auto& [key, value] : fields) text_.append(" ").append(key).append("=").append(value);
  text_.append("\n");
}

std::string FakeLog::text() {
  const std::lock_guard lock{mutex_};
  return text_;
}

}  // namespace sovirt::test
