#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/server/core.hpp"
#include "daemon/server/head_check.hpp"
#include "daemon/server/message.hpp"
#include "daemon/server/request_parser.hpp"
#include "daemon/server/web_socket.hpp"

namespace sovirt {

// One connection: reads a request, has it answered, writes the answer, and again. All of it on the loop; while a
// job of it runs on the pool, the session touches nothing that the job uses (request_, chunk_).
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core>, unique_fd socket, Peer, bool read_only);

  void start();
  void close();
  void stop();         // the server stops: ends as soon as nothing is owed to the client
  void expire();       // the deadline is over
  void wake_stream();
  void beat_stream();
  Core::Clock::time_point deadline() const noexcept { return deadline_; }

 private:
  enum class State { idle, head, body, working, answering, holding, streaming, lingering, upgraded, closed };

  // Input (session.cpp)
  void advance();
  void read(std::size_t room);
  void on_read(std::size_t count);
  void on_end();
  void new_request();
  bool read_head();    // false: waits for something
  bool read_body();
  void begin_request();
  void take_body(bool expected);
  void finish_body();
  std::string_view unread() const noexcept { return {in_.data() + begin_, end_ - begin_}; }
  void set_deadline(std::chrono::milliseconds);

  // Work (session_work.cpp)
  void dispatch();
  // Runs `work` on the pool, then `then` with its reply on the loop, unless the session is closed meanwhile.
  void run_on_pool(std::function<std::optional<Reply>()> work, std::function<void(std::optional<Reply>)> then);
  void begin_upload();
  void write_chunk();
  void finish_upload();
  void begin_hold(std::shared_ptr<Hold>);
  void arm_hold(const std::shared_ptr<Hold>&);
  void look(const std::shared_ptr<Hold>&, bool over);
  void watch_hangup();

  // Output (session_output.cpp)
  void respond(Reply);
  void audit_later(const Reply&);
  void fail(Reply);    // respond, and no further request on this connection
  void flush();
  void sent();
  void linger();
  void pull_stream();
  void pull_source();
  void pull_later();
  void send_block(std::string block);
  void upgrade(Reply);

  std::shared_ptr<Core> core_;
  boost::asio::local::stream_protocol::socket socket_;
  Peer peer_;
  bool read_only_;
  State state_ = State::idle;
  Core::Clock::time_point deadline_ = Core::Clock::time_point::max();

  std::vector<char> in_;
  std::size_t begin_ = 0, end_ = 0;
  bool reading_ = false, ended_ = false, advancing_ = false, slow_head_ = false;
  HeadScanner scanner_;
  std::optional<RequestParser> parser_;
  Request request_;
  bool audited_ = false;                 // by the job that answered it
  bool keep_alive_ = false;
  std::string chunk_;                    // body of an upload, or what is thrown away
  std::optional<Reply> early_;           // answer to give once the body is read
  std::shared_ptr<BodySink> sink_;

  std::string out_;
  std::size_t out_done_ = 0;
  bool sending_ = false, head_only_ = false, lingers_ = false;
  std::shared_ptr<Hold> hold_;
  std::shared_ptr<void> hold_subscription_;
  boost::asio::steady_timer hold_timer_;
  Core::Clock::time_point hold_end_{};
  std::shared_ptr<EventFeed> feed_;
  bool pulling_ = false;
  std::shared_ptr<ByteSource> source_;   // of the answer under way
  std::optional<std::uint64_t> source_left_;
  bool chunked_ = false, following_ = false;   // following: more of source_ may come at any time
  std::shared_ptr<WebSocket> web_socket_;   // has the socket, once upgraded
};

}  // namespace sovirt
