#include "daemon/server/console_feed.hpp"

#include <fcntl.h>

#include <algorithm>
#include <chrono>

#include "daemon/base/error.hpp"

namespace sovirt {
namespace {

using boost::system::error_code;
constexpr std::size_t ring_bytes = 512 * 1024;
constexpr int news_in_a_row = 16;   // before others get their turn
// After so much at once there is more to come. To let it gather makes one message, for each who watches, of many; what a
// person types is answered in less than this, and so at once.
constexpr std::uint64_t much = 8 * 1024;
constexpr std::chrono::milliseconds gathering{1};

unique_fd copy_of(int fd) {
  unique_fd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
  if (!copy) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
  return copy;
}

}  // namespace

ConsoleFeed::ConsoleFeed(boost::asio::io_context& io, OpenConsole& console)
    : io_(io), watch_(std::move(console.watch)), read_log_(std::move(console.read_log)), ready_(io, copy_of(watch_->fd()).release()), rest_(io),
      ring_(ring_bytes), log_end_(watch_->begin()) {}

void ConsoleFeed::start() {
  input_ = std::make_shared<InputPipe>(io_, copy_of(watch_->terminal()), [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->writer_ != nullptr) self->writer_->on_room();
  });
  wait();
}

// Held by its watchers alone: with the last of them it goes.
void ConsoleFeed::wait() {
  ready_.async_wait(boost::asio::posix::descriptor_base::wait_read, [weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!error && self) self->take_news();
  });
}

void ConsoleFeed::rest() {
  rest_.expires_after(gathering);
  rest_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!error && self) self->take_news();
  });
}

void ConsoleFeed::take_news() {
  const std::uint64_t before = end_;
  bool drained = false;
  for (int i = 0; !drained && !ended_ && i < news_in_a_row; ++i) {
    const auto news = watch_->read();
    drained = !news.has_value();
    if (news) take(*news);
  }
  if (!ended_ && drained && end_ - before < much) wait();
  else if (!ended_) rest();
  tell();
}

void ConsoleFeed::tell() {
  // A watcher may leave, with others, while it is told.
  for (ConsoleWatcher* watcher : std::vector<ConsoleWatcher*>{watchers_})
    if (std::find(watchers_.begin(), watchers_.end(), watcher) != watchers_.end()) watcher->on_news();
}

void ConsoleFeed::take(const ConsoleWatch::News& news) {
  if (news.kind != ConsoleWatch::News::Kind::output) {
    ended_ = true;
    if (news.kind == ConsoleWatch::News::Kind::ended) exit_ = news.exit;
    return;
  }
  if (news.offset > log_end_) fill_gap(news.offset);
  // The log may have given some of it already.
  const std::uint64_t known = std::min(log_end_ - news.offset, news.logged);
  append(news.bytes.substr(std::min<std::size_t>(news.bytes.size(), known)));
  log_end_ = std::max(log_end_, news.offset + news.logged);
}

// The monitor does not wait for us: what it left out is in the log, unless that has been rotated away since.
void ConsoleFeed::fill_gap(std::uint64_t offset) {
  const std::uint64_t oldest = offset > ring_bytes ? offset - ring_bytes : 0;
  Launcher::Log log;
  try {
    log = read_log_(std::max(log_end_, oldest), ring_bytes);
  } catch (const Error&) {
    // It cannot be read: left out for good.
  }
  const std::uint64_t found = std::max(log.end, log_end_) - log.bytes.size();
  if (found > log_end_) {
    end_ += found - log_end_;
    begin_ = end_;
  }
  if (!log.bytes.empty()) {
    append(log.bytes);
    log_end_ = log.end;
  }
  if (log_end_ >= offset) return;
  end_ += offset - log_end_;
  begin_ = end_;
  log_end_ = offset;
}

void ConsoleFeed::append(std::string_view bytes) {
  if (bytes.size() > ring_bytes) {
    end_ += bytes.size() - ring_bytes;
    bytes.remove_prefix(bytes.size() - ring_bytes);
  }
  const auto at = static_cast<std::size_t>(end_ % ring_bytes);
  const std::size_t first = std::min(bytes.size(), ring_bytes - at);
  std::copy_n(bytes.data(), first, ring_.data() + at);
  std::copy_n(bytes.data() + first, bytes.size() - first, ring_.data());
  end_ += bytes.size();
  begin_ = std::max(begin_, end_ > ring_bytes ? end_ - ring_bytes : 0);
}

void ConsoleFeed::copy(std::uint64_t position, char* to, std::size_t size) const noexcept {
  const auto at = static_cast<std::size_t>(position % ring_bytes);
  const std::size_t first = std::min(size, ring_bytes - at);
  std::copy_n(ring_.data() + at, first, to);
  std::copy_n(ring_.data(), size - first, to + first);
}

void ConsoleFeed::join(ConsoleWatcher& watcher, bool take_keyboard) {
  watchers_.push_back(&watcher);
  if (watcher.may_type() && (writer_ == nullptr || take_keyboard)) give_keyboard(&watcher);
}

void ConsoleFeed::leave(ConsoleWatcher& watcher) noexcept {
  std::erase(watchers_, &watcher);
  if (writer_ != &watcher) return;
  writer_ = nullptr;
  const auto next = std::find_if(watchers_.begin(), watchers_.end(), [](const ConsoleWatcher* one) { return one->may_type(); });
  if (next != watchers_.end()) give_keyboard(*next);
}

void ConsoleFeed::give_keyboard(ConsoleWatcher* watcher) {
  ConsoleWatcher* before = std::exchange(writer_, watcher);
  if (before != nullptr) before->on_keyboard(false);
  watcher->on_keyboard(true);
}

std::shared_ptr<ConsoleFeed> ConsoleFeeds::feed(boost::asio::io_context& io, OpenConsole& console) {
  std::erase_if(feeds_, [](const auto& one) { return one.second.expired(); });
  std::weak_ptr<ConsoleFeed>& place = feeds_[console.uid];
  if (auto known = place.lock(); known && !known->ended()) return known;
  auto made = std::make_shared<ConsoleFeed>(io, console);
  made->start();
  place = made;
  return made;
}

}  // namespace sovirt
