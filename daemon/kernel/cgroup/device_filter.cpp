#include "daemon/kernel/cgroup/device_filter.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"

namespace sovirt {
namespace {

std::string number_text(const std::optional<std::uint32_t>& number) { return number ? std::to_string(*number) : "*"; }

std::uint32_t access_bits(const std::string& access) noexcept {
  std::uint32_t bits = 0;
  for (const char c : access) bits |= c == 'r' ? BPF_DEVCG_ACC_READ : c == 'w' ? BPF_DEVCG_ACC_WRITE : BPF_DEVCG_ACC_MKNOD;
  return bits;
}

constexpr std::uint8_t code(unsigned bits) noexcept { return static_cast<std::uint8_t>(bits); }
bpf_insn insn(std::uint8_t op, unsigned dst, unsigned src, int offset, int value) {
  bpf_insn one{};
  one.code = op;
  one.dst_reg = static_cast<std::uint8_t>(dst & 15U);
  one.src_reg = static_cast<std::uint8_t>(src & 15U);
  one.off = static_cast<std::int16_t>(offset);
  one.imm = value;
  return one;
}
bpf_insn load_word(unsigned dst, int offset) { return insn(code(BPF_LDX | BPF_MEM | BPF_W), dst, BPF_REG_1, offset, 0); }
bpf_insn set(unsigned dst, int value) { return insn(code(BPF_ALU64 | BPF_MOV | BPF_K), dst, 0, 0, value); }
bpf_insn copy(unsigned dst, unsigned src) { return insn(code(BPF_ALU | BPF_MOV | BPF_X), dst, src, 0, 0); }
bpf_insn mask(unsigned dst, int value) { return insn(code(BPF_ALU | BPF_AND | BPF_K), dst, 0, 0, value); }
bpf_insn shift_right(unsigned dst, int bits) { return insn(code(BPF_ALU | BPF_RSH | BPF_K), dst, 0, 0, bits); }
bpf_insn unless_equal(unsigned dst, int value) { return insn(code(BPF_JMP | BPF_JNE | BPF_K), dst, 0, 0, value); }
bpf_insn unless_same(unsigned dst, unsigned src) { return insn(code(BPF_JMP | BPF_JNE | BPF_X), dst, src, 0, 0); }
bpf_insn leave() { return insn(code(BPF_JMP | BPF_EXIT), 0, 0, 0, 0); }

// One rule: its tests, each of which leaves to the next rule, and the answer "allowed". Registers: r2 type, r3 access,
// r4 major, r5 minor, r6 to calculate in.
void add_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
  std::vector<bpf_insn> body;
  if (rule.type != 'a') body.push_back(unless_equal(BPF_REG_2, rule.type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK));
  const auto allowed = static_cast<int>(access_bits(rule.access));
  if (allowed != (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE | BPF_DEVCG_ACC_MKNOD)) {
    body.push_back(copy(BPF_REG_6, BPF_REG_3));
    body.push_back(mask(BPF_REG_6, allowed));
    body.push_back(unless_same(BPF_REG_6, BPF_REG_3));   // asks for more than the rule gives
  }
  if (rule.major) body.push_back(unless_equal(BPF_REG_4, static_cast<int>(*rule.major)));
  if (rule.minor) body.push_back(unless_equal(BPF_REG_5, static_cast<int>(*rule.minor)));
  body.push_back(set(BPF_REG_0, 1));
  body.push_back(leave());
  for (std::size_t i = 0; i < body.size(); ++i)
    if (BPF_OP(body[i].code) == BPF_JNE && BPF_CLASS(body[i].code) == BPF_JMP) body[i].off = static_cast<std::int16_t>(body.size() - i - 1);
  program.insert(program.end(), body.begin(), body.end());
}

long bpf(int command, bpf_attr& attr) noexcept { return ::syscall(SYS_bpf, command, &attr, sizeof attr); }

unique_fd load(const std::vector<bpf_insn>& program) {
  constexpr const char* license = "GPL";
  std::array<char, 16384> words{};
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = reinterpret_cast<std::uint64_t>(program.data());
  attr.insn_cnt = static_cast<std::uint32_t>(program.size());
  attr.license = reinterpret_cast<std::uint64_t>(license);
  unique_fd loaded{static_cast<int>(bpf(BPF_PROG_LOAD, attr))};
  if (loaded) return loaded;
  const int number = errno;
  if (number == EPERM || number == ENOSYS)
    throw Error{Code::unsupported, "this host lets nobody load eBPF programs, which decide on devices in cgroup v2"}.with_errno(number, "bpf(BPF_PROG_LOAD)");
  attr.log_buf = reinterpret_cast<std::uint64_t>(words.data());   // once more for the verifier's words
  attr.log_size = words.size();
  attr.log_level = 1;
  loaded.reset(static_cast<int>(bpf(BPF_PROG_LOAD, attr)));
  if (loaded) return loaded;
  throw errno_error(number, "bpf(BPF_PROG_LOAD)", std::string{"device rules: "} + words.data());
}

// Ids of what is attached to the group itself.
std::vector<std::uint32_t> attached(int directory) {
  std::vector<std::uint32_t> ids(64);
  bpf_attr attr{};
  attr.query.target_fd = static_cast<std::uint32_t>(directory);
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = reinterpret_cast<std::uint64_t>(ids.data());
  attr.query.prog_cnt = static_cast<std::uint32_t>(ids.size());
  if (bpf(BPF_PROG_QUERY, attr) != 0) {
    if (errno == EPERM || errno == ENOSYS || errno == EINVAL) return {};   // nobody can have attached any
    throw errno_error("bpf(BPF_PROG_QUERY)", "devices of a cgroup");
  }
  ids.resize(attr.query.prog_cnt);
  return ids;
}

void detach(int directory, std::uint32_t id) {
  bpf_attr attr{};
  attr.prog_id = id;
  const unique_fd program{static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attr))};
  if (!program) return;
  attr = {};
  attr.target_fd = static_cast<std::uint32_t>(directory);
  attr.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attr.attach_type = BPF_CGROUP_DEVICE;
  if (bpf(BPF_PROG_DETACH, attr) != 0 && errno != ENOENT) throw errno_error("bpf(BPF_PROG_DETACH)", "devices of a cgroup");
}

