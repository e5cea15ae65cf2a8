#include <poll.h>

#include "daemon/server/session.hpp"

#include "daemon/base/error.hpp"

namespace sovirt {

using boost::system::error_code;

void Session::dispatch() {
  if (request_.route->where == Where::loop) return respond(core_->dispatcher().answer(request_));
  run_on_pool([this]() -> std::optional<Reply> { return core_->dispatcher().answer(request_); },
              [this](std::optional<Reply> reply) { respond(std::move(reply).value()); });
}

// Both functions may use this session: the job holds it. Its reply, if any, is final and audited there, since
// writing to the database is nothing for the loop.
void Session::run_on_pool(std::function<std::optional<Reply>()> work, std::function<void(std::optional<Reply>)> then) {
  state_ = State::working;
  deadline_ = Core::Clock::time_point::max();
  auto job = [self = shared_from_this(), work = std::move(work), then = std::move(then)] {
    const auto reply = std::make_shared<std::optional<Reply>>(work());
    if (*reply) self->core_->dispatcher().audit(self->request_, **reply);
    self->audited_ = self->audited_ || reply->has_value();
    self->core_->post([self, reply, then] {
      if (self->state_ == State::closed) return;
      then(std::move(*reply));
      self->advance();
    });
  };
  if (!core_->pool().post(std::move(job))) fail(core_->dispatcher().refuse(request_, Error{Code::unavailable, "the daemon is stopping"}));
}

void Session::begin_upload() {
  const Call call{core_->dispatcher().service(), request_};
  sink_ = request_.route->sink(call);
  const bool expected = request_.version == 11 && request_.header("expect") != nullptr && unread().empty();
  run_on_pool(
      [this, sink = sink_] {
        return core_->dispatcher().attempt(request_, [&]() -> std::optional<Reply> {
          sink->open();
          return std::nullopt;
        });
      },
      [this, expected](std::optional<Reply> failed) {
        if (failed) return fail(*std::move(failed));
        if (!request_.has_body) return finish_upload();
        take_body(expected);
      });
}

// While the disk takes these bytes none are read: a fast client is slowed down by the socket, not by our memory.
void Session::write_chunk() {
  run_on_pool(
      [this, sink = sink_] {
        return core_->dispatcher().attempt(request_, [&]() -> std::optional<Reply> {
          sink->write(chunk_);
          return std::nullopt;
        });
      },
      [this](std::optional<Reply> failed) {
        if (failed) return fail(*std::move(failed));
        chunk_.clear();
        state_ = State::body;
      });
}

void Session::finish_upload() {
  run_on_pool(
      [this, sink = sink_] {
        return core_->dispatcher().attempt(request_, [&]() -> std::optional<Reply> { return sink->finish(request_); });
      },
      [this](std::optional<Reply> reply) {
        if (sink_) core_->pool().post([sink = std::move(sink_)] {});
        respond(std::move(reply).value());
      });
}

void Session::begin_hold(std::shared_ptr<Hold> hold) {
  state_ = State::holding;
  deadline_ = Core::Clock::time_point::max();
  hold_ = hold;
  hold_end_ = Core::Clock::now() + hold->longest;
  auto failed = core_->dispatcher().attempt(request_, [&]() -> std::optional<Reply> {
    hold_subscription_ = hold->subscribe([weak = weak_from_this(), core = std::weak_ptr{core_}, hold] {
      const auto loop = core.lock();
      if (!loop) return;
      loop->post([weak, hold] {
        if (const auto self = weak.lock()) self->look(hold, false);
      });
    });
    return std::nullopt;
  });
  if (failed) {
    hold_.reset();
    return respond(*std::move(failed));
  }
  arm_hold(hold);
  watch_hangup();
}

void Session::arm_hold(const std::shared_ptr<Hold>& hold) {
  auto at = hold_end_;
  if (hold->poll.count() > 0) at = std::min(at, Core::Clock::now() + hold->poll);
  hold_timer_.expires_at(at);
  hold_timer_.async_wait([self = shared_from_this(), hold](error_code error) {
    if (error || self->hold_ != hold) return;
    self->look(hold, Core::Clock::now() >= self->hold_end_);
    if (self->hold_ == hold) self->arm_hold(hold);
  });
}

void Session::look(const std::shared_ptr<Hold>& hold, bool over) {
  if (state_ != State::holding || hold_ != hold) return;
  auto reply = core_->dispatcher().attempt(request_, [&] { return hold->look(over); });
  if (!reply && !over) return;
  hold_.reset();
  hold_subscription_.reset();
  hold_timer_.cancel();
  respond(reply ? *std::move(reply) : core_->dispatcher().refuse(request_, Error{Code::timed_out, "what was waited for did not come"}));
  advance();
}

// Notices that a client has gone while it waits for us. Bytes of its next request, or the end of what it sends
// (it may still read), end the watch: then only writing tells.
void Session::watch_hangup() {
  socket_.async_wait(boost::asio::socket_base::wait_read, [self = shared_from_this()](error_code error) {
    if (error || (self->state_ != State::holding && self->state_ != State::streaming)) return;
    pollfd entry{self->socket_.native_handle(), POLLIN, 0};
    if (::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0) self->close();
  });
}

}  // namespace sovirt
