#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json.hpp"

namespace sovirt {

struct EventFilter;
struct Route;

struct Header {
  std::string name;    // lower case in requests
  std::string value;
};

// The process at the other end, as it was when it connected (SO_PEERCRED, SO_PEERGROUPS).
struct Peer {
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;
  bool privileged = false;   // root, the daemon's own user, or a member of its group
};

// One request. Filled in three steps: head (parser), route and parameters (dispatcher), body (session).
struct Request {
  std::string method;
  std::string target;                // as it came
  int version = 11;                  // 10 or 11
  std::vector<Header> headers;
  bool has_body = false;             // Content-Length above 0, or chunked
  std::string body;

  std::string id;
  Peer peer;
  bool read_only = false;            // came by the read-only socket
  std::chrono::steady_clock::time_point begun{};

  const Route* route = nullptr;
  std::vector<std::string> params;   // of the route's pattern, in its order, decoded
  std::vector<std::pair<std::string, std::string>> query;

  // nullptr where absent. Lists that came in several lines are joined by the parser.
  const std::string* header(std::string_view lower_case_name) const noexcept;
  const std::string* parameter(std::string_view key) const noexcept;   // the first of that key
};

struct Reply;

// An answer that must wait for something without holding a thread.
struct Hold {
  std::chrono::milliseconds longest{0};
  std::chrono::milliseconds poll{0};   // look again that often even if nothing wakes it; 0: never
  // Gives the function to call, from any thread, when it is worth looking. Dropping the handle ends it.
  std::function<std::shared_ptr<void>(std::function<void()> wake)> subscribe;
  // On the event loop. An answer ends the hold; with `over` there must be one.
  std::function<std::optional<Reply>(bool over)> look;
};

class EventFeed;
class ByteSource;
class Conversation;

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<Header> headers;
  std::string code;                    // of a problem; "" for success
  std::string detail;                  // of a problem, for the log
  bool close = false;                  // the connection cannot be used any more
  std::shared_ptr<Hold> hold;          // instead of all above
  std::shared_ptr<EventFeed> stream;   // after the header, until the client goes
  std::shared_ptr<ByteSource> source;  // instead of body: pulled on the pool as fast as the client takes it
  std::optional<std::uint64_t> length; // of what source gives; nullopt: chunked. Gives it less, the connection breaks off
  std::shared_ptr<Conversation> conversation;   // of an upgrade: what is said over the WebSocket from now on
};

// Text for the wire. What is not UTF-8 in it (console output, file names) becomes U+FFFD instead of an exception.
std::string to_text(const Json&);
Reply json_reply(int status, const Json&);
Reply empty_reply(int status = 204);

// Receives the body of an upload, on the pool, one call at a time. Destroyed without finish(): undoes what it did.
class BodySink {
 public:
  virtual ~BodySink() = default;
  virtual void open() = 0;
  virtual void write(std::string_view bytes) = 0;
  virtual Reply finish(const Request&) = 0;
};

}  // namespace sovirt
