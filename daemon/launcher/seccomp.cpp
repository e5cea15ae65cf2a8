#include "daemon/launcher/seccomp.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>

#include "daemon/base/error.hpp"

namespace sovirt::launch {
namespace {

// Numbers of a call natively and for 32-bit programs, which reach the same kernel by other numbers. -1: there is none.
struct Call { std::string_view name; int native, compat; };

#if defined(__x86_64__)
constexpr unsigned native_arch = AUDIT_ARCH_X86_64, compat_arch = AUDIT_ARCH_I386;
#define BOTH(name, compat) {#name, SYS_##name, compat}
#elif defined(__aarch64__)
constexpr unsigned native_arch = AUDIT_ARCH_AARCH64, compat_arch = AUDIT_ARCH_ARM;
#define BOTH(name, compat) {#name, SYS_##name, -1}
#else
#error "no table of system calls for this architecture"
#endif

constexpr Call calls[] = {
    BOTH(acct, 51), BOTH(add_key, 286), BOTH(bpf, 357), BOTH(clock_adjtime, 343), BOTH(clock_settime, 264),
    BOTH(delete_module, 129), BOTH(finit_module, 350), BOTH(init_module, 128), BOTH(io_uring_enter, 426),
    BOTH(io_uring_register, 427), BOTH(io_uring_setup, 425), BOTH(kexec_load, 283), BOTH(keyctl, 288),
    BOTH(open_by_handle_at, 342), BOTH(perf_event_open, 336), BOTH(quotactl, 131), BOTH(quotactl_fd, 443),
    BOTH(request_key, 287), BOTH(settimeofday, 79), BOTH(swapoff, 115), BOTH(swapon, 87), BOTH(userfaultfd, 374),
    BOTH(nfsservctl, 169),
#if defined(__x86_64__)
    BOTH(kexec_file_load, -1), BOTH(iopl, 110), BOTH(ioperm, 101), BOTH(lookup_dcookie, 253), BOTH(create_module, 127),
    BOTH(get_kernel_syms, 130), BOTH(query_module, 167), BOTH(uselib, 86), BOTH(ustat, 62), BOTH(sysfs, 135),
    BOTH(_sysctl, 149), {"vm86", -1, 166}, {"vm86old", -1, 113}, {"stime", -1, 25}, {"clock_settime64", -1, 404},
    {"clock_adjtime64", -1, 405},
#else
    BOTH(kexec_file_load, -1),
#endif
};
#undef BOTH

const Call* find(std::string_view name) noexcept {
  for (const Call& call : calls)
    if (call.name == name) return &call;
  return nullptr;
}

sock_filter load(std::size_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset)); }
sock_filter answer(unsigned what) { return BPF_STMT(BPF_RET | BPF_K, what); }

struct Refused { int number; unsigned error; };

// After a jump to here the number is compared with each; the kernel remembers for which it is always "allow".
void refuse_all(std::vector<sock_filter>& program, const std::vector<Refused>& refused) {
  for (const Refused& one : refused) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(one.number), 0, 1));
    program.push_back(answer(SECCOMP_RET_ERRNO | (one.error & SECCOMP_RET_DATA)));
  }
  program.push_back(answer(SECCOMP_RET_ALLOW));
}

}  // namespace

std::vector<sock_filter> compile_seccomp(const nlohmann::json& seccomp) {
  if (!seccomp.is_object()) return {};
  const auto bad = [](const std::string& what) -> Error { return Error{Code::invalid, "config.json: linux.seccomp: " + what}; };
  if (seccomp.value("defaultAction", "") != "SCMP_ACT_ALLOW") throw bad("the only default action here is SCMP_ACT_ALLOW");
  std::vector<Refused> native, compat;
  for (const auto& rule : seccomp.value("syscalls", nlohmann::json::array())) {
    if (rule.value("action", "") != "SCMP_ACT_ERRNO" || rule.contains("args")) throw bad("the only rules here are names with SCMP_ACT_ERRNO");
    const auto error = rule.value("errnoRet", static_cast<unsigned>(EPERM));
    for (const auto& name : rule.at("names")) {
      const Call* call = name.is_string() ? find(name.get_ref<const std::string&>()) : nullptr;
      if (!call) continue;
      if (call->native >= 0) native.push_back({call->native, error});
      if (call->compat >= 0) compat.push_back({call->compat, error});
    }
  }
  if (native.empty() && compat.empty()) return {};
  std::vector<sock_filter> body;
#if defined(__x86_64__)
  // x32 has the numbers of x86-64 with bit 30 set, and is not needed by anybody.
  body.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 0, 1));
  body.push_back(answer(SECCOMP_RET_ERRNO | ENOSYS));
#endif
  refuse_all(body, native);
  std::vector<sock_filter> program{load(offsetof(seccomp_data, arch)),
                                   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_arch, 1, 0),
                                   BPF_STMT(BPF_JMP | BPF_JA, static_cast<unsigned>(body.size()) + 1),
                                   load(offsetof(seccomp_data, nr))};
  program.insert(program.end(), body.begin(), body.end());
  program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, compat_arch, 1, 0));
  program.push_back(answer(SECCOMP_RET_ERRNO | ENOSYS));
  program.push_back(load(offsetof(seccomp_data, nr)));
  refuse_all(program, compat);
  return program;
}

}  // namespace sovirt::launch
