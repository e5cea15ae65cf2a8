#include "daemon/server/event_conversation.hpp"

#include <atomic>
#include <deque>

#include "daemon/server/core.hpp"
#include "daemon/server/event_feed.hpp"

namespace sovirt {
namespace {

class EventConversation final : public Conversation, public std::enable_shared_from_this<EventConversation> {
 public:
  EventConversation(std::shared_ptr<EventFeed> feed, std::shared_ptr<Core> core) : feed_(std::move(feed)), core_(std::move(core)) {}

  void begin(Line&) override;
  void on_message(std::string_view, bool) override { line_->receive(); }
  void on_sent() override;
  void on_end() noexcept override;

 private:
  void happened();                 // any thread
  void pull();
  void take(std::deque<std::string> documents, bool broken);
  void say();

  std::shared_ptr<EventFeed> feed_;
  std::shared_ptr<Core> core_;
  Line* line_ = nullptr;
  std::shared_ptr<void> news_;
  std::atomic<bool> pending_ = false;
  std::deque<std::string> waiting_;
  std::string saying_;
  bool pulling_ = false, sending_ = false;
};

void EventConversation::begin(Line& line) {
  line_ = &line;
  news_ = core_->dispatcher().service().on_event([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->happened();
  });
  pull();
  line.receive();
}

void EventConversation::happened() {
  if (pending_.exchange(true)) return;   // on its way already
  core_->post([self = shared_from_this()] {
    self->pending_ = false;
    if (self->line_ != nullptr) self->pull();
  });
}

void EventConversation::pull() {
  if (pulling_ || sending_ || !feed_->behind()) return;
  pulling_ = true;
  const bool posted = core_->pool().post([self = shared_from_this()] {
    std::deque<std::string> documents;
    bool broken = false;
    try {
      documents = self->feed_->pull_documents();
    } catch (const std::exception&) {
      broken = true;
    }
    self->core_->post([self, documents = std::move(documents), broken]() mutable { self->take(std::move(documents), broken); });
  });
  if (!posted) line_->close(CloseCode::going_away, "");
}

void EventConversation::take(std::deque<std::string> documents, bool broken) {
  pulling_ = false;
  if (line_ == nullptr) return;
  if (broken) return line_->close(CloseCode::internal, "the events cannot be read");
  waiting_ = std::move(documents);
  say();
}

void EventConversation::say() {
  if (waiting_.empty()) return pull();   // there may be more
  saying_ = std::move(waiting_.front());
  waiting_.pop_front();
  sending_ = true;
  line_->send(saying_, false);
}

void EventConversation::on_sent() {
  sending_ = false;
  say();
}

void EventConversation::on_end() noexcept {
  line_ = nullptr;
  news_.reset();
  waiting_.clear();
}

}  // namespace

std::shared_ptr<Conversation> make_event_conversation(std::shared_ptr<EventFeed> feed, std::shared_ptr<Core> core) {
  return std::make_shared<EventConversation>(std::move(feed), std::move(core));
}

}  // namespace sovirt
