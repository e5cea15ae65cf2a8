#pragma once
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/log.hpp"
#include "daemon/domain/confirmations.hpp"
#include "daemon/domain/checkpoints.hpp"
#include "daemon/domain/container_files.hpp"
#include "daemon/domain/cgroup_calls.hpp"
#include "daemon/domain/container_inside.hpp"
#include "daemon/domain/container_terminals.hpp"
#include "daemon/domain/network_tools.hpp"
#include "daemon/domain/service.hpp"
#include "tests/fakes/launcher/fake_terminals.hpp"

namespace sovirt::test {

// Files of every container together, in memory; a path with `..` is refused as the domain does.
class FakeFiles final : public ContainerFiles {
 public:
  FileFacts look(std::string_view container, const std::string& path) override;
  std::vector<FileFacts> list(std::string_view, const std::string&, const std::string& after, std::size_t most) override;
  std::unique_ptr<ByteSource> read(std::string_view, const std::string& path, FileFacts& facts) override;
  std::unique_ptr<ByteSource> read_tree(std::string_view, const std::string& path) override;
  std::unique_ptr<ByteTarget> write(std::string_view, const std::string& path, const FileAttributes&) override;
  std::unique_ptr<ByteTarget> write_tree(std::string_view, const std::string& path, bool make) override;
  void remove(std::string_view, const std::string& path, bool recursive) override;

  std::mutex mutex;
  std::map<std::string, std::string> files;
  std::uint64_t claims_more = 0;              // bytes that a file says it has and does not give
  FileAttributes last;
  std::atomic<int> open = 0;
  std::atomic<std::uint64_t> given = 0;       // bytes that sources have given
};

class FakeCgroups final : public CgroupCalls {
 public:
  Json processes(std::string_view) override { return {{"items", Json::array()}}; }
  Json add_processes(std::string_view cgroup, const ProcessesRequest& request, const ChangeContext&) override {
    return {{"items", {{{"pid", request.pid}, {"name", cgroup}, {"command", request.command}}}}};
  }
  void release_process(std::string_view, pid_t, const ChangeContext&) override {}
  void kill_processes(std::string_view, const ChangeContext&) override { ++kills; }
  Json stats(Kind, std::string_view) override { return {{"cpu", {{"usage_ns", usage_ns += 500'000'000}}}}; }   // grows with each look
  Json all_stats() override { return {{"items", Json::array()}}; }
  std::atomic<int> kills = 0;
  std::atomic<std::int64_t> usage_ns = 0;
};

class NoCheckpoints final : public Checkpoints {
 public:
  void checkpoint(std::string_view) override { throw Error{Code::unsupported, "no criu"}; }
};

class FakeNetworkTools final : public NetworkTools {
 public:
  Json sockets(std::string_view netns) override { return {{"items", Json::array({{{"protocol", "tcp"}, {"of", netns}}})}}; }
  Json probe(const ProbeRequest& request) override { return {{"reachable", true}, {"rtt", 1}, {"blocked_by", nullptr}, {"to", request.to.text()}}; }
  Json addresses() override { return {{"items", Json::array()}}; }
  ExecResult exec(std::string_view, const ExecRequest& request, const ChangeContext&) override {
    ExecResult result;
    result.exit.code = 0;
    result.output = request.command.front();
    return result;
  }
};

// A domain in memory: resources with revisions, operations that end when told, events, and a record of what was
// asked. Thread-safe.
class NoConfirmations final : public Confirmations {
 public:
  ChangeResult confirm(std::string_view bridge, const ChangeContext&) override {
    throw Error{Code::conflict, "no change of bridge/" + std::string{bridge} + " waits for a confirmation"};
  }
};

class FakeService final : public Service {
 public:
  Json get(Kind, std::string_view name) override;
  Page list(Kind, const ListQuery&) override;
  ChangeResult put(Kind, std::string_view name, const ResourceBody&, const ChangeContext&) override;
  ChangeResult patch(Kind, std::string_view name, const Json&, const ChangeContext&) override;
  ChangeResult remove(Kind, std::string_view name, const ChangeContext&) override;
  Json history(Kind, std::string_view name) override;
  ChangeResult revert(Kind, std::string_view name, std::int64_t revision, const ChangeContext&) override;
  ChangeResult set_state(std::string_view, const StateRequest&, const ChangeContext&) override;
  ChangeResult restart(std::string_view, std::optional<std::chrono::seconds>, const ChangeContext&) override;
  void kill(std::string_view, int signal, const ChangeContext&) override;
  ExecResult exec(std::string_view, const ExecRequest&, const ChangeContext&) override;
  ContainerTerminals& terminals() override { return terminals_; }
  ContainerInside& inside() override { return inside_; }
  Launcher::Log log(std::string_view, std::uint64_t since, std::size_t most) override;
  Checkpoints& checkpoints() override { return checkpoints_; }
  ContainerFiles& files() override { return file_store; }
  ContainerArchives& archives() override { throw Error{Code::unsupported, "not in this fake"}; }
  ContainerCopies& copies() override { throw Error{Code::unsupported, "not in this fake"}; }
  CgroupCalls& cgroups() override { return control_groups; }
  std::string begin_upload(std::string_view image) override;
  ChangeResult finish_upload(std::string_view image, const std::string& path, const ChangeContext&) override;
  void abandon_upload(const std::string& path) noexcept override;
  Json templates() override;
  NetworkTools& network_tools() override { return network_tools_; }
  Json operation(std::string_view id) override;
  Page operations(const ListQuery&) override;
  Json cancel(std::string_view id) override;
  std::shared_ptr<void> on_operation_end(std::string_view id, std::function<void()>) override;
  std::vector<Event> events(std::int64_t after, const EventFilter&, std::size_t most) override;
  std::int64_t oldest_event() override;
  std::int64_t last_event() override;
  std::shared_ptr<void> on_event(std::function<void()>) override;
  Json host() override;
  Json restore_report() override;
  bool restore_finished() override { return restored; }
  Json stop_all_containers(const ChangeContext&) override;
  Json start_all_containers(const ChangeContext&) override;
  Confirmations& confirmations() override { return no_confirmations; }
  Json health() override;
  void audit(const AuditRow&) override;
  std::vector<AuditRow> audit_rows(std::size_t most) override;

