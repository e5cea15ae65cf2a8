#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>

#include "daemon/kernel/namespace/look.hpp"

namespace sovirt::netns {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

// The numbered entries of a directory: processes, descriptors.
template <class Visit>
void for_each_number(const std::string& path, Visit visit) {
  const std::unique_ptr<DIR, CloseDirectory> directory{::opendir(path.c_str())};
  if (!directory) return;   // it has just ended
  while (const dirent* entry = ::readdir(directory.get())) {
    const char* name = entry->d_name;
    int number = 0;
    const auto [end, error] = std::from_chars(name, name + std::strlen(name), number);
    if (error == std::errc{} && *end == '\0') visit(number);
  }
}

}  // namespace

std::string command_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/comm"};
  std::string line;
  std::getline(file, line);
  return line;
}

ProcessTable all_processes() {
  ProcessTable out;
  for_each_number("/proc", [&](int pid) {
    struct stat about{};
    const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
    if (::stat(path.c_str(), &about) == 0) out[about.st_ino].push_back({pid, ""});
  });
  for (auto& [inode, processes] : out)
    std::sort(processes.begin(), processes.end(), [](const ProcessState& a, const ProcessState& b) { return a.pid < b.pid; });
  return out;
}

std::map<std::uint64_t, std::pair<pid_t, std::string>> socket_holders(const std::vector<ProcessState>& processes) {
  std::map<std::uint64_t, std::pair<pid_t, std::string>> holders;
  for (const ProcessState& process : processes) {
    const std::string folder = "/proc/" + std::to_string(process.pid) + "/fd";
    for_each_number(folder, [&](int fd) {
      std::array<char, 64> target{};
      const ssize_t size = ::readlink((folder + "/" + std::to_string(fd)).c_str(), target.data(), target.size() - 1);
      constexpr std::string_view front = "socket:[";
      const std::string_view text{target.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
      if (!text.starts_with(front)) return;
      std::uint64_t inode = 0;
      std::from_chars(text.data() + front.size(), text.data() + text.size(), inode);
      holders.try_emplace(inode, process.pid, process.command);
    });
  }
  return holders;
}

}  // namespace sovirt::netns