unique_fd open_file(int directory, const char* file) {
  unique_fd opened{::openat(directory, file, O_WRONLY | O_CLOEXEC)};
  if (!opened) throw errno_error("openat", file);
  return opened;
}

bool write_line(int file, const std::string& line) noexcept { return ::write(file, line.data(), line.size()) >= 0; }

}  // namespace

std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules) {
  // struct bpf_cgroup_dev_ctx: access_type is (access << 16 | type).
  std::vector<bpf_insn> program{load_word(BPF_REG_2, 0), copy(BPF_REG_3, BPF_REG_2), mask(BPF_REG_2, 0xffff), shift_right(BPF_REG_3, 16),
                                load_word(BPF_REG_4, 4), load_word(BPF_REG_5, 8)};
  for (const DeviceRule& rule : rules) add_rule(program, rule);
  program.push_back(set(BPF_REG_0, 0));
  program.push_back(leave());
  return program;
}

// One write(2) a line: the kernel takes no two. What is above the group in the hierarchy may itself not have all.
void set_devices_v1(int directory, const std::vector<DeviceRule>& rules) {
  const unique_fd allow = open_file(directory, "devices.allow");
  if (rules.empty()) {
    if (!write_line(allow.get(), "a") && errno != EPERM) throw errno_error("write", "devices.allow a");
    return;
  }
  const unique_fd deny = open_file(directory, "devices.deny");
  if (!write_line(deny.get(), "a")) throw errno_error("write", "devices.deny a");
  for (const DeviceRule& rule : rules) {
    const std::string line = std::string{rule.type} + " " + number_text(rule.major) + ":" + number_text(rule.minor) + " " + rule.access;
    if (write_line(allow.get(), line)) continue;
    if (errno != EPERM) throw errno_error("write", "devices.allow " + line);
    if (rule.asked)
      throw Error{Code::conflict, "device " + line + ": the host itself may not use it, so no container can"}.with_errno(EPERM, "write");
  }
}

void set_devices_v2(int directory, const std::vector<DeviceRule>& rules) {
  const unique_fd real{::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};   // bpf(2) takes no O_PATH
  if (!real) throw errno_error("openat", "cgroup");
  if (rules.empty()) {
    for (const std::uint32_t id : attached(real.get())) detach(real.get(), id);
    return;
  }
  const unique_fd program = load(device_program(rules));
  const auto before = attached(real.get());
  bpf_attr attr{};
  attr.target_fd = static_cast<std::uint32_t>(real.get());
  attr.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;   // of several, all must agree: the container's own systemd adds its own below
  if (bpf(BPF_PROG_ATTACH, attr) != 0) throw errno_error("bpf(BPF_PROG_ATTACH)", "devices of a cgroup");
  for (const std::uint32_t id : before) detach(real.get(), id);
}

}  // namespace sovirt
