#include "daemon/kernel/process/run_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "daemon/launcher/process_file.hpp"

namespace sovirt::process {
namespace {

using Json = nlohmann::json;
constexpr const char* file_names[] = {"exit.json", ".exit.json", "monitor.json", ".monitor.json",
                                      "monitor.sock", ".monitor.sock", "config.json"};

std::optional<std::string> read_file(int folder, const char* name) {
  const unique_fd file{::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) return std::nullopt;
  return launch::read_text(file.get());
}

void write_file(int folder, const char* name, const std::string& text) {
  const unique_fd file{::openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) throw errno_error("openat", name);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(file.get(), text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw errno_error("write", name);
    done += static_cast<std::size_t>(written);
  }
}

// nullopt: not there, of another boot, or not what a monitor writes.
std::optional<Json> read_json(int folder, const char* name, const std::string& boot_id) {
  const auto text = read_file(folder, name);
  if (!text) return std::nullopt;
  Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || json.value("boot_id", "") != boot_id) return std::nullopt;
  return json;
}

ProcessId process_id(const Json& json) {
  return {json.at("pid").get<pid_t>(), json.at("start_ticks").get<std::uint64_t>()};
}

std::optional<int> number_or_null(const Json& json) {
  return json.is_number() ? std::optional{json.get<int>()} : std::nullopt;
}

}  // namespace

RunDirectory::RunDirectory(std::string path, std::string boot_id) : path_(std::move(path)), boot_id_(std::move(boot_id)) {
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) throw errno_error(error.value(), "mkdir", path_);
  if (::chmod(path_.c_str(), 0700) < 0) throw errno_error("chmod", path_);
}

unique_fd RunDirectory::open(std::string_view uid) const {
  return unique_fd{::open(path(uid).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
}

RunDirectory::Prepared RunDirectory::prepare(std::string_view uid, const std::string& config_json) const {
  const std::string folder = path(uid);
  const bool made = ::mkdir(folder.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) throw errno_error("mkdir", folder);
  Prepared prepared;
  prepared.folder = open(uid);
  if (!prepared.folder) throw errno_error("open", folder);
  if (!made)
    for (const char* name : file_names) ::unlinkat(prepared.folder.get(), name, 0);
  write_file(prepared.folder.get(), "config.json", config_json);
  prepared.config.reset(::openat(prepared.folder.get(), "config.json", O_RDONLY | O_CLOEXEC));
  if (!prepared.config) throw errno_error("openat", "config.json");
  return prepared;
}

std::optional<std::string> RunDirectory::config(std::string_view uid) const {
  const unique_fd folder = open(uid);
  return folder ? read_file(folder.get(), "config.json") : std::nullopt;
}

std::optional<Launched> RunDirectory::processes(std::string_view uid) const try {
  const unique_fd folder = open(uid);
  const auto json = folder ? read_json(folder.get(), "monitor.json", boot_id_) : std::nullopt;
  if (!json) return std::nullopt;
  return Launched{process_id(json->at("init")), process_id(json->at("monitor"))};
} catch (const Json::exception&) {
  return std::nullopt;
}

std::optional<ExitStatus> RunDirectory::exit(std::string_view uid) const try {
  const unique_fd folder = open(uid);
  const auto json = folder ? read_json(folder.get(), "exit.json", boot_id_) : std::nullopt;
  if (!json) return std::nullopt;
  return ExitStatus{number_or_null(json->at("code")), number_or_null(json->at("signal")),
                    Time{std::chrono::microseconds{json->at("at_us").get<std::int64_t>()}}};
} catch (const Json::exception&) {
  return std::nullopt;
}

void RunDirectory::write_lost_exit(std::string_view uid, Time at) const {
  const unique_fd folder = open(uid);
  if (!folder) return;
  const Json json{{"boot_id", boot_id_}, {"code", nullptr}, {"signal", nullptr}, {"at_us", at.time_since_epoch().count()}};
  write_file(folder.get(), ".exit.json", json.dump() + "\n");
  if (::renameat(folder.get(), ".exit.json", folder.get(), "exit.json") < 0) throw errno_error("renameat", "exit.json");
}

void RunDirectory::remove(std::string_view uid) const {
  const unique_fd folder = open(uid);
  if (!folder) return;
  for (const char* name : file_names) ::unlinkat(folder.get(), name, 0);
  const std::string gone = path(uid);
  if (::rmdir(gone.c_str()) < 0 && errno != ENOENT) throw errno_error("rmdir", gone);
}

std::vector<std::string> RunDirectory::list() const {
  std::vector<std::string> uids;
  std::error_code error;
  for (std::filesystem::directory_iterator at{path_, error}, end; !error && at != end; at.increment(error))
    uids.push_back(at->path().filename().string());
  return uids;
}

}  // namespace sovirt::process
