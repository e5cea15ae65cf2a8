#include "daemon/async/systemd.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>

#include "daemon/base/error.hpp"

namespace sovirt::systemd {
namespace {

// A datagram socket in the abstract name space that stands for systemd's.
class NotifySocket {
 public:
  NotifySocket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "sovirt-test-notify-" + std::to_string(::getpid());
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", ("@" + name).c_str(), 1);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
  ~NotifySocket() { ::unsetenv("NOTIFY_SOCKET"); }
  std::string receive() {
    char text[256];
    const auto size = ::recv(fd_.get(), text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string{text, static_cast<std::size_t>(size)};
  }

 private:
  unique_fd fd_;
};

TEST(Systemd, WithoutItNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  notify_ready("ready");
  EXPECT_TRUE(inherited_sockets().empty());
  EXPECT_EQ(watchdog_interval(), std::nullopt);
}

TEST(Systemd, TellsItsState) {
  NotifySocket socket;
  notify_ready("3 containers");
  EXPECT_EQ(socket.receive(), "READY=1\nSTATUS=3 containers");
  notify_watchdog();
  EXPECT_EQ(socket.receive(), "WATCHDOG=1");
  notify_stopping();
  EXPECT_EQ(socket.receive(), "STOPPING=1");
}

TEST(Systemd, WatchdogIsHalfOfWhatSystemdAllows) {
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(watchdog_interval(), std::chrono::milliseconds{15000});
  ::unsetenv("WATCHDOG_USEC");
  ::unsetenv("WATCHDOG_PID");
}

// In a child, because descriptors 3 and 4 are whatever the runner made of them here.
TEST(Systemd, TakesTheSocketsItIsGiven) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const sockaddr_un unnamed{AF_UNIX, {}};  // the family alone: the kernel chooses an abstract name
    if (::bind(listening, reinterpret_cast<const sockaddr*>(&unnamed), sizeof(sa_family_t)) != 0 || ::listen(listening, 1) != 0) ::_exit(2);
    ::dup2(listening, 4);
    ::dup2(4, 3);
    ::setenv("LISTEN_FDS", "2", 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDNAMES", "rw:ro", 1);
    const auto sockets = inherited_sockets();
    const bool good = sockets.size() == 2 && sockets[0].name == "rw" && sockets[0].fd.get() == 3 &&
                      sockets[1].name == "ro" && std::getenv("LISTEN_FDS") == nullptr;
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Systemd, RefusesWhatIsNoListeningSocket) {
  const pid_t child = ::fork();
  if (child == 0) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) ::_exit(2);
    ::dup2(pair[0], 3);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    try {
      inherited_sockets();
    } catch (const Error& error) {
      ::_exit(error.code() == Code::conflict ? 0 : 1);
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sovirt::systemd
