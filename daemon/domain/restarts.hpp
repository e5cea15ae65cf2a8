#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "api/container_parts.hpp"
#include "daemon/domain/ports/launcher.hpp"

namespace sovirt {

// What follows the end of a container that nobody stopped.
struct Aftermath {
  bool again = false;
  bool reboot = false;                    // it asked for it itself
  bool exhausted = false;                 // it would be started again, had it not failed too often
  int attempt = 0;                        // the how manyth start in a row
  std::chrono::milliseconds delay{0};
};

// Restart policies: when a container that has ended starts again, and a thread that remembers those who wait for it.
// Thread-safe. Counts begin anew with the daemon.
class Restarts {
 public:
  using Starter = std::function<void(const std::string& uid, const Aftermath&)>;
  ~Restarts() { stop(); }
  void start(Starter);
  void stop();

  // Its end, `ran` after its start. A PID namespace's init that dies of SIGHUP or SIGINT has called reboot(2), see
  // pid_namespaces(7): to boot again, or to be off.
  Aftermath after(const std::string& uid, const RestartSpec&, bool has_pid_namespace, const std::optional<ExitStatus>&,
                  std::chrono::milliseconds ran);
  void schedule(const std::string& uid, const Aftermath&);
  bool waits(const std::string& uid);     // is it scheduled?
  void forget(const std::string& uid);    // somebody decides himself: whoever waits is struck off, the count begins anew

 private:
  using Clock = std::chrono::steady_clock;
  struct Waiting { Clock::time_point at; Aftermath aftermath; };
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, int, std::less<>> attempts_;
  std::map<std::string, Waiting, std::less<>> waiting_;
  Starter starter_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace sovirt
