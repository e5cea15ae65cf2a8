#include "daemon/server/exec_conversation.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/base/error.hpp"
#include "daemon/server/exec_frames.hpp"
#include "daemon/server/input_pipe.hpp"

namespace sovirt {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Wait = asio::posix::descriptor_base;

constexpr std::size_t chunk = 64 * 1024;
constexpr std::size_t most_kept_input = 256 * 1024;
constexpr std::chrono::milliseconds last_words{500};   // for a terminal to hang up after the end of its process

unique_fd copy_of(int fd) {
  unique_fd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
  if (!copy) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
  return copy;
}

// Output waits in the kernel until the client has taken what it was sent before: nothing is kept here but one chunk.
class ExecConversation final : public Conversation, public std::enable_shared_from_this<ExecConversation> {
 public:
  explicit ExecConversation(std::unique_ptr<ExecSession> session) : session_(std::move(session)) {}

  void begin(Line&) override;
  void on_message(std::string_view message, bool binary) override;
  void on_sent() override;
  void on_end() noexcept override;

 private:
  struct Output {
    Output(asio::io_context& io, int fd, Channel number) : descriptor(io, copy_of(fd).release()), channel(number) {}
    asio::posix::stream_descriptor descriptor;
    Channel channel;
    bool ready = false, waits = false, open = true;
    std::size_t left = chunk;        // bytes still wanted, once the process has ended
  };

  void take_input(std::string_view bytes);
  void want_message();
  void wait(Output&);
  void pump();
  bool send_some(Output&);
  void watch_end();
  void on_process_end(const ExitStatus&);
  void await_last_words();
  void shut(Output& output) noexcept;

  std::unique_ptr<ExecSession> session_;
  Line* line_ = nullptr;
  std::shared_ptr<InputPipe> input_;
  std::vector<std::unique_ptr<Output>> outputs_;
  std::optional<asio::posix::stream_descriptor> end_ready_;
  std::optional<asio::steady_timer> timer_;
  std::optional<ExitStatus> ended_;
  std::string buffer_;
  std::size_t turn_ = 0;
  bool sending_ = false, said_end_ = false, held_back_ = false;
};

void ExecConversation::begin(Line& line) {
  line_ = &line;
  timer_.emplace(line.io());
  input_ = std::make_shared<InputPipe>(line.io(), copy_of(session_->input()), [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->line_ && self->held_back_) self->want_message();
  });
  outputs_.push_back(std::make_unique<Output>(line.io(), session_->output(), Channel::output));
  if (session_->errors() >= 0) outputs_.push_back(std::make_unique<Output>(line.io(), session_->errors(), Channel::errors));
  end_ready_.emplace(line.io(), copy_of(session_->end_fd()).release());
  if (!session_->has_terminal()) session_->close_input();   // the copy is the last one: closing it is the end for its reader
  for (const auto& output : outputs_) wait(*output);
  watch_end();
  line.receive();
}

void ExecConversation::on_message(std::string_view message, bool binary) {
  const ClientFrame frame = read_client_frame(message, binary);
  switch (frame.channel) {
    case Channel::input: take_input(frame.bytes); break;
    case Channel::resize: session_->resize(frame.size); break;
    case Channel::signal: session_->signal(frame.signal); break;
    default: break;
  }
  want_message();
}

void ExecConversation::take_input(std::string_view bytes) {
  static constexpr std::string_view end_of_file = "\x04";   // what a person types for it
  if (!bytes.empty()) input_->write(bytes);
  else if (session_->has_terminal()) input_->write(end_of_file);
  else input_->finish();
}

// With some input waiting there is still room for a resize or a signal behind it, but not for ever more input.
void ExecConversation::want_message() {
  held_back_ = input_->waiting() > most_kept_input;
  if (!held_back_) line_->receive();
}

