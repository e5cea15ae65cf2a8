#include "daemon/server/listener.hpp"

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "daemon/server/peer_cred.hpp"
#include "http_client.hpp"

namespace sovirt::test {
namespace {

Listen at(const std::string& path, mode_t mode = 0660, std::string group = {}) {
  Listen listen;
  listen.path = path;
  listen.mode = mode;
  listen.group = std::move(group);
  return listen;
}

struct stat status_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

Code code_of(Listen listen) {
  try {
    const Listener listener{std::move(listen)};
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "it listens";
  return Code::internal;
}

TEST(Listeners, FileHasItsModeAndGoesWithIt) {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/s";
  {
    const Listener listener{at(path, 0666)};
    EXPECT_EQ(status_of(path).st_mode & 07777, 0666u);
    EXPECT_TRUE(S_ISSOCK(status_of(path).st_mode));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Listeners, GroupOwnsTheFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/s";
  const auto group = find_group("daemon");
  ASSERT_TRUE(group);
  const Listener listener{at(path, 0660, "daemon")};
  EXPECT_EQ(status_of(path).st_gid, *group);
  EXPECT_EQ(status_of(path).st_mode & 07777, 0660u);
}

TEST(Listeners, WithoutItsGroupTheFileIsForNoOther) {
  const TemporaryDirectory directory;
  const Listener listener{at(directory.path() + "/s", 0660, "no-such-group-here")};
  // Group root is root's; any other group of the daemon's was never meant to have it.
  EXPECT_EQ(status_of(listener.path()).st_mode & 07777, ::getegid() == 0 ? 0660u : 0600u);
}

TEST(Listeners, SocketOfTheDeadIsReplaced) {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/s";
  Listener first{at(path)};
  const auto kept = ::dup(first.fd());
  std::filesystem::rename(path, path + ".kept");       // so that its end does not remove it
  { const Listener gone{std::move(first)}; }
  std::filesystem::rename(path + ".kept", path);
  ::close(kept);
  EXPECT_TRUE(std::filesystem::exists(path));
  const Listener second{at(path)};
  EXPECT_NO_THROW(Client{path});
}

TEST(Listeners, SocketOfTheLivingIsNotTaken) {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/s";
  const Listener first{at(path)};
  EXPECT_EQ(code_of(at(path)), Code::conflict);
  EXPECT_NO_THROW(Client{path});
}

TEST(Listeners, OtherFilesAreLeftAlone) {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/file";
  std::ofstream{path} << "precious";
  EXPECT_EQ(code_of(at(path)), Code::conflict);
  EXPECT_EQ(std::filesystem::file_size(path), 8u);
}

TEST(Listeners, FileOfASuccessorIsLeftAlone) {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/s";
  std::optional<Listener> first{at(path)};
  std::filesystem::remove(path);
  const Listener second{at(path)};
  first.reset();
  EXPECT_NO_THROW(Client{path});
}

TEST(Listeners, PathTooLongIsSaid) {
  EXPECT_EQ(code_of(at("/tmp/" + std::string(110, 'a'))), Code::invalid);
}

TEST(Listeners, InheritedSocketServes) {
  const TemporaryDirectory directory;
  const auto path = directory.path() + "/s";
  const Listener systemd{at(path)};
  FakeService service;
  FakeLog log;
  WorkerPool pool;
  ServerOptions options;
  Listen inherited;
  inherited.path = path;
  inherited.fd = unique_fd{::fcntl(systemd.fd(), F_DUPFD_CLOEXEC, 0)};
  options.listen.push_back(std::move(inherited));
  {
    Server server{std::move(options), service, pool, log};
    std::thread thread{[&] { server.run(); }};
    EXPECT_EQ(Client{path}.call("GET", "/healthz").status, 200);
    server.stop();
    thread.join();
  }
  EXPECT_TRUE(std::filesystem::exists(path));   // systemd's, not ours
}

}  // namespace
}  // namespace sovirt::test
