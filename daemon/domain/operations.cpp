#include "daemon/domain/operations.hpp"

#include <algorithm>

#include "api/problem.hpp"
#include "daemon/domain/ids.hpp"

#include <nlohmann/json.hpp>

namespace sovirt {

Json write_operation(const OperationRow& row) {
  return {{"id", row.id},
          {"kind", row.kind},
          {"object", row.object},
          {"state", row.state},
          {"progress", {{"percent", row.percent}, {"message", row.message}}},
          {"actor", {{"uid", row.actor.uid}, {"pid", row.actor.pid}}},
          {"request_id", row.actor.request_id},
          {"error", row.error},
          {"result", row.result},
          {"created_at", rfc3339(row.created_at)},
          {"updated_at", rfc3339(row.updated_at)}};
}

void Operations::stop() {
  std::vector<std::shared_ptr<Operation>> all;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, operation] : operations_) all.push_back(operation);
  }
  for (const auto& operation : all) operation->thread.request_stop();
  for (const auto& operation : all)
    if (operation->thread.joinable()) operation->thread.join();
}

void Operations::load(const std::vector<OperationRow>& rows) {
  for (OperationRow row : rows) {
    if (row.state == "running") {
      row.state = "interrupted";
      row.message = "the daemon ended while this was running; nothing of it is left";
      row.updated_at = now();
      store_.put_operation(row);
    }
    auto operation = std::make_shared<Operation>();
    operation->row = std::move(row);
    const std::lock_guard lock(mutex_);
    operations_[operation->row.id] = std::move(operation);
  }
}

std::string Operations::start(const std::string& kind, const std::string& object, const Actor& actor, Work work) {
  auto operation = std::make_shared<Operation>();
  OperationRow& row = operation->row;
  row.id = random_id(12);
  row.kind = kind;
  row.object = object;
  row.state = "running";
  row.actor = actor;
  row.created_at = row.updated_at = now();
  store_.put_operation(row);
  const std::lock_guard lock(mutex_);
  operations_[row.id] = operation;
  operation->thread = std::jthread(
      [this, operation, work = std::move(work)](std::stop_token stop) { run(operation, std::move(stop), work); });
  return row.id;
}

void Operations::run(const std::shared_ptr<Operation>& operation, std::stop_token stop, const Work& work) {
  const std::function<void(Progress)> report = [&](const Progress& p) { progress(*operation, p); };
  const std::string instance = "/v1/operations/" + operation->row.id;
  try {
    end(operation, "done", nullptr, work(stop, report));
  } catch (const Error& error) {
    end(operation, error.code() == Code::cancelled ? "cancelled" : "failed",
        write_problem(error, instance, operation->row.actor.request_id), nullptr);
  } catch (const std::exception& error) {
    end(operation, "failed", write_problem(Error{Code::internal, error.what()}, instance, operation->row.actor.request_id),
        nullptr);
  }
}

void Operations::progress(Operation& operation, const Progress& progress) {
  const std::lock_guard lock(mutex_);
  operation.row.percent = std::clamp(progress.percent, 0, 100);
  operation.row.message = progress.message;
  operation.row.updated_at = now();
}

void Operations::end(const std::shared_ptr<Operation>& operation, std::string state, Json error, Json result) {
  OperationRow row;
  {
    const std::lock_guard lock(mutex_);
    row = operation->row;
  }
  if (state == "done") row.percent = 100;
  row.state = std::move(state);
  row.error = std::move(error);
  row.result = std::move(result);
  row.updated_at = now();
  try {
    store_.put_operation(row);
  } catch (const Error& failure) {
    log_.error("cannot record the end of an operation", {{"operation", row.id}, {"detail", failure.detail()}});
  }
  log_.info("operation " + row.state, {{"operation", row.id}, {"object", row.object}, {"request_id", row.actor.request_id}});
  std::list<std::function<void()>> listeners;
  {
    const std::lock_guard lock(mutex_);
    operation->row = std::move(row);
    listeners.swap(operation->listeners);
  }
  for (const auto& listener : listeners) listener();
}

std::shared_ptr<Operations::Operation> Operations::find(std::string_view id) const {
  const auto found = operations_.find(id);
  if (found == operations_.end())
    throw Error{Code::not_found, "there is no operation " + std::string{id}}.with_hint("operations are kept for 7 days");
  return found->second;
}

OperationRow Operations::get(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  return find(id)->row;
}

std::vector<OperationRow> Operations::all() const {
  std::vector<OperationRow> rows;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, operation] : operations_) rows.push_back(operation->row);
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::tie(a.created_at, a.id) > std::tie(b.created_at, b.id);
  });
  return rows;
}

OperationRow Operations::cancel(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto operation = find(id);
  operation->thread.request_stop();
  return operation->row;
}

std::shared_ptr<void> Operations::on_end(std::string_view id, std::function<void()> listener) {
  std::unique_lock lock(mutex_);
  const auto operation = find(id);
  if (operation->row.state != "running") {
    lock.unlock();
    listener();
    return nullptr;
  }
  const auto alive = std::make_shared<int>(0);
  // Dropping the handle is enough to be forgotten: the listener asks whether anybody still wants to know.
  operation->listeners.push_back([weak = std::weak_ptr<int>(alive), listener = std::move(listener)] {
    if (weak.lock()) listener();
  });
  return alive;
}

std::string Operations::running_on(std::string_view object) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, operation] : operations_)
    if (operation->row.state == "running" && operation->row.object == object) return id;
  return "";
}

void Operations::forget(Time before) {
  const std::lock_guard lock(mutex_);
  std::erase_if(operations_, [&](const auto& item) {
    return item.second->row.state != "running" && item.second->row.updated_at < before;
  });
}

}  // namespace sovirt
