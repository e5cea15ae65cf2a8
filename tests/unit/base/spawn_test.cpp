#include "daemon/base/spawn.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"

namespace sovirt {
namespace {

// What a shell's script writes, run with the descriptors given; the second of them is filled in here.
std::string output_of(const std::string& script, std::vector<int> files, bool own_session = false) {
  Pipe output = make_pipe();
  files.at(1) = output.write.get();
  const pid_t pid = spawn({"/bin/sh", {"sh", "-c", script}, plain_environment(), files, "/tmp", own_session});
  output.write.reset();
  std::string text;
  char block[256];
  for (ssize_t size; (size = ::read(output.read.get(), block, sizeof block)) > 0;) text.append(block, static_cast<std::size_t>(size));
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  return text;
}

unique_fd holding(const std::string& text) {
  Pipe pipe = make_pipe();
  EXPECT_EQ(::write(pipe.write.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return std::move(pipe.read);
}

TEST(Spawn, NoDescriptorIsOverwrittenBeforeItHasItsPlace) {
  const unique_fd one = holding("one"), two = holding("two");
  const auto low = static_cast<std::size_t>(std::min(one.get(), two.get())), high = static_cast<std::size_t>(std::max(one.get(), two.get()));
  ASSERT_GT(low, 2U);
  std::vector<int> files(high + 1, -1);
  files[low] = static_cast<int>(high);    // each to where the other is
  files[high] = static_cast<int>(low);
  const std::string numbers = " <&" + std::to_string(low) + "; cat <&" + std::to_string(high);
  EXPECT_EQ(output_of("cat" + numbers, files), one.get() < two.get() ? "twoone" : "onetwo");
  files[low] = static_cast<int>(low);     // each to where it is: it is open in there all the same
  files[high] = static_cast<int>(high);
  const unique_fd rest = holding("never read");
  EXPECT_EQ(output_of("cat /dev/null && test -p /dev/fd/" + std::to_string(low) + " && echo open", files), "open\n");
}

TEST(Spawn, HasItsDescriptorsAndNoOther) {
  const unique_fd inherited{::dup(2)};   // not close-on-exec
  EXPECT_EQ(output_of("exec ls /proc/self/fd", {-1, -1, -1}), "0\n1\n2\n3\n") << "the fourth is the folder that ls itself reads";
}

TEST(Spawn, BeginsInItsDirectoryWithItsEnvironmentAndItsSession) {
  EXPECT_EQ(output_of("pwd; env | grep -c SOVIRT; echo $LC_ALL; true", {-1, -1, -1}), "/tmp\n0\nC\n");
  const std::string session = "read -r pid name state parent group session rest < /proc/self/stat; test $session = $$ && echo own || echo ours";
  EXPECT_EQ(output_of("exec sh -c '" + session + "'", {-1, -1, -1}, true), "own\n");
  EXPECT_EQ(output_of("exec sh -c '" + session + "'", {-1, -1, -1}), "ours\n");
}

TEST(Spawn, SignalsAreNeitherBlockedNorIgnored) {
  struct sigaction ignore{}, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  sigset_t blocked, mask;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
  const std::string text = output_of("exec grep -E '^Sig(Blk|Ign):' /proc/self/status", {-1, -1, -1});
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::sigaction(SIGPIPE, &before, nullptr);
  // 32 and 33, the C library's own, are ignored by what posix_spawn of it starts.
  EXPECT_EQ(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000180000000\n");
}

TEST(Spawn, SaysWhatCannotBeExecuted) {
  for (const char* program : {"/bin/nosuch", "nosuch-program"}) {
    try {
      spawn({program, {"nosuch"}, {}, {-1, -1, -1}});
      ADD_FAILURE() << "it was executed";
    } catch (const Error& error) {
      EXPECT_EQ(error.syscall(), "posix_spawn");
      EXPECT_EQ(error.error_number(), ENOENT);
    }
  }
}

TEST(OwnThread, ThrowsWhatIsThrownInThere) {
  EXPECT_THROW(in_own_thread([] { throw Error{Code::conflict, "in there"}; }), Error);
}

}  // namespace
}  // namespace sovirt
