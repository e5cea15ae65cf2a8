#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/mount/elf_file.hpp"
#include "daemon/kernel/mount/library_search.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

// A small but complete dynamic executable: interpreter, two needs, a run path.
struct Sample {
  std::string bytes;
  static constexpr std::size_t phoff = 64, phnum = 3, dynamic_at = 64 + 3 * 56, dynamic_count = 6;
  static constexpr std::size_t strings_at = dynamic_at + dynamic_count * 16;

  Sample() {
    const std::string strings{"\0libone.so.1\0libtwo.so\0$ORIGIN/../lib\0/lib64/ld-x.so\0", 53};
    bytes.assign(strings_at + strings.size(), '\0');
    std::memcpy(bytes.data() + strings_at, strings.data(), strings.size());
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_phoff = phoff;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = phnum;
    put(0, header);
    segment(0, PT_LOAD, 0, bytes.size(), 0x400000);
    segment(1, PT_DYNAMIC, dynamic_at, dynamic_count * 16, 0x400000 + dynamic_at);
    segment(2, PT_INTERP, strings_at + 38, 15, 0);
    dynamic(0, DT_NEEDED, 1);
    dynamic(1, DT_NEEDED, 13);
    dynamic(2, DT_RUNPATH, 23);
    dynamic(3, DT_STRTAB, 0x400000 + strings_at);
    dynamic(4, DT_STRSZ, strings.size());
    dynamic(5, DT_NULL, 0);
  }
  template <class T>
  void put(std::size_t offset, const T& value) { std::memcpy(bytes.data() + offset, &value, sizeof value); }
  void segment(std::size_t index, std::uint32_t type, std::uint64_t offset, std::uint64_t size, std::uint64_t address) {
    Elf64_Phdr one{};
    one.p_type = type;
    one.p_offset = offset;
    one.p_filesz = one.p_memsz = size;
    one.p_vaddr = address;
    put(phoff + index * sizeof one, one);
  }
  void dynamic(std::size_t index, std::int64_t tag, std::uint64_t value) {
    Elf64_Dyn one{};
    one.d_tag = tag;
    one.d_un.d_val = value;
    put(dynamic_at + index * sizeof one, one);
  }
};

