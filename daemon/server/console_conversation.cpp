#include "daemon/server/console_conversation.hpp"

#include <algorithm>

#include "daemon/server/console_feed.hpp"
#include "daemon/server/exec_frames.hpp"

namespace sovirt {
namespace {

constexpr std::size_t chunk = 64 * 1024;
constexpr std::size_t most_typed_ahead = 64 * 1024;
constexpr std::size_t most_notices = 4096;

class ConsoleConversation final : public Conversation, public ConsoleWatcher {
 public:
  ConsoleConversation(std::shared_ptr<ConsoleFeeds> feeds, OpenConsole console, ConsoleManners manners)
      : feeds_(std::move(feeds)), console_(std::move(console)), manners_(manners) {}

  void begin(Line&) override;
  void on_message(std::string_view message, bool binary) override;
  void on_sent() override;
  void on_end() noexcept override;

  void on_news() override { pump(); }
  void on_keyboard(bool yours) override;
  void on_room() override;
  bool may_type() const noexcept override { return !manners_.watches_only; }

 private:
  void take_input(std::string_view bytes);
  void want_message();
  void notice(std::string_view text);
  void pump();
  bool next_message();            // false: nothing is to be said now

  std::shared_ptr<ConsoleFeeds> feeds_;
  OpenConsole console_;
  ConsoleManners manners_;
  std::shared_ptr<ConsoleFeed> feed_;
  Line* line_ = nullptr;
  std::uint64_t position_ = 0;
  std::size_t history_sent_ = 0;
  std::string buffer_, notices_;
  bool joined_ = false, sending_ = false, held_back_ = false, said_end_ = false, told_off_ = false;
};

void ConsoleConversation::begin(Line& line) {
  line_ = &line;
  feed_ = feeds_->feed(line.io(), console_);
  console_.watch.reset();   // where there was a feed already
  position_ = feed_->position_of(console_.begin + console_.history.size());
  feed_->join(*this, manners_.takes_keyboard);
  joined_ = true;
  if (may_type() && !feed_->types(*this)) notice("somebody else has the keyboard of this console: you watch");
  pump();
  line.receive();
}

void ConsoleConversation::on_message(std::string_view message, bool binary) {
  const ClientFrame frame = read_client_frame(message, binary);
  if (frame.channel == Channel::input) take_input(frame.bytes);
  if (frame.channel == Channel::resize) {
    manners_.size = frame.size;
    if (feed_->types(*this)) feed_->resize(frame.size);
  }
  if (frame.channel == Channel::signal) notice("a console takes no signals: type them");
  want_message();
  pump();
}

void ConsoleConversation::take_input(std::string_view bytes) {
  if (feed_->types(*this)) return feed_->type(bytes);
  if (!std::exchange(told_off_, true) && !bytes.empty()) notice(may_type() ? "what you type is lost: somebody else has the keyboard" : "what you type is lost: you only watch");
}

void ConsoleConversation::want_message() {
  held_back_ = feed_->types(*this) && feed_->typed_ahead() > most_typed_ahead;
  if (!held_back_) line_->receive();
}

void ConsoleConversation::on_room() {
  if (line_ != nullptr && held_back_) want_message();
}

void ConsoleConversation::on_keyboard(bool yours) {
  if (yours && manners_.size) feed_->resize(*manners_.size);
  told_off_ = false;
  if (joined_) notice(yours ? "the keyboard of this console is yours now" : "somebody else has taken the keyboard of this console: you watch");
  if (joined_ && line_ != nullptr) {
    if (held_back_) want_message();
    pump();
  }
}

void ConsoleConversation::notice(std::string_view text) {
  if (notices_.size() + text.size() < most_notices) notices_.append("sovirt: ").append(text).append("\r\n");
}

void ConsoleConversation::pump() {
  if (sending_ || said_end_ || line_ == nullptr) return;
  if (!next_message()) {
    if (buffer_.capacity() > 4096) std::string{}.swap(buffer_);
    return;
  }
  sending_ = true;
  line_->send(buffer_, true);
}

bool ConsoleConversation::next_message() {
  const auto say = [&](Channel channel, std::size_t size) {
    buffer_.resize(size + 1);
    buffer_[0] = static_cast<char>(channel);
    return buffer_.data() + 1;
  };
  if (!notices_.empty()) {
    std::copy(notices_.begin(), notices_.end(), say(Channel::errors, notices_.size()));
    notices_.clear();
    return true;
  }
  if (history_sent_ < console_.history.size()) {
    const std::size_t size = std::min(chunk, console_.history.size() - history_sent_);
    std::copy_n(console_.history.data() + history_sent_, size, say(Channel::output, size));
    history_sent_ += size;
    if (history_sent_ == console_.history.size()) {
      std::string{}.swap(console_.history);
      history_sent_ = 0;
    }
    return true;
  }
  if (position_ < feed_->begin()) {
    notice(std::to_string(feed_->begin() - position_) + " bytes of output were left out here: they are in the log");
    position_ = feed_->begin();
    return next_message();
  }
  if (position_ < feed_->end()) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(chunk, feed_->end() - position_));
    feed_->copy(position_, say(Channel::output, size), size);
    position_ += size;
    return true;
  }
  if (!feed_->ended()) return false;
  said_end_ = true;
  buffer_ = write_end_frame(feed_->exit().value_or(ExitStatus{}));
  return true;
}

void ConsoleConversation::on_sent() {
  sending_ = false;
  if (said_end_) return line_->close(CloseCode::normal, "");
  pump();
}

void ConsoleConversation::on_end() noexcept {
  line_ = nullptr;
  if (feed_) feed_->leave(*this);
  feed_.reset();
}

}  // namespace

std::shared_ptr<Conversation> make_console_conversation(std::shared_ptr<ConsoleFeeds> feeds, OpenConsole console, ConsoleManners manners) {
  return std::make_shared<ConsoleConversation>(std::move(feeds), std::move(console), manners);
}

}  // namespace sovirt
