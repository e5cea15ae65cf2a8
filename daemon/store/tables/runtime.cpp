#include <nlohmann/json.hpp>

#include "daemon/store/tables/tables.hpp"

namespace sovirt::tables {
namespace {

ProcessId process(Statement& row, int column) {
  return {static_cast<pid_t>(row.integer(column)), static_cast<std::uint64_t>(row.integer(column + 1))};
}

}  // namespace

void put_runtime(Database& database, const RuntimeRow& row) {
  const auto exit = row.exit.value_or(ExitStatus{});
  database
      .statement("INSERT OR REPLACE INTO runtime (uid, desired, state, boot_id, init_pid, init_ticks, monitor_pid, monitor_ticks, started_at, "
                 "exit_at, exit_code, exit_signal, failure, ran_at_shutdown) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)")
      .with(row.uid, row.desired, row.state, row.boot_id, row.init.pid, static_cast<std::int64_t>(row.init.start_ticks), row.monitor.pid,
            static_cast<std::int64_t>(row.monitor.start_ticks), row.started_at, row.exit ? std::optional{exit.at} : std::nullopt, exit.code,
            exit.signal, row.failure, row.ran_at_shutdown)
      .run();
}

RuntimeRow read_runtime(Statement& row) {
  RuntimeRow runtime;
  runtime.uid = row.text(0);
  runtime.desired = row.text(1);
  runtime.state = row.text(2);
  runtime.boot_id = row.text(3);
  runtime.init = process(row, 4);
  runtime.monitor = process(row, 6);
  runtime.started_at = row.optional_time(8);
  if (const auto at = row.optional_time(9)) runtime.exit = ExitStatus{row.optional_integer(10), row.optional_integer(11), *at};
  runtime.failure = row.text(12);
  runtime.ran_at_shutdown = row.integer(13) != 0;
  return runtime;
}

}  // namespace sovirt::tables
