#pragma once
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/netlink/handles.hpp"
#include "daemon/kernel/netlink/message.hpp"

namespace sovirt::netlink {

struct Datagram;

// What the kernel said to one message of a batch.
struct Outcome {
  int error = 0;       // positive errno, 0: done
  std::string note;    // the kernel's own words about the error, often ""
  Bytes reply;         // payload of the answer to a GET
};

// One message of a dump: its payload without nlmsghdr.
using Dump = std::vector<Bytes>;

// A netlink socket, by default of NETLINK_ROUTE. It acts on the network namespace of the thread that made it, whoever uses it later.
// One thread at a time. Source: netlink(7), rtnetlink(7).
class Socket {
 public:
  explicit Socket(int protocol = 0);  // throws Error

  // One sendmsg: the kernel has worked on every message before it returns, and a signal, even SIGKILL,
  // comes before the first or after the last. A message that fails does not stop those behind it.
  // Throws Error only where the exchange itself fails; the socket must not be used again then.
  std::vector<Outcome> transact(Batch& batch);
  // One GET message with NLM_F_DUMP, repeated while the kernel says it changed underneath. Throws Error.
  Dump dump(Batch& batch, const char* name);

 private:
  std::uint32_t take_sequence(std::size_t count);  // the first of `count` numbers that follow each other
  void send(BytesView bytes);
  Datagram next();
  bool read_dump(std::uint32_t sequence, const char* name, Dump& out);  // false: interrupted

  SocketPtr socket_;
};

// Sockets of one namespace, as many as there were callers at the same time: no caller waits for another's exchange.
class SocketPool {
 public:
  class Lease {
   public:
    Lease(SocketPool& pool, Socket socket) : pool_(&pool), socket_(std::move(socket)), exceptions_(std::uncaught_exceptions()) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease();
    Socket& operator*() noexcept { return socket_; }
    Socket* operator->() noexcept { return &socket_; }

   private:
    SocketPool* pool_;
    Socket socket_;
    int exceptions_;
  };

  SocketPool() { idle_.reserve(most_idle); }
  Lease borrow();

 private:
  static constexpr std::size_t most_idle = 8;

  std::mutex mutex_;
  std::vector<Socket> idle_;
};

// An errno of rtnetlink as an Error in a client's terms; `message` ("RTM_NEWLINK") becomes its syscall.
Error kernel_error(int number, std::string message, std::string context, const std::string& note = {});
// Throws it unless the message succeeded.
void expect(const Outcome& outcome, std::string message, std::string context);

}  // namespace sovirt::netlink
