#include "daemon/server/input_pipe.hpp"

#include <unistd.h>

#include <cerrno>

namespace sovirt {

using boost::system::error_code;

void InputPipe::write(std::string_view bytes) {
  if (!descriptor_.is_open() || finishing_ || bytes.empty()) return;   // nobody reads it: it goes where a pipe's would
  if (waiting() == 0) {
    const ssize_t count = ::write(descriptor_.native_handle(), bytes.data(), bytes.size());
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    else if (count < 0 && errno != EAGAIN && errno != EINTR) return close();
    if (bytes.empty()) return;
  }
  kept_.append(bytes);
  wait();
}

bool InputPipe::flush() {
  while (waiting() > 0) {
    const ssize_t count = ::write(descriptor_.native_handle(), kept_.data() + done_, waiting());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return false;
    if (count < 0) {   // EPIPE: it does not want more
      close();
      return true;
    }
    done_ += static_cast<std::size_t>(count);
  }
  kept_.clear();
  if (kept_.capacity() > 4096) kept_.shrink_to_fit();
  done_ = 0;
  return true;
}

void InputPipe::wait() {
  if (waits_) return;
  waits_ = true;
  descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_write, [self = shared_from_this()](error_code error) {
    self->waits_ = false;
    if (error || !self->descriptor_.is_open()) return;
    if (!self->flush()) return self->wait();
    if (self->finishing_) self->close();
    if (self->on_room_) self->on_room_();
  });
}

void InputPipe::finish() {
  finishing_ = true;
  if (waiting() == 0) close();
}

void InputPipe::close() noexcept {
  error_code ignored;
  descriptor_.close(ignored);
  std::string{}.swap(kept_);
  done_ = 0;
}

}  // namespace sovirt
