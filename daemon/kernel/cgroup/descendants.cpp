#include "daemon/kernel/cgroup/descendants.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"

namespace sovirt {
namespace {

constexpr unsigned long kernel_thread_flag = 0x00200000;   // PF_KTHREAD, include/linux/sched.h

template <typename T>
T number(const std::string& text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A process that ends while its file is read: ESRCH.
std::string read_stat(pid_t pid) {
  try {
    return read_text_at(AT_FDCWD, ("/proc/" + std::to_string(pid) + "/stat").c_str()).value_or("");
  } catch (const Error& error) {
    if (error.error_number() == ESRCH) return "";
    throw;
  }
}

std::map<pid_t, std::vector<pid_t>> children_of_all() {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc{::opendir("/proc"), &::closedir};
  if (!proc) throw errno_error("opendir", "/proc");
  std::map<pid_t, std::vector<pid_t>> children;
  while (const dirent* entry = ::readdir(proc.get())) {
    const pid_t pid = number<pid_t>(entry->d_name);
    const auto facts = pid > 0 ? process_facts(pid) : std::nullopt;
    if (facts) children[facts->parent].push_back(pid);
  }
  return children;
}

}  // namespace

std::optional<ProcessFacts> process_facts(pid_t pid) {
  const std::string text = read_stat(pid);
  const auto open = text.find('('), close = text.rfind(')');   // the name may hold anything
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  const auto fields = split_words(std::string_view{text}.substr(close + 1));   // from the third, the state, on
  if (fields.size() < 20) return std::nullopt;
  return ProcessFacts{text.substr(open + 1, close - open - 1), number<pid_t>(fields[1]),
                      (number<unsigned long>(fields[6]) & kernel_thread_flag) != 0, fields[0] == "Z" || fields[0] == "X",
                      number<std::uint64_t>(fields[19])};
}

std::set<pid_t> with_descendants(pid_t pid) {
  const auto children = children_of_all();
  std::set<pid_t> all{pid};
  std::vector<pid_t> look{pid};
  while (!look.empty()) {
    const auto found = children.find(look.back());
    look.pop_back();
    if (found == children.end()) continue;
    for (const pid_t child : found->second)
      if (all.insert(child).second) look.push_back(child);
  }
  return all;
}

}  // namespace sovirt
