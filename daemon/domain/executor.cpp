#include "daemon/domain/executor.hpp"

#include <chrono>

#include "daemon/base/failpoint.hpp"

namespace sovirt {
namespace {

std::string elapsed_us(std::chrono::steady_clock::time_point since) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - since).count());
}

}  // namespace

std::shared_ptr<void> Listeners::add(std::function<void()> function) {
  const std::lock_guard lock(state_->mutex);
  const auto place = state_->functions.insert(state_->functions.end(), std::move(function));
  const std::shared_ptr<State> state = state_;
  return std::shared_ptr<void>(nullptr, [state, place](void*) {
    const std::lock_guard guard(state->mutex);
    state->functions.erase(place);
  });
}

void Listeners::call() const {
  const std::lock_guard lock(state_->mutex);
  for (const auto& function : state_->functions) function();
}

const Action& Executor::action(const Step& step) const {
  const auto found = actions_.find(step.action);
  if (found == actions_.end()) throw Error{Code::internal, "no such action: " + step.action};
  return found->second;
}

void Executor::apply_step(const Step& step, Scratch& scratch, const Job& job) {
  failpoint::reach("step:" + step.action + ":before");
  const auto start = std::chrono::steady_clock::now();
  action(step).apply(step.args, scratch);
  log_.debug(step.description, {{"object", job.object},
                                {"step", step.action},
                                {"us", elapsed_us(start)},
                                {"request_id", job.commit.actor.request_id}});
  failpoint::reach("step:" + step.action + ":after");
}

void Executor::run(Job& job) {
  if (job.plan.forward)
    run_forward(job);
  else
    run_or_undo(job);
}

void Executor::run_or_undo(Job& job) {
  std::optional<std::int64_t> journal;
  std::size_t begun = 0;
  try {
    if (!job.plan.empty()) {
      JournalRow row;
      row.object = job.object;
      row.uid = job.uid;
      row.steps = write_steps(job.plan);
      row.commit = nullptr;  // an undone plan commits nothing
      failpoint::reach("journal:before");
      journal = store_.begin(row);
      failpoint::reach("journal:after");
    }
    for (const Step& step : job.plan.steps) {
      ++begun;
      apply_step(step, job.scratch, job);
    }
    absorb(job.commit, job.scratch);
    commit_and_publish(journal, job.commit);
  } catch (...) {
    undo(job.plan, begun, job.scratch, job.object);
    if (journal) store_.abandon(*journal);
    throw;
  }
}

void Executor::run_forward(Job& job) {
  JournalRow row;
  row.object = job.object;
  row.uid = job.uid;
  row.steps = write_steps(job.plan);
  row.commit = write_commit(job.commit);
  row.forward = true;
  failpoint::reach("journal:before");
  const std::int64_t journal = store_.begin(row);
  try {
    failpoint::reach("journal:after");
    for (const Step& step : job.plan.steps) apply_step(step, job.scratch, job);
    absorb(job.commit, job.scratch);
    commit_and_publish(journal, job.commit);
  } catch (...) {
    // What has been torn down stays so. The object is still there to be looked at, and to be taken down again.
    store_.abandon(journal);
    throw;
  }
}

void Executor::undo(const Plan& plan, std::size_t steps, Scratch& scratch, const std::string& object) noexcept {
  while (steps > 0) {
    const Step& step = plan.steps[--steps];
    try {
      action(step).undo(step.args, scratch);
    } catch (const std::exception& error) {
      // Nothing better can be done now: what is left carries our mark and is collected at the next start.
      log_.error("undo failed", {{"object", object}, {"step", step.action}, {"detail", error.what()}});
    }
  }
}

void Executor::resolve(const JournalRow& row) {
  Plan plan = read_steps(row.steps, row.forward);
  Scratch scratch;
  log_.warning(row.forward ? "completing what a crash cut off" : "undoing what a crash cut off",
               {{"object", row.object}});
  if (!row.forward) {
    undo(plan, plan.steps.size(), scratch, row.object);
    store_.abandon(row.id);
    return;
  }
  for (const Step& step : plan.steps) {
    try {
      action(step).apply(step.args, scratch);
    } catch (const std::exception& error) {
      log_.error("step failed", {{"object", row.object}, {"step", step.action}, {"detail", error.what()}});
    }
  }
  Commit commit = read_commit(row.commit);
  absorb(commit, scratch);
  commit_and_publish(row.id, commit);
}

// What only the run could tell: the pids of what it launched, the status of what it ended.
void Executor::absorb(Commit& commit, const Scratch& scratch) {
  commit.events.insert(commit.events.end(), scratch.events.begin(), scratch.events.end());
  if (!commit.runtime) return;
  if (scratch.launched) {
    commit.runtime->init = scratch.launched->init;
    commit.runtime->monitor = scratch.launched->monitor;
  }
  if (scratch.exit) commit.runtime->exit = scratch.exit;
}

void Executor::commit(Commit commit) { commit_and_publish(std::nullopt, commit); }

void Executor::commit_and_publish(std::optional<std::int64_t> journal, Commit& commit) {
  failpoint::reach("commit:before");
  {
    const std::lock_guard lock(commit_mutex_);
    const auto ids = store_.commit(journal, commit);
    catalog_.apply(commit, ids.empty() ? 0 : ids.back());
  }
  listeners_.call();
  try {
    failpoint::reach("commit:after");
  } catch (const Error& error) {
    // What is committed is committed: an injected error cannot turn it into a failure any more.
    log_.warning("ignored after commit", {{"detail", error.detail()}});
  }
}

}  // namespace sovirt