class Memory {
 public:
  explicit Memory(const std::string& bytes) : fd_(::memfd_create("elf", MFD_CLOEXEC)) { fill(bytes); }
  void fill(const std::string& bytes) {
    ASSERT_EQ(::ftruncate(fd_.get(), 0), 0);
    ASSERT_EQ(::pwrite(fd_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  ElfVerdict read(ElfFile& out) const { return read_elf(fd_.get(), out); }

 private:
  unique_fd fd_;
};

TEST(Elf, ReadsAnExecutable) {
  ElfFile elf;
  ASSERT_EQ(Memory{Sample{}.bytes}.read(elf), ElfVerdict::fine);
  EXPECT_EQ(elf.interpreter, "/lib64/ld-x.so");
  EXPECT_EQ(elf.needed, (std::vector<std::string>{"libone.so.1", "libtwo.so"}));
  EXPECT_EQ(elf.runpath, "$ORIGIN/../lib");
  EXPECT_EQ(architecture_text(elf), "amd64");
}

TEST(Elf, ReadsThisProgram) {
  const unique_fd self{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  ElfFile elf;
  ASSERT_EQ(read_elf(self.get(), elf), ElfVerdict::fine);
  EXPECT_TRUE(runs_here(elf));
  EXPECT_FALSE(elf.interpreter.empty());
  EXPECT_NE(std::find(elf.needed.begin(), elf.needed.end(), "libc.so.6"), elf.needed.end());
}

TEST(Elf, WhatIsNoElfIsNotDamaged) {
  ElfFile elf;
  EXPECT_EQ(Memory{""}.read(elf), ElfVerdict::not_elf);
  EXPECT_EQ(Memory{"#!/bin/sh\n"}.read(elf), ElfVerdict::not_elf);
  EXPECT_EQ(Memory{std::string(4096, 'x')}.read(elf), ElfVerdict::not_elf);
}

TEST(Elf, CountsAndOffsetsBeyondTheFileAreDamage) {
  ElfFile elf;
  const auto damaged = [&](auto change) {
    Sample sample;
    change(sample);
    return Memory{sample.bytes}.read(elf) == ElfVerdict::damaged;
  };
  EXPECT_TRUE(damaged([](Sample& s) { s.put<std::uint16_t>(56, 0xffff); }));                      // e_phnum
  EXPECT_TRUE(damaged([](Sample& s) { s.put<std::uint64_t>(32, UINT64_MAX - 8); }));               // e_phoff
  EXPECT_TRUE(damaged([](Sample& s) { s.put<std::uint16_t>(54, 1); }));                           // e_phentsize
  EXPECT_TRUE(damaged([](Sample& s) { s.segment(1, PT_DYNAMIC, 1 << 30, 96, 0); }));
  EXPECT_TRUE(damaged([](Sample& s) { s.segment(1, PT_DYNAMIC, 0, UINT64_MAX, 0); }));
  EXPECT_TRUE(damaged([](Sample& s) { s.segment(2, PT_INTERP, 0, 1 << 20, 0); }));
  EXPECT_TRUE(damaged([](Sample& s) { s.segment(0, PT_LOAD, UINT64_MAX - 10, UINT64_MAX, 0x400000); }));
  EXPECT_TRUE(damaged([](Sample& s) { s.dynamic(0, DT_NEEDED, UINT64_MAX); }));
  EXPECT_TRUE(damaged([](Sample& s) { s.dynamic(3, DT_STRTAB, 0); }));
  EXPECT_TRUE(damaged([](Sample& s) { s.dynamic(4, DT_STRSZ, 5); }));                             // unterminated in it
}

TEST(Elf, EveryTruncationEnds) {
  const std::string whole = Sample{}.bytes;
  Memory memory{whole};
  for (std::size_t size = 0; size < whole.size(); ++size) {
    memory.fill(whole.substr(0, size));
    ElfFile elf;
    const ElfVerdict verdict = memory.read(elf);
    if (size < 16) EXPECT_EQ(verdict, ElfVerdict::not_elf);
    else EXPECT_EQ(verdict, ElfVerdict::damaged) << size;
  }
}

TEST(Elf, MutationsNeverCrashHangOrGrow) {
  std::mt19937_64 random{20240607};
  const std::string whole = Sample{}.bytes;
  const std::uint64_t extremes[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX, 0x400000};
  Memory memory{whole};
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 40000; ++round) {
    std::string bytes = whole;
    for (std::uint64_t changes = random() % 4 + 1; changes > 0; --changes) {
      const std::size_t at = 4 + random() % (bytes.size() - 12);
      if (random() % 2) bytes[at] = static_cast<char>(random());
      else std::memcpy(bytes.data() + at, &extremes[random() % std::size(extremes)], 8);
    }
    memory.fill(bytes);
    ElfFile elf;
    memory.read(elf);
    EXPECT_LE(elf.needed.size(), 512u);
    for (const std::string& name : elf.needed) EXPECT_LE(name.size(), 4096u);
    EXPECT_LE(elf.interpreter.size(), 4096u);
    EXPECT_LE(expand_run_path(elf.runpath, "/a", elf).size(), 256u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{60});
}

TEST(Elf, RunPathsExpandOriginAndLib) {
  ElfFile elf;
  elf.elf_class = ELFCLASS64;
  elf.machine = EM_X86_64;
  EXPECT_EQ(expand_run_path("$ORIGIN/../lib:relative::/opt/${LIB}/x:${ORIGIN}", "/app/bin", elf),
            (std::vector<std::string>{"/app/bin/../lib", "/opt/lib64/x", "/app/bin"}));
  // A replacement that holds the pattern again must not grow for ever.
  EXPECT_EQ(expand_run_path("$ORIGIN", "/$ORIGIN", elf), (std::vector<std::string>{"/$ORIGIN"}));
}

TEST(RootPath, TidyKeepsDotsAndDropsNoise) {
  EXPECT_EQ(tidy("//a/./b//"), "/a/b");
  EXPECT_EQ(tidy(""), "/");
  EXPECT_EQ(tidy("x/../y"), "/x/../y");
  EXPECT_EQ(parent_of("/x"), "/");
  EXPECT_EQ(parent_of("/x/y"), "/x");
  EXPECT_EQ(base_name("/x/y"), "y");
}

}  // namespace
}  // namespace sovirt::rootfs
