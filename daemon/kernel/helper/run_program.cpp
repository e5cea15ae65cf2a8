#include "daemon/kernel/helper/run_program.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/base/spawn.hpp"

namespace sovirt::helper {
namespace {

constexpr std::size_t most_output = 8 << 20;
using Clock = std::chrono::steady_clock;

// Ends and reaps the program however the exchange with it went.
class Child {
 public:
  explicit Child(pid_t pid) noexcept : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() noexcept {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_;
};

void take(pollfd& from, std::string& into) {
  if ((from.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return;
  std::array<char, 16384> block;
  const ssize_t got = ::read(from.fd, block.data(), block.size());
  if (got > 0 && into.size() < most_output) into.append(block.data(), static_cast<std::size_t>(got));
  if (got == 0 || (got < 0 && errno != EINTR)) from.fd = -1;
}

// A program that does not want all of its input closes it: no error.
void give(pollfd& to, unique_fd& writer, std::string_view& input) {
  if ((to.revents & (POLLOUT | POLLHUP | POLLERR)) == 0) return;
  const ssize_t gone = input.empty() ? 0 : ::write(to.fd, input.data(), input.size());
  if (gone > 0) input.remove_prefix(static_cast<std::size_t>(gone));
  if (input.empty() || (gone < 0 && errno != EINTR && errno != EAGAIN)) {
    to.fd = -1;
    writer.reset();
  }
}

void exchange(unique_fd& writer, int output, int error_output, std::string_view input, ProgramResult& result,
              Clock::time_point end, const std::string& program) {
  set_nonblocking(writer);
  std::array<pollfd, 3> watched{{{writer.get(), POLLOUT, 0}, {output, POLLIN, 0}, {error_output, POLLIN, 0}}};
  while (watched[1].fd >= 0 || watched[2].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) throw Error{Code::timed_out, program + " did not end in time"};
    if (::poll(watched.data(), watched.size(), static_cast<int>(left)) < 0 && errno != EINTR) throw errno_error("poll");
    give(watched[0], writer, input);
    take(watched[1], result.output);
    take(watched[2], result.error_output);
  }
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& command, std::string_view input, std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
  Child child{spawn({command.at(0), command, plain_environment(), {in.read.get(), out.write.get(), err.write.get()}})};
  in.read.reset();
  out.write.reset();
  err.write.reset();
  ProgramResult result;
  exchange(in.write, out.read.get(), err.read.get(), input, result, end, command.at(0));
  result.status = child.wait();
  return result;
}

std::string find_program(std::string_view name) {
  for (const char* folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/usr/local/sbin/", "/usr/local/bin/"}) {
    std::string path = folder + std::string{name};
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

}  // namespace sovirt::helper
