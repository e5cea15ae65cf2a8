#include <csignal>

#include "daemon/base/error.hpp"
#include "tests/kernel/mount/temporary_tree.hpp"

namespace sovirt::test {
namespace {

class ProgramsTest : public TreeTest {
 protected:
  std::string missing(const std::string& command, const std::string& path = "/usr/bin:/bin") {
    const unique_fd root = open_lower();
    return rootfs_->missing_for(root.get(), command, path).value_or("");
  }
  // The first copied file whose name begins so: "libc.so".
  std::string copied(const std::string& begin) {
    for (const auto& entry : fs::recursive_directory_iterator(lower()))
      if (entry.path().filename().string().starts_with(begin)) return entry.path().string();
    return {};
  }
};

TEST_F(ProgramsTest, ACopiedBashIsWhole) {
  EXPECT_EQ(missing("/bin/bash"), "");
  EXPECT_EQ(missing("bash"), "");
  const unique_fd root = mount();
  EXPECT_EQ(rootfs_->missing_for(root.get(), "/bin/bash", ""), std::nullopt);
}

TEST_F(ProgramsTest, AnAbsentCommandIsNamed) {
  EXPECT_EQ(missing("/bin/ls"), "/bin/ls is not in the root file system");
  EXPECT_EQ(missing("ls"), "ls is not in the root file system (PATH is /usr/bin:/bin)");
  EXPECT_EQ(missing("bash", "/opt"), "bash is not in the root file system (PATH is /opt)");
  EXPECT_NE(missing(""), "");
}

TEST_F(ProgramsTest, AnAbsentLibraryIsNamedWithTheOneThatNeedsIt) {
  const std::string libc = copied("libc.so");
  ASSERT_FALSE(libc.empty());
  fs::remove(libc);
  EXPECT_EQ(missing("/bin/bash"), "/bin/bash needs " + fs::path(libc).filename().string() + ", which is not in the root file system");
}

TEST_F(ProgramsTest, AnAbsentInterpreterIsNamed) {
  const std::string loader = copied("ld-linux");
  ASSERT_FALSE(loader.empty());
  fs::remove(loader);
  EXPECT_EQ(missing("/bin/bash"), "/bin/bash needs " + loader.substr(lower().size()) + ", which is not in the root file system");
}

TEST_F(ProgramsTest, ScriptsAreFollowedToTheirInterpreter) {
  write_text(lower() + "/run.sh", "#! /bin/bash -e\necho\n", 0755);
  EXPECT_EQ(missing("/run.sh"), "");
  write_text(lower() + "/run.py", "#!/usr/bin/python3\n", 0755);
  EXPECT_EQ(missing("/run.py"), "/run.py needs /usr/bin/python3, which is not in the root file system");
  write_text(lower() + "/nested", "#!/run.py\n", 0755);
  EXPECT_EQ(missing("/nested"), "/run.py needs /usr/bin/python3, which is not in the root file system");
  write_text(lower() + "/loop", "#!/loop\n", 0755);
  EXPECT_EQ(missing("/loop"), "/loop is not executable: its #! lines nest too deep");
}

TEST_F(ProgramsTest, WhatCannotBeExecutedIsSaid) {
  write_text(lower() + "/plain", "#!/bin/bash\n", 0644);
  EXPECT_EQ(missing("/plain"), "/plain is not executable");
  EXPECT_EQ(missing("/bin"), "/bin is not executable");
  write_text(lower() + "/text", "hello\n", 0755);
  EXPECT_NE(missing("/text").find("/text is not executable"), std::string::npos);
  ASSERT_EQ(::mkfifo((lower() + "/fifo").c_str(), 0755), 0);
  EXPECT_EQ(missing("/fifo"), "/fifo is not executable");
  write_text(lower() + "/short", std::string("\x7f" "ELF\2\1\1", 7) + std::string(9, '\0'), 0755);
  EXPECT_EQ(missing("/short"), "/short is a damaged ELF file");
}

TEST_F(ProgramsTest, AnotherArchitectureIsNamed) {
  std::string bytes = read_text("/bin/bash");
  bytes[18] = static_cast<char>(22);  // e_machine: EM_S390
  bytes[19] = 0;
  write_text(lower() + "/foreign", bytes, 0755);
  EXPECT_EQ(missing("/foreign"), "/foreign is a program for s390x, which this host cannot run");
}

TEST_F(ProgramsTest, LinksAreFollowedInsideTheRootOnly) {
  fs::create_symlink("/bin/bash", lower() + "/absolute");
  fs::create_symlink("../../../../bin/bash", lower() + "/dots");
  fs::create_symlink("/bin/ls", lower() + "/only-on-the-host");
  fs::create_symlink("/again", lower() + "/again");
  EXPECT_EQ(missing("/absolute"), "");
  EXPECT_EQ(missing("/dots"), "");
  EXPECT_EQ(missing("/only-on-the-host"), "/only-on-the-host is not in the root file system");
  EXPECT_EQ(missing("/again"), "/again is not in the root file system");
}

TEST_F(ProgramsTest, LibrariesOfLdSoConfAreFound) {
  const std::string libc = copied("libc.so"), name = fs::path(libc).filename();
  fs::create_directories(lower() + "/opt/special");
  fs::rename(libc, lower() + "/opt/special/" + name);
  EXPECT_NE(missing("/bin/bash"), "");
  write_text(lower() + "/etc/ld.so.conf", "# comment\ninclude /etc/ld.so.conf.d/*.conf\n");
  write_text(lower() + "/etc/ld.so.conf.d/special.conf", "/opt/special # here\n");
  EXPECT_EQ(missing("/bin/bash"), "");
  write_text(lower() + "/etc/ld.so.conf.d/special.conf", "include /etc/ld.so.conf\n");
  EXPECT_NE(missing("/bin/bash"), "");  // and a conf that includes itself ends
}

// A program and libraries made here, for run paths: $ORIGIN and what goes on to the needs of needs.
TEST_F(ProgramsTest, RunPathsAreExpandedAndOnlyRpathIsInherited) {
  if (std::system("command -v cc >/dev/null 2>&1") != 0) GTEST_SKIP() << "no C compiler to make a program with run paths";
  for (const auto& [tags, whole] : {std::pair{"--disable-new-dtags", true}, {"--enable-new-dtags", false}}) {
    const std::string at = lower() + "/app";
    fs::create_directories(at + "/lib");
    fs::create_directories(at + "/bin");
    const std::string make =
        "cd " + at + " && echo 'int b(void){return 1;}' > b.c && echo 'int b(void);int a(void){return b();}' > a.c && "
        "echo 'int a(void);int main(void){return a();}' > m.c && cc -shared -fPIC -o lib/libsovb.so b.c && "
        "cc -shared -fPIC -o lib/libsova.so a.c -Llib -lsovb && "
        "cc -o bin/prog m.c -Llib -lsova -Wl,-rpath-link,lib -Wl," + tags + " '-Wl,-rpath,$ORIGIN/../lib' 2>&1";
    ASSERT_EQ(std::system(make.c_str()), 0);
    EXPECT_EQ(missing("/app/bin/prog"), whole ? "" : "/app/bin/prog needs libsovb.so (through libsova.so), which is not in the root file system");
    fs::remove(at + "/lib/libsova.so");
    EXPECT_EQ(missing("/app/bin/prog"), "/app/bin/prog needs libsova.so, which is not in the root file system");
  }
}

TEST_F(ProgramsTest, InitIsFoundAndItsSignalToldByWhatItIs) {
  const unique_fd root = open_lower();
  EXPECT_EQ(rootfs_->find_init(root.get()), std::nullopt);
  EXPECT_EQ(rootfs_->shutdown_signal(root.get(), "/bin/bash"), SIGTERM);

  fs::copy_file(lower() + "/bin/bash", lower() + "/bin/busybox");
  fs::create_directories(lower() + "/sbin");
  fs::create_symlink("/bin/busybox", lower() + "/sbin/init");
  EXPECT_EQ(rootfs_->find_init(root.get()), "/sbin/init");
  EXPECT_EQ(rootfs_->shutdown_signal(root.get(), "/sbin/init"), SIGUSR2);
  EXPECT_EQ(rootfs_->shutdown_signal(root.get(), "/bin/busybox"), SIGTERM);
  fs::remove(lower() + "/sbin/init");
  fs::create_hard_link(lower() + "/bin/busybox", lower() + "/sbin/init");
  EXPECT_EQ(rootfs_->shutdown_signal(root.get(), "init"), SIGUSR2);

  fs::remove(lower() + "/sbin/init");
  fs::copy_file(lower() + "/bin/bash", lower() + "/sbin/init");
  EXPECT_EQ(rootfs_->shutdown_signal(root.get(), "/sbin/init"), SIGPWR);
  write_text(lower() + "/sbin/init", "#!/bin/bash\n", 0755);
  EXPECT_EQ(rootfs_->shutdown_signal(root.get(), "/sbin/init"), SIGTERM);

  fs::remove(lower() + "/sbin/init");
  fs::create_directories(lower() + "/lib/systemd");
  fs::copy_file(lower() + "/bin/bash", lower() + "/lib/systemd/systemd");
  EXPECT_EQ(rootfs_->find_init(root.get()), "/lib/systemd/systemd");
  fs::create_symlink("/lib/systemd/systemd", lower() + "/sbin/init");
  EXPECT_EQ(rootfs_->find_init(root.get()), "/sbin/init");
  const unique_fd mounted = mount();
  EXPECT_EQ(rootfs_->shutdown_signal(mounted.get(), "/sbin/init"), SIGRTMIN + 3);
  EXPECT_EQ(rootfs_->shutdown_signal(mounted.get(), "/absent"), SIGTERM);
}

}  // namespace
}  // namespace sovirt::test
