#include "daemon/kernel/mount/elf_file.hpp"

#include <elf.h>
#include <endian.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

namespace sovirt::rootfs {
namespace {

constexpr std::size_t most_headers = 256, most_dynamic = 8192, most_needed = 512, longest_string = 4096;

// One program header or dynamic entry, widened to 64 bits.
struct Segment { std::uint32_t type; std::uint64_t offset, address, size; };
struct Dynamic { std::uint64_t tag, value; };

bool read_exactly(int fd, std::uint64_t offset, void* to, std::size_t size) noexcept {
  if (offset > INT64_MAX - size) return false;
  auto* bytes = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t count = ::pread(fd, bytes, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes += count;
    offset += static_cast<std::uint64_t>(count);
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

class Parser {
 public:
  Parser(int fd, ElfFile& out) : fd_(fd), out_(&out) {}

  ElfVerdict run() {
    // The file header and nearly always the program headers in one read.
    const ssize_t got = ::pread(fd_, head_.data(), head_.size(), 0);
    head_size_ = got > 0 ? static_cast<std::size_t>(got) : 0;
    const char* id = head_.data();
    if (head_size_ < EI_NIDENT || std::memcmp(id, ELFMAG, SELFMAG) != 0) return ElfVerdict::not_elf;
    out_->elf_class = static_cast<unsigned char>(id[EI_CLASS]);
    out_->data = static_cast<unsigned char>(id[EI_DATA]);
    if (out_->data != ELFDATA2LSB && out_->data != ELFDATA2MSB) return ElfVerdict::damaged;
    swap_ = (out_->data == ELFDATA2LSB) != (std::endian::native == std::endian::little);
    bool fine = false;
    if (out_->elf_class == ELFCLASS64) fine = headers<Elf64_Ehdr, Elf64_Phdr>() && dynamic<Elf64_Dyn>();
    if (out_->elf_class == ELFCLASS32) fine = headers<Elf32_Ehdr, Elf32_Phdr>() && dynamic<Elf32_Dyn>();
    return fine ? ElfVerdict::fine : ElfVerdict::damaged;
  }

 private:
  bool read(std::uint64_t offset, void* to, std::size_t size) const noexcept {
    if (offset > head_size_ || size > head_size_ - offset) return read_exactly(fd_, offset, to, size);
    std::memcpy(to, head_.data() + offset, size);
    return true;
  }

  template <class T>
  std::uint64_t value(T raw) const noexcept {
    if (!swap_) return static_cast<std::uint64_t>(raw);
    if constexpr (sizeof raw == 2) return __builtin_bswap16(static_cast<std::uint16_t>(raw));
    if constexpr (sizeof raw == 4) return __builtin_bswap32(static_cast<std::uint32_t>(raw));
    return __builtin_bswap64(static_cast<std::uint64_t>(raw));
  }

  template <class Header, class Program>
  bool headers() {
    Header header{};
    if (!read(0, &header, sizeof header)) return false;
    out_->machine = static_cast<std::uint16_t>(value(header.e_machine));
    const std::uint64_t type = value(header.e_type), count = value(header.e_phnum);
    if ((type != ET_EXEC && type != ET_DYN) || count == 0 || count > most_headers) return false;
    if (value(header.e_phentsize) != sizeof(Program)) return false;
    std::vector<Program> raw(count);
    if (!read(value(header.e_phoff), raw.data(), count * sizeof(Program))) return false;
    for (const Program& one : raw)
      segments_.push_back({static_cast<std::uint32_t>(value(one.p_type)), value(one.p_offset), value(one.p_vaddr),
                           value(one.p_filesz)});
    return interpreter();
  }

  bool interpreter() {
    const Segment* found = segment(PT_INTERP);
    if (!found) return true;
    if (found->size < 2 || found->size > longest_string) return false;  // the kernel's own rule: ENOEXEC
    std::string text(found->size, '\0');
    if (!read(found->offset, text.data(), text.size()) || text.back() != '\0') return false;
    out_->interpreter = text.c_str();
    return !out_->interpreter.empty();
  }

  const Segment* segment(std::uint32_t type) const noexcept {
    const auto found = std::find_if(segments_.begin(), segments_.end(), [&](auto& one) { return one.type == type; });
    return found == segments_.end() ? nullptr : &*found;
  }

  template <class Entry>
  bool dynamic() {
    const Segment* found = segment(PT_DYNAMIC);
    if (!found) return true;
    const std::uint64_t count = found->size / sizeof(Entry);
    if (count > most_dynamic) return false;
    std::vector<Entry> raw(count);
    if (!read(found->offset, raw.data(), count * sizeof(Entry))) return false;
    std::vector<Dynamic> entries;
    for (const Entry& one : raw) {
      const std::uint64_t tag = value(one.d_tag);
      if (tag == DT_NULL) break;
      entries.push_back({tag, value(one.d_un.d_val)});
    }
    return strings(entries);
  }

  bool strings(const std::vector<Dynamic>& entries) {
    std::uint64_t address = 0, size = 0;
    bool wanted = false;
    for (const auto& [tag, number] : entries) {
      if (tag == DT_STRTAB) address = number;
      if (tag == DT_STRSZ) size = number;
      wanted = wanted || tag == DT_NEEDED || tag == DT_RPATH || tag == DT_RUNPATH;
    }
    if (!wanted) return true;
    std::uint64_t table = 0;
    if (!file_offset(address, table)) return false;
    for (const auto& [tag, number] : entries) {
      if (tag != DT_NEEDED && tag != DT_RPATH && tag != DT_RUNPATH) continue;
      std::string text;
      if (number >= size || !string_at(table, number, size, text)) return false;
      if (tag == DT_RPATH) out_->rpath = text;
      if (tag == DT_RUNPATH) out_->runpath = text;
      if (tag != DT_NEEDED) continue;
      if (text.empty() || out_->needed.size() == most_needed) return false;
      out_->needed.push_back(std::move(text));
    }
    return true;
  }

  bool file_offset(std::uint64_t address, std::uint64_t& offset) const noexcept {
    for (const Segment& one : segments_) {
      if (one.type != PT_LOAD || address < one.address || address - one.address >= one.size) continue;
      if (one.offset > UINT64_MAX - (address - one.address)) return false;
      offset = one.offset + (address - one.address);
      return true;
    }
    return false;
  }

  bool string_at(std::uint64_t table, std::uint64_t index, std::uint64_t size, std::string& text) const {
    std::uint64_t left = std::min<std::uint64_t>(size - index, longest_string);
    if (table > static_cast<std::uint64_t>(INT64_MAX) - index) return false;
    std::uint64_t offset = table + index;
    std::array<char, 256> block{};
    while (left > 0) {
      const std::size_t step = std::min<std::uint64_t>(left, block.size());
      if (!read(offset, block.data(), step)) return false;
      const void* end = std::memchr(block.data(), '\0', step);
      if (end) {
        text.append(block.data(), static_cast<std::size_t>(static_cast<const char*>(end) - block.data()));
        return true;
      }
      text.append(block.data(), step);
      offset += step;
      left -= step;
    }
    return false;  // not terminated within the table
  }

  int fd_;
  ElfFile* out_;
  bool swap_ = false;
  std::array<char, 1024> head_{};
  std::size_t head_size_ = 0;
  std::vector<Segment> segments_;
};

}  // namespace

ElfVerdict read_elf(int fd, ElfFile& out) {
  out = {};
  return Parser{fd, out}.run();
}

std::string_view architecture_text(const ElfFile& file) noexcept {
  const bool little = file.data == ELFDATA2LSB, wide = file.elf_class == ELFCLASS64;
  switch (file.machine) {
    case EM_X86_64: return wide ? "amd64" : "x32";
    case EM_386: return "i386";
    case EM_AARCH64: return "arm64";
    case EM_ARM: return "armhf";
    case EM_RISCV: return wide ? "riscv64" : "riscv32";
    case EM_PPC64: return little ? "ppc64el" : "ppc64";
    case EM_S390: return wide ? "s390x" : "s390";
    case EM_MIPS: return wide ? "mips64el" : "mipsel";
    case EM_LOONGARCH: return "loong64";
    default: return "unknown";
  }
}

bool runs_here(const ElfFile& file) noexcept {
  struct utsname host{};
  if (::uname(&host) != 0) return true;
  const std::string_view own = host.machine, theirs = architecture_text(file);
  if (own == "x86_64") return theirs == "amd64" || theirs == "i386" || theirs == "x32";
  if (own == "aarch64") return theirs == "arm64" || theirs == "armhf";
  if (own == "riscv64") return theirs == "riscv64";
  if (own == "ppc64le") return theirs == "ppc64el";
  if (own == "s390x") return theirs == "s390x";
  if (own.starts_with("i") && own.ends_with("86")) return theirs == "i386";
  return true;  // a machine this table does not know: execve will say
}

}  // namespace sovirt::rootfs