  // For the tests.
  std::string begin_operation(std::string object);
  void end_operation(const std::string& id, std::string state, Json error = nullptr);
  void add_event(std::string type, std::string kind, std::string name);
  void forget_events_before(std::int64_t id);
  ChangeContext last_context();
  std::size_t listeners();

  FakeCgroups control_groups;
  std::string upload_directory;
  std::string upload_target;                  // path given instead of a file in that directory
  std::atomic<bool> restored = true;
  std::atomic<int> abandoned = 0, uploads = 0;
  std::atomic<int> last_signal = 0;
  std::atomic<int> exec_ms = 0;               // how long exec blocks
  std::atomic<std::size_t> last_log_limit = 0;
  FakeTerminals sessions;                     // what is behind every container's terminals
  std::string uploaded;                       // content of the last one
  FakeFiles file_store;
  NoConfirmations no_confirmations;
  NoCheckpoints checkpoints_;

 private:
  class OfContainers final : public ContainerTerminals {
   public:
    explicit OfContainers(FakeService& service) : service_(service) {}
    std::unique_ptr<ExecSession> open_exec(std::string_view container, const SessionRequest&) override;
    OpenConsole open_console(std::string_view container, const ConsoleRequest&) override;
    std::uint64_t log_offset(std::string_view, Time since) override { return static_cast<std::uint64_t>(since.time_since_epoch().count() % 16); }

   private:
    FakeService& service_;
  };
  FakeNetworkTools network_tools_;
  struct Subscription {
    std::string id;                           // of an operation, "" for events
    std::function<void()> call;
  };
  ChangeResult store(Kind, const std::string& name, Json spec, const Labels&, const ChangeContext&);
  Json& find(Kind, std::string_view name);
  std::shared_ptr<void> subscribe(std::string id, std::function<void()>);
  void notify(const std::string& id);

  class Inside final : public ContainerInside {
   public:
    explicit Inside(FakeService& service) : service_(service) {}
    Json processes(std::string_view container) override;
    std::string set_password(std::string_view container, const std::string& user, const std::optional<std::string>& password) override;

   private:
    FakeService& service_;
  };
  OfContainers terminals_{*this};
  Inside inside_{*this};
  std::mutex mutex_;
  std::map<std::pair<Kind, std::string>, Json> resources_;
  std::map<std::string, Json> operations_;
  std::vector<Event> events_;
  std::int64_t oldest_ = 1;
  std::vector<AuditRow> audit_;
  ChangeContext context_;
  std::map<int, Subscription> subscriptions_;
  int next_subscription_ = 0, next_operation_ = 0;
};

// Keeps what was logged.
class FakeLog final : public Log {
 public:
  void write(LogLevel, std::string_view message, std::initializer_list<LogField>) override;
  std::string text();

 private:
  std::mutex mutex_;
  std::string text_;
};

}  // namespace sovirt::test
