#include "daemon/launcher/monitor_files.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>

#include "daemon/base/error.hpp"

namespace sovirt::launch {
namespace {

constexpr const char* early_socket = ".monitor.sock";
constexpr const char* early_processes = ".monitor.json";

std::string process_json(const Process& process) {
  char text[96];
  std::snprintf(text, sizeof text, "{\"pid\":%d,\"start_ticks\":%llu}", process.pid,
                static_cast<unsigned long long>(process.start_ticks));
  return text;
}

std::string number_or_null(int number) { return number < 0 ? "null" : std::to_string(number); }

}  // namespace

std::string exit_json(const std::string& boot_id, const Ended& ended) {
  return "{\"boot_id\":\"" + boot_id + "\",\"code\":" + number_or_null(ended.code) +
         ",\"signal\":" + number_or_null(ended.signal) + ",\"at_us\":" + std::to_string(ended.at_us) + "}\n";
}

MonitorFiles::MonitorFiles(unique_fd directory, std::string path, std::string boot_id)
    : directory_(std::move(directory)), path_(std::move(path)), boot_id_(std::move(boot_id)) {}

unique_fd MonitorFiles::listen() {
  unique_fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) throw errno_error("socket");
  ::unlinkat(directory_.get(), early_socket, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // By its descriptor: a run directory's path may be longer than a socket's name can be.
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory_.get(), early_socket);
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound < 0) throw errno_error("bind", "monitor.sock");
  if (::listen(socket.get(), 64) < 0) throw errno_error("listen", "monitor.sock");
  return socket;
}

void MonitorFiles::write(const char* name, const std::string& text) {
  const unique_fd file{::openat(directory_.get(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) throw errno_error("openat", name);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw errno_error("write", name);
}

void MonitorFiles::write_processes(const Processes& processes) {
  write(early_processes, "{\"boot_id\":\"" + boot_id_ + "\",\"init\":" + process_json(processes.init) +
                             ",\"monitor\":" + process_json(processes.monitor) + "}\n");
}

void MonitorFiles::publish() {
  const int folder = directory_.get();
  if (::renameat(folder, early_socket, folder, "monitor.sock") < 0) throw errno_error("renameat", "monitor.sock");
  if (::renameat(folder, early_processes, folder, "monitor.json") < 0) throw errno_error("renameat", "monitor.json");
}

void MonitorFiles::write_exit(const Ended& ended) {
  const int folder = directory_.get();
  // First: the container may be started again as soon as exit.json is there, with a socket of that name.
  ::unlinkat(folder, "monitor.sock", 0);
  write(".exit.json", exit_json(boot_id_, ended));
  if (::renameat(folder, ".exit.json", folder, "exit.json") < 0) throw errno_error("renameat", "exit.json");
}

void MonitorFiles::remove_all() noexcept {
  for (const char* name : {early_socket, early_processes, ".exit.json", "monitor.sock", "monitor.json", "config.json"})
    ::unlinkat(directory_.get(), name, 0);
  ::rmdir(path_.c_str());
}

}  // namespace sovirt::launch
