#include "tests/fakes/launcher/fake_terminals.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

class Echo final : public ExecSession {
 public:
  Echo(FakeTerminals& owner, bool terminal) : owner_(owner), terminal_(terminal) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) throw errno_error("socketpair");
    input_.reset(ends[0]);
    output_.reset(ends[1]);
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) throw errno_error("pipe2");
    errors_.reset(ends[0]);   // says nothing: the other end is closed
    ::close(ends[1]);
  }

  int input() const noexcept override { return input_.get(); }
  int output() const noexcept override { return output_.get(); }
  int errors() const noexcept override { return terminal_ ? -1 : errors_.get(); }
  void close_input() noexcept override { input_.reset(); }
  int end_fd() const noexcept override { return output_.get(); }
  std::optional<ExitStatus> end() override {
    pollfd one{output_.get(), POLLIN, 0};
    if (::poll(&one, 1, 0) < 0 || (one.revents & POLLHUP) == 0) return std::nullopt;
    if (signal_ != 0) return ExitStatus{std::nullopt, signal_, {}};
    return ExitStatus{0, std::nullopt, {}};
  }
  bool has_terminal() const noexcept override { return terminal_; }
  void resize(WindowSize size) noexcept override { owner_.resized(size); }
  void signal(int number) noexcept override {
    signal_ = number;
    ::shutdown(output_.get(), SHUT_RDWR);
  }

 private:
  FakeTerminals& owner_;
  bool terminal_;
  int signal_ = 0;
  unique_fd input_, output_, errors_;
};

}  // namespace

std::unique_ptr<ExecSession> FakeTerminals::open_exec(std::string_view, const SessionRequest& request) {
  const std::lock_guard lock(mutex_);
  if (failure_) throw *std::exchange(failure_, std::nullopt);
  opened_.push_back(request);
  return std::make_unique<Echo>(*this, request.terminal.has_value());
}

std::unique_ptr<ConsoleWatch> FakeTerminals::watch_console(std::string_view) { throw Error{Code::conflict, "the container has no console"}; }

std::vector<SessionRequest> FakeTerminals::opened() const {
  const std::lock_guard lock(mutex_);
  return opened_;
}

void FakeTerminals::resized(WindowSize size) {
  const std::lock_guard lock(mutex_);
  sizes_.push_back(size);
}

std::vector<WindowSize> FakeTerminals::sizes() const {
  const std::lock_guard lock(mutex_);
  return sizes_;
}

void FakeTerminals::fail(Error error) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(error);
}

}  // namespace sovirt
