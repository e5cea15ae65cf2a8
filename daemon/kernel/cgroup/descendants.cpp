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

std::map<pid_t, ProcessFacts> all_processes() {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc{::opendir("/proc"), &::closedir};
  if (!proc) throw errno_error("opendir", "/proc");
  std::map<pid_t, ProcessFacts> all;
  std::set<pid_t> listed;
  // The names come in advance, a thousand at a time: by the time the last is looked at, the first may have forked and
  // ended. So we list again, for the few that are new by then, until there are none.
  bool more = true;
  for (int most = 20; more && most > 0; --most) {
    more = false;
    ::rewinddir(proc.get());
    while (const dirent* entry = ::readdir(proc.get())) {
      const pid_t pid = number<pid_t>(entry->d_name);
      if (pid <= 0 || !listed.insert(pid).second) continue;
      more = true;
      auto facts = process_facts(pid);
      if (facts && !facts->kernel_thread) all.emplace(pid, std::move(*facts));
    }
  }
  return all;
}

}  // namespace

std::optional<ProcessFacts> process_facts(pid_t pid) {
  const std::string text = read_stat(pid);
  const auto open = text.find('('), close = text.rfind(')');   // the name may hold anything
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  const auto fields = split_words(std::string_view{text}.substr(close + 1));   // from the third, the state, on
  if (fields.size() < 20) return std::nullopt;
  return ProcessFacts{text.substr(open + 1, close - open - 1), number<pid_t>(fields[1]), number<pid_t>(fields[3]),
                      (number<unsigned long>(fields[6]) & kernel_thread_flag) != 0, fields[0] == "Z" || fields[0] == "X",
                      number<std::uint64_t>(fields[19])};
}

// Orphans go to init or to a subreaper above; the parent of the topmost process has children of its own.
Family::Family(pid_t top) : forks_(ForkEvents::subscribe()), members_{{top, 0}}, reapers_{1} {
  const Table table = all_processes();
  for (const auto& [pid, facts] : table) first_[pid] = facts.start_ticks;
  adopt(table);
  auto at = table.find(top);
  if (at != table.end()) at = table.find(at->second.parent);
  for (int most = 1000; at != table.end() && most > 0; --most) {
    at = table.find(at->second.parent);
    if (at != table.end()) reapers_.insert(at->first);
  }
}

// Known before any fork is heard: what a stranger forks is forgotten, and its child is nobody's once it has ended.
void Family::adopt(const Table& table) {
  for (bool more = true; more;) {
    more = false;
    for (const auto& [pid, facts] : table)
      if (members_.contains(facts.parent)) more = members_.emplace(pid, facts.start_ticks).second || more;
  }
}

bool Family::belongs(pid_t pid, const ProcessFacts& facts) const {
  if (members_.contains(facts.parent)) return true;
  if (!reapers_.contains(facts.parent) || !sessions_.contains(facts.session)) return false;
  const auto before = first_.find(pid);
  return before == first_.end() || before->second != facts.start_ticks;
}

void Family::forget_reused(const Table& table) {
  for (auto member = members_.begin(); member != members_.end();) {
    const auto now = table.find(member->first);
    const bool there = now != table.end();
    if (there && member->second == 0) member->second = now->second.start_ticks;
    if (!there || member->second == now->second.start_ticks) {
      ++member;
      continue;
    }
    settled_.erase(member->first);
    member = members_.erase(member);
  }
}

std::vector<pid_t> Family::hear() {
  std::vector<pid_t> born;
  std::vector<ForkEvents::Fork> forks;
  if (forks_) complete_ = forks_->read(forks) && complete_;
  for (const auto& [parent, child] : forks) {   // in their order: a child's forks come after its own birth
    if (!members_.contains(parent)) continue;
    members_.insert_or_assign(child, 0);
    if (settled_.contains(parent)) {
      settled_.insert(child);
    } else {
      settled_.erase(child);   // another one of that pid
      born.push_back(child);
    }
  }
  settled_.merge(settling_);
  settling_.clear();
  return born;
}

std::vector<pid_t> Family::newborn() { return hear(); }

std::set<pid_t> Family::look() {
  complete_ = true;
  hear();
  const Table table = all_processes();
  forget_reused(table);
  std::set<pid_t> found, living;
  for (bool more = true; more;) {
    more = false;
    for (const auto& [pid, facts] : table) {
      if (found.contains(pid) || (!members_.contains(pid) && !belongs(pid, facts))) continue;
      members_[pid] = facts.start_ticks;
      if (facts.session > 0) sessions_.insert(facts.session);
      if (!facts.ended) living.insert(pid);
      more = found.insert(pid).second;
    }
  }
  return living;
}

}  // namespace sovirt
