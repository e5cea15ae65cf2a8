#include "daemon/launcher/names.hpp"

#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <array>
#include <iterator>

namespace sovirt::launch {
namespace {

// In the order of linux/capability.h: the index is the number.
constexpr std::string_view capability_names[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};

struct Word { std::string_view text; std::uint64_t value; };

constexpr Word resources[] = {
    {"RLIMIT_AS", RLIMIT_AS}, {"RLIMIT_CORE", RLIMIT_CORE}, {"RLIMIT_CPU", RLIMIT_CPU}, {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE}, {"RLIMIT_LOCKS", RLIMIT_LOCKS}, {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE}, {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC}, {"RLIMIT_RSS", RLIMIT_RSS}, {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME}, {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}, {"RLIMIT_STACK", RLIMIT_STACK}};

constexpr Word namespaces[] = {
    {"pid", CLONE_NEWPID}, {"network", CLONE_NEWNET}, {"mount", CLONE_NEWNS}, {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS}, {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}};

constexpr Word options[] = {
    {"ro", MS_RDONLY}, {"rw", 0}, {"nosuid", MS_NOSUID}, {"suid", 0}, {"nodev", MS_NODEV}, {"dev", 0},
    {"noexec", MS_NOEXEC}, {"exec", 0}, {"sync", MS_SYNCHRONOUS}, {"async", 0}, {"noatime", MS_NOATIME},
    {"nodiratime", MS_NODIRATIME}, {"relatime", MS_RELATIME}, {"strictatime", MS_STRICTATIME},
    {"private", 0}, {"rprivate", 0}, {"slave", 0}, {"rslave", 0}, {"shared", 0}, {"rshared", 0}, {"bind", 0}, {"rbind", 0}};

template <std::size_t N>
const Word* find(const Word (&words)[N], std::string_view text) noexcept {
  for (const Word& word : words)
    if (word.text == text) return &word;
  return nullptr;
}

}  // namespace

int capability_number(std::string_view name) noexcept {
  for (std::size_t i = 0; i < std::size(capability_names); ++i)
    if (capability_names[i] == name) return static_cast<int>(i);
  return -1;
}

int resource_number(std::string_view name) noexcept {
  const Word* word = find(resources, name);
  return word ? static_cast<int>(word->value) : -1;
}

std::uint64_t namespace_flag(std::string_view type) noexcept {
  const Word* word = find(namespaces, type);
  return word ? word->value : 0;
}

std::optional<unsigned long> mount_option(std::string_view option) noexcept {
  const Word* word = find(options, option);
  return word ? std::optional{static_cast<unsigned long>(word->value)} : std::nullopt;
}

}  // namespace sovirt::launch