void ExecConversation::wait(Output& output) {
  if (output.waits || !output.open) return;
  output.waits = true;
  output.descriptor.async_wait(Wait::wait_read, [self = shared_from_this(), &output](error_code error) {
    output.waits = false;
    if (error || self->line_ == nullptr) return;
    output.ready = true;
    self->pump();
  });
}

void ExecConversation::pump() {
  if (sending_ || line_ == nullptr) return;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    Output& output = *outputs_[turn_++ % outputs_.size()];
    if (output.open && output.ready && send_some(output)) return;
  }
  if (buffer_.capacity() > 4096) std::string{}.swap(buffer_);
  const bool all = std::none_of(outputs_.begin(), outputs_.end(), [](const auto& output) { return output->open; });
  if (!ended_ || !all || said_end_) return;
  said_end_ = sending_ = true;
  buffer_ = write_end_frame(*ended_);
  line_->send(buffer_, true);
}

// False: there is nothing to send of it now.
bool ExecConversation::send_some(Output& output) {
  const std::size_t wanted = ended_ ? std::min(chunk, output.left) : chunk;
  buffer_.resize(chunk + 1);
  buffer_[0] = static_cast<char>(output.channel);
  ssize_t count = 0;
  do count = wanted == 0 ? 0 : ::read(output.descriptor.native_handle(), buffer_.data() + 1, wanted);
  while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN) {
    output.ready = false;
    wait(output);
    return false;
  }
  if (count <= 0) {   // its end; EIO of a terminal that nobody has open any more
    shut(output);
    return false;
  }
  if (ended_) output.left -= static_cast<std::size_t>(count);
  sending_ = true;
  line_->send({buffer_.data(), static_cast<std::size_t>(count) + 1}, true);
  return true;
}

void ExecConversation::on_sent() {
  sending_ = false;
  if (said_end_) return line_->close(CloseCode::normal, "");
  pump();
}

void ExecConversation::watch_end() {
  end_ready_->async_wait(Wait::wait_read, [self = shared_from_this()](error_code error) {
    if (error || self->line_ == nullptr) return;
    try {
      if (const auto status = self->session_->end()) return self->on_process_end(*status);
      self->watch_end();
    } catch (const Error& failure) {
      self->line_->close(CloseCode::internal, failure.detail());
    }
  });
}

// What it left running may hold the pipes for ever: only what is in them already belongs to it. A terminal is hung
// up by the kernel when its session leader ends, but a moment later.
void ExecConversation::on_process_end(const ExitStatus& status) {
  ended_ = status;
  for (const auto& output : outputs_) {
    int waiting = 0;
    if (!session_->has_terminal() && ::ioctl(output->descriptor.native_handle(), FIONREAD, &waiting) < 0) waiting = 0;
    output->left = session_->has_terminal() ? SIZE_MAX : static_cast<std::size_t>(waiting);
    output->ready = output->ready || !session_->has_terminal();
  }
  if (session_->has_terminal()) await_last_words();
  pump();
}

void ExecConversation::await_last_words() {
  timer_->expires_after(last_words);
  timer_->async_wait([self = shared_from_this()](error_code error) {
    if (error || self->line_ == nullptr) return;
    // Still something to be sent: the client is slow.
    if (self->sending_) return self->await_last_words();
    for (const auto& output : self->outputs_) self->shut(*output);
    self->pump();
  });
}

void ExecConversation::shut(Output& output) noexcept {
  output.open = output.ready = false;
  error_code ignored;
  output.descriptor.close(ignored);
}

void ExecConversation::on_end() noexcept {
  line_ = nullptr;
  if (input_) input_->close();
  for (const auto& output : outputs_) shut(*output);
  if (end_ready_) {
    error_code ignored;
    end_ready_->close(ignored);
  }
  if (timer_) timer_->cancel();
  session_.reset();   // ends the process, unless it is to be kept
}

}  // namespace

std::shared_ptr<Conversation> make_exec_conversation(std::unique_ptr<ExecSession> session) {
  return std::make_shared<ExecConversation>(std::move(session));
}

}  // namespace sovirt
