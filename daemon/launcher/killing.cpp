#include "daemon/launcher/killing.hpp"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "daemon/launcher/process_file.hpp"

namespace sovirt::launch {
namespace {

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;
Folder open_folder(const char* path) { return {::opendir(path), ::closedir}; }

std::string folder_of(int fd) {
  char link[48], path[4096];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, path, sizeof path);
  if (size <= 0 || size >= static_cast<ssize_t>(sizeof path)) return {};
  std::string text{path, static_cast<std::size_t>(size)};
  if (text.ends_with("/cgroup.procs")) text.resize(text.size() - 13);
  return text;
}

// How many were there.
int kill_all_in(const std::string& folder) {
  int found = 0;
  const std::string pids = read_text((folder + "/cgroup.procs").c_str());
  for (const char* at = pids.c_str(); *at != '\0';) {
    char* end = nullptr;
    const long pid = std::strtol(at, &end, 10);
    if (end == at) break;
    at = *end ? end + 1 : end;
    if (pid <= 0) continue;   // of another pid namespace
    ++found;
    ::kill(static_cast<pid_t>(pid), SIGKILL);
  }
  const Folder opened = open_folder(folder.c_str());
  for (const dirent* entry = nullptr; opened && (entry = ::readdir(opened.get()));)
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') found += kill_all_in(folder + "/" + entry->d_name);
  return found;
}

void pause_ms(int ms) noexcept { ::poll(nullptr, 0, ms); }

std::vector<ProcessStat> all_processes() {
  std::vector<ProcessStat> all;
  const Folder proc = open_folder("/proc");
  for (const dirent* entry = nullptr; proc && (entry = ::readdir(proc.get()));)
    if (const int pid = std::atoi(entry->d_name); pid > 0)
      if (const auto stat = process_stat(pid)) all.push_back(*stat);
  return all;
}

std::vector<pid_t> descendants(pid_t root) {
  const std::vector<ProcessStat> all = all_processes();
  std::vector<pid_t> found;
  const auto has = [&](pid_t pid) { return pid == root || std::find(found.begin(), found.end(), pid) != found.end(); };
  for (bool grew = true; grew;) {
    grew = false;
    for (const ProcessStat& one : all) {
      if (one.state == 'Z' || has(one.pid) || !(has(one.parent) || one.session == root)) continue;
      found.push_back(one.pid);
      grew = true;
    }
  }
  return found;
}

}  // namespace

void kill_group(int fd) noexcept try {
  const std::string folder = folder_of(fd);
  if (folder.empty()) return;
  // Not by cgroup.kill: kernels since 6.14 (and 6.1.129) kill whatever is later cloned into a group that was killed so,
  // as CLONE_INTO_CGROUP compares its count of kills with that of the parent's group.
  for (int round = 0; round < 2000; ++round) {
    if (kill_all_in(folder) == 0) return;
    pause_ms(round < 20 ? 1 : 5);
  }
} catch (...) {
}

void kill_descendants(pid_t root) noexcept try {
  // Stopped first: what it starts meanwhile would otherwise be missed, and while it is there its orphans come to it.
  ::kill(root, SIGSTOP);
  for (int round = 0; round < 200; ++round) {
    const std::vector<pid_t> found = descendants(root);
    if (found.empty()) break;
    for (const pid_t pid : found) ::kill(pid, SIGKILL);
    pause_ms(1);
  }
  ::kill(root, SIGKILL);
} catch (...) {
  ::kill(root, SIGKILL);
}

}  // namespace sovirt::launch
