#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernel/image/builder_fixture.hpp"

namespace sovirt::test {
namespace {

using BinariesTest = BuilderTest;

// What a program in a chroot prints, and its exit status in `status`.
std::string run_in(const std::string& root, std::vector<const char*> arguments, int& status) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 1);
    ::dup2(ends[1], 2);
    ::close(ends[0]);
    if (::chroot(root.c_str()) != 0 || ::chdir("/") != 0) ::_exit(120);
    arguments.push_back(nullptr);
    ::execv(arguments[0], const_cast<char* const*>(arguments.data()));
    ::_exit(121);
  }
  ::close(ends[1]);
  std::string output;
  char block[512];
  for (ssize_t got = 0; (got = ::read(ends[0], block, sizeof block)) > 0;) output.append(block, static_cast<std::size_t>(got));
  ::close(ends[0]);
  ::waitpid(child, &status, 0);
  return output;
}

TEST_F(BinariesTest, LabC2BashWithWhatLddLists) {
  const BuiltImage image = build({BinariesSource{{"/bin/bash"}, {}}});
  int status = 0;
  EXPECT_EQ(run_in(image.directory, {"/bin/bash", "-c", "cd /; echo hi; pwd"}, status), "hi\n/\n");
  EXPECT_EQ(status, 0);
  run_in(image.directory, {"/bin/bash", "-c", "ls"}, status);
  EXPECT_EQ(WEXITSTATUS(status), 127);
  // Every path ldd prints is there, the vdso is not.
  const std::string list = "ldd /bin/bash | grep -o '/[^ ]*' > " + top() + "/list; echo /bin/bash >> " + top() + "/list";
  ASSERT_EQ(std::system(list.c_str()), 0);
  std::istringstream lines{read_text(top() + "/list")};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_EQ(read_text(line), read_text(image.directory + fs::canonical(line).string())) << line;
    int found = 0;
    run_in(image.directory, {"/bin/bash", "-c", ("[ -f " + line + " ]").c_str()}, found);
    EXPECT_EQ(found, 0) << line;
  }
  EXPECT_GE(count, 3);
  for (const auto& entry : fs::recursive_directory_iterator(image.directory))
    EXPECT_EQ(entry.path().filename().string().find("vdso"), std::string::npos);
  EXPECT_NE(image.architecture, "unknown");
  EXPECT_EQ(image.os, "unknown");
}

TEST_F(BinariesTest, LinksAreKeptAsLinks) {
  if (!fs::is_symlink("/bin")) GTEST_SKIP() << "this host's /bin is no link to usr/bin";
  const BuiltImage image = build({BinariesSource{{"/bin/bash"}, {}}});
  EXPECT_EQ(fs::read_symlink(image.directory + "/bin"), fs::read_symlink("/bin"));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(image.directory + "/usr/bin/bash")));
}

TEST_F(BinariesTest, FilesDirectoriesAndLinksComeAlongAsTheyAre) {
  const std::string there = top() + "/input";
  write_text(there + "/tree/a/file", "1", 0640);
  write_text(there + "/tool", "#!/bin/bash\necho script\n", 0755);
  fs::create_symlink("a/file", there + "/tree/link");
  fs::create_symlink("tree/../tool", there + "/tool-link");
  ASSERT_EQ(::chown((there + "/tree/a/file").c_str(), 7, 8), 0);
  const BuiltImage image = build({BinariesSource{{there + "/tool-link"}, {there + "/tree"}}});
  const std::string in = image.directory + there;
  EXPECT_EQ(fs::read_symlink(in + "/tool-link"), "tree/../tool");
  EXPECT_EQ(fs::read_symlink(in + "/tree/link"), "a/file");
  struct stat facts{};
  ASSERT_EQ(::stat((in + "/tree/a/file").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);
  EXPECT_EQ(facts.st_uid, 7u);
  int status = 0;
  EXPECT_EQ(run_in(image.directory, {(there + "/tool-link").c_str()}, status), "script\n");
}

TEST_F(BinariesTest, WhatIsMissingIsNamedBeforeAnythingIsDone) {
  const auto detail = [&](BinariesSource source) -> std::string {
    try {
      builder_->check({std::move(source)}, "");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid);
      return error.detail();
    }
    return "";
  };
  EXPECT_EQ(detail({{"/bin/no-such-program"}, {}}), "/source/binaries/0: /bin/no-such-program is not on this host");
  EXPECT_EQ(detail({{"/bin/bash", "/etc/passwd"}, {}}), "/source/binaries/1: /etc/passwd is not executable");
  EXPECT_EQ(detail({{}, {"/no/such/file"}}), "/source/files/0: /no/such/file is not on this host");
  EXPECT_NE(detail({{}, {}}), "");
  EXPECT_EQ(detail({{"/bin/bash"}, {"/etc/passwd"}}), "");
}

TEST_F(BinariesTest, TheSameBinariesAreTheSameImage) {
  const BuiltImage first = build({BinariesSource{{"/bin/bash"}, {}}}), second = build({BinariesSource{{"/bin/bash"}, {}}});
  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(first.size, second.size);
  EXPECT_NE(build({BinariesSource{{"/bin/bash"}, {"/etc/passwd"}}}).digest, first.digest);
  EXPECT_EQ(stored().size(), 2u);
}

}  // namespace
}  // namespace sovirt::test
