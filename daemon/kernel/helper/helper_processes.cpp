#include "daemon/kernel/helper/helper_processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "daemon/base/error.hpp"
#include "daemon/base/spawn.hpp"
#include "daemon/kernel/helper/end_watcher.hpp"
#include "daemon/kernel/helper/helper_folder.hpp"
#include "daemon/kernel/helper/run_program.hpp"

namespace sovirt::helper {
namespace {

constexpr int first_look_ms = 60;    // what is wrong with a configuration or an address is told at once
constexpr int patience_ms = 2000;    // from SIGTERM to SIGKILL

bool ended_within(int process, int milliseconds) {
  pollfd wait{process, POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&wait, 1, milliseconds);
  while (ready < 0 && errno == EINTR);
  return ready > 0;
}

void reap(int process) noexcept {
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(process), &info, WEXITED | WNOHANG);
}

void end(int process) noexcept {
  ::syscall(SYS_pidfd_send_signal, process, SIGTERM, nullptr, 0u);
  if (!ended_within(process, patience_ms)) {
    ::syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0u);
    ended_within(process, patience_ms);
  }
  reap(process);
}

pid_t spawn_in(int netns, const Spawn& what) {
  if (netns < 0) return spawn(what);
  pid_t pid = -1;
  in_own_thread([&] {
    if (::setns(netns, CLONE_NEWNET) != 0) throw errno_error("setns");
    pid = spawn(what);
  });
  return pid;
}

class HelperProcesses final : public Helpers {
 public:
  explicit HelperProcesses(HelperOptions options) : options_(std::move(options)) { adopt(); }

  bool installed(std::string_view program) override { return !path_of(std::string{program}).empty(); }

  void start(const HelperSpec& spec, int netns) override {
    const std::lock_guard lock(mutex_);
    const HelperFolder folder = folder_of(spec.key);
    if (is_running(folder, digest_of(spec))) return;
    const std::string program = path_of(spec.program);
    if (program.empty()) throw Error{Code::unsupported, "this host lacks the program " + spec.program};
    end_process(folder);
    folder.create();
    for (const auto& [name, content] : spec.files) folder.write(name, folder.fill(content));
    for (const auto& [name, content] : spec.data) folder.write(name, content);
    launch(spec, program, netns, folder);
  }

  bool runs(const HelperSpec& spec) override {
    const std::lock_guard lock(mutex_);
    return is_running(folder_of(spec.key), digest_of(spec));
  }

  bool stop(std::string_view key) override {
    const std::lock_guard lock(mutex_);
    const HelperFolder folder = folder_of(key);
    if (!folder.exists()) return false;
    end_process(folder);
    folder.remove();
    return true;
  }

  bool give(std::string_view key, std::string_view file, std::string_view content) override {
    const std::lock_guard lock(mutex_);
    const HelperFolder folder = folder_of(key);
    if (!folder.exists() || !folder.write(file, content)) return false;
    if (const unique_fd process = process_of(folder)) ::syscall(SYS_pidfd_send_signal, process.get(), SIGHUP, nullptr, 0u);
    return true;
  }

  std::optional<std::string> read(std::string_view key, std::string_view file) override { return folder_of(key).read(file); }

  std::vector<std::string> known() override {
    std::vector<std::string> keys;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(options_.folder, none)) keys.push_back(entry.path().filename());
    std::sort(keys.begin(), keys.end());
    return keys;
  }

  std::shared_ptr<void> watch(std::function<void(std::string_view)> listener) override { return watcher_.listen(std::move(listener)); }

 private:
  std::string with_libexec(std::string text) const {
    constexpr std::string_view place = "{libexec}";
    if (const std::size_t at = text.find(place); at != std::string::npos) text.replace(at, place.size(), options_.libexec);
    return text;
  }

  static std::string path_of(const std::string& program) {
    if (!program.starts_with('/')) return find_program(program);
    return ::access(program.c_str(), X_OK) == 0 ? program : "";
  }

  HelperFolder folder_of(std::string_view key) const { return HelperFolder{options_.folder + "/" + std::string{key}}; }

  unique_fd process_of(const HelperFolder& folder) const {
    const auto who = folder.identity();
    return who ? open_process(*who, options_.boot_id) : unique_fd{};
  }

  bool is_running(const HelperFolder& folder, const std::string& digest) const {
    const auto who = folder.identity();
    return who && who->digest == digest && open_process(*who, options_.boot_id);
  }

  void adopt() {
    for (const std::string& key : known())
      if (unique_fd process = process_of(folder_of(key))) watcher_.add(key, std::move(process));
  }

  void end_process(const HelperFolder& folder) {
    watcher_.forget(std::filesystem::path{folder.path()}.filename());
    if (const unique_fd process = process_of(folder)) end(process.get());
  }

  void launch(const HelperSpec& spec, const std::string& program, int netns, const HelperFolder& folder) {
    Spawn what{program, {program}, plain_environment(), {}};
    for (const std::string& argument : spec.arguments) what.command.push_back(with_libexec(folder.fill(argument)));
    const unique_fd log = folder.open_log();
    what.files = {-1, log.get(), log.get()};
    what.own_session = true;
    const pid_t pid = spawn_in(netns, what);
    unique_fd process{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};   // our child: it cannot be another's yet
    if (!process) throw errno_error("pidfd_open", spec.program);
    folder.remember({pid, start_ticks_of(pid), options_.boot_id, digest_of(spec)});
    if (ended_within(process.get(), first_look_ms)) {
      reap(process.get());
      throw Error{Code::conflict, spec.program + " ended at once: " + folder.last_words()};
    }
    watcher_.add(spec.key, std::move(process));
  }

  HelperOptions options_;
  std::mutex mutex_;
  EndWatcher watcher_;
};

}  // namespace
}  // namespace sovirt::helper

namespace sovirt {

std::unique_ptr<Helpers> make_helpers(const HelperOptions& options) { return std::make_unique<helper::HelperProcesses>(options); }

}  // namespace sovirt
