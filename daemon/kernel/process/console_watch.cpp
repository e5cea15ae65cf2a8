#include "daemon/kernel/process/console_watch.hpp"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/kernel/process/monitor_client.hpp"

namespace sovirt::process {
namespace {

class Watch final : public ConsoleWatch {
 public:
  explicit Watch(unique_fd connection) : connection_(std::move(connection)) {
    auto answer = ask();
    if (answer.type == launch::Type::failed) throw Error{Code::conflict, "the container has no console"}.with_hint("it runs no command of its own");
    if (answer.type != launch::Type::watching || answer.fds.empty()) throw Error{Code::internal, "the monitor speaks nonsense"};
    check_terminal(answer.fds[0].get());
    terminal_ = std::move(answer.fds[0]);
    begin_ = answer.as<launch::Watching>().offset;
    set_nonblocking(connection_);
  }

  int fd() const noexcept override { return connection_.get(); }
  std::optional<News> read() override;
  std::uint64_t begin() const noexcept override { return begin_; }
  int terminal() const noexcept override { return terminal_.get(); }
  void resize(WindowSize size) noexcept override {
    const winsize window{size.rows, size.columns, 0, 0};
    ::ioctl(terminal_.get(), TIOCSWINSZ, &window);
  }

 private:
  launch::Received ask() const {
    if (!launch::send_message(connection_.get(), launch::Type::console_watch)) throw Error{Code::conflict, "the container has ended"};
    auto answer = launch::receive_message(connection_.get(), monitor_timeout_ms);
    if (answer) return std::move(*answer);
    throw Error{Code::conflict, "the container has ended, or its monitor is older than this daemon and shows no console"}.with_hint(
        "restart the container to give it a new monitor; its log can be read");
  }

  unique_fd connection_, terminal_;
  std::uint64_t begin_ = 0;
  std::array<char, launch::most_packet_bytes> packet_;
};

// Not by receive_message: at 50 MB a second its allocations would be most of the work.
std::optional<ConsoleWatch::News> Watch::read() {
  ssize_t size = 0;
  do size = ::recv(connection_.get(), packet_.data(), packet_.size(), 0);
  while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return std::nullopt;
  const std::string_view bytes{packet_.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  News news;
  if (const auto output = launch::body_of(bytes, launch::Type::output); output.size() >= sizeof(launch::Output)) {
    launch::Output head{};
    std::memcpy(&head, output.data(), sizeof head);
    news.kind = News::Kind::output;
    news.offset = head.offset;
    news.logged = head.logged;
    news.bytes = output.substr(sizeof head);
  } else if (const auto ended = launch::body_of(bytes, launch::Type::exited); ended.size() >= sizeof(launch::Ended)) {
    launch::Ended end{};
    std::memcpy(&end, ended.data(), sizeof end);
    news.kind = News::Kind::ended;
    news.exit = from_wire(end);
  }
  return news;
}

}  // namespace

void check_terminal(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == makedev(5, 2)) return;
  throw Error{Code::conflict, "/dev/ptmx of the container is not a terminal's"};
}

std::unique_ptr<ConsoleWatch> watch_console(unique_fd connection) { return std::make_unique<Watch>(std::move(connection)); }

}  // namespace sovirt::process
