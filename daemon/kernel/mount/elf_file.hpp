#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sovirt::rootfs {

// What the dynamic linker needs to know of an ELF file. Source: elf(5), System V gABI chapter 5.
struct ElfFile {
  std::uint16_t machine = 0;             // EM_*
  unsigned char elf_class = 0;           // ELFCLASS32 or ELFCLASS64
  unsigned char data = 0;                // ELFDATA2LSB or ELFDATA2MSB
  std::string interpreter;               // "" if static or a library without one
  std::vector<std::string> needed;
  std::string rpath, runpath;            // as in the file: colons, $ORIGIN
};

enum class ElfVerdict { fine, not_elf, damaged };

// Reads by offset, never maps: a file cut short by another process is an error and not a SIGBUS. Every count and
// size in the file is untrusted and bounded, so a hostile file costs at most some hundred small reads.
ElfVerdict read_elf(int fd, ElfFile& out);

// "amd64", "arm64", "i386", … as Debian names architectures; "unknown".
std::string_view architecture_text(const ElfFile&) noexcept;
// Can this host's kernel execute it natively? Decided by uname's machine.
bool runs_here(const ElfFile&) noexcept;

}  // namespace sovirt::rootfs
