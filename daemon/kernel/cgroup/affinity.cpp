#include "daemon/kernel/cgroup/affinity.hpp"

#include <dirent.h>

#include <charconv>
#include <memory>
#include <string_view>

#include "api/cpu_list.hpp"

namespace sovirt {

PinnedThreads::PinnedThreads(pid_t pid, const std::string& effective) {
  const auto cpus = parse_cpu_list(effective);
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks{cpus ? ::opendir(("/proc/" + std::to_string(pid) + "/task").c_str()) : nullptr, &::closedir};
  if (!tasks) return;
  cpu_set_t all;
  CPU_ZERO(&all);
  for (const auto cpu : *cpus) CPU_SET(static_cast<std::size_t>(cpu), &all);   // beyond 1023: ignored by the macro
  while (const dirent* entry = ::readdir(tasks.get())) {
    const std::string_view name{entry->d_name};
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    cpu_set_t mask;
    if (thread > 0 && ::sched_getaffinity(thread, sizeof mask, &mask) == 0 && !CPU_EQUAL(&mask, &all)) threads_.emplace_back(thread, mask);
  }
}

void PinnedThreads::pin_again() const noexcept {
  for (const auto& [thread, mask] : threads_) {
    cpu_set_t now;
    if (::sched_getaffinity(thread, sizeof now, &now) == 0 && !CPU_EQUAL(&now, &mask)) ::sched_setaffinity(thread, sizeof mask, &mask);
  }
}

}  // namespace sovirt
