#include "client/ctl/input_reader.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"

namespace sovirt::ctl {

namespace {
constexpr std::size_t block_bytes = 64 * 1024;
}

InputReader::InputReader(int fd, Take take)
    : fd_(fd), take_(std::move(take)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (!stop_) throw errno_error("eventfd");
  thread_ = std::thread([this] { run(); });
}

InputReader::~InputReader() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_one();
  ::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void InputReader::next() {
  const std::lock_guard lock(mutex_);
  wanted_ = true;
  changed_.notify_one();
}

bool InputReader::wait_readable() {
  std::array<pollfd, 2> polled{{{fd_, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  while (::poll(polled.data(), polled.size(), -1) < 0)
    if (errno != EINTR) return false;
  return polled[1].revents == 0;
}

void InputReader::run() {
  std::string block;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return wanted_ || stopped_; });
      if (stopped_) return;
      wanted_ = false;
    }
    if (!wait_readable()) return;
    block.resize(block_bytes);
    ssize_t count = 0;
    do count = ::read(fd_, block.data(), block.size());
    while (count < 0 && (errno == EINTR || errno == EAGAIN));
    block.resize(count > 0 ? static_cast<std::size_t>(count) : 0);   // closed by the caller counts as empty
    take_(*this, std::move(block));
    if (count <= 0) return;
    block = {};
  }
}

}  // namespace sovirt::ctl
