#include "daemon/kernel/process/criu.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <sstream>

#include "daemon/base/error.hpp"
#include "daemon/base/pipe.hpp"
#include "daemon/base/spawn.hpp"

namespace sovirt {
namespace {

constexpr std::chrono::seconds patience{10};
constexpr std::size_t most_words = 64 * 1024;

// All it says, until it has closed its output or the time is over.
std::string words_of(int output) {
  std::string words;
  char block[4096];
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd one{output, POLLIN, 0};
    if (left <= 0 || ::poll(&one, 1, static_cast<int>(left)) <= 0) return words;
    const ssize_t count = ::read(output, block, sizeof block);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || words.size() > most_words) return words;
    words.append(block, static_cast<std::size_t>(count));
  }
}

// The last lines that begin with "Error", without the place in CRIU's source.
std::string reasons(const std::string& words) {
  std::string text;
  std::istringstream lines{words};
  for (std::string line; std::getline(lines, line);) {
    const auto after = line.starts_with("Error") ? line.find("): ") : std::string::npos;
    if (after == std::string::npos || line.find("exited, status") != std::string::npos) continue;
    text += (text.empty() ? "" : "; ") + line.substr(after + 3);
  }
  return text.empty() ? "it failed without a word" : text.substr(0, 500);
}

}  // namespace

std::string checkpoint_obstacle() {
  Pipe pipe = make_pipe();
  pid_t pid = -1;
  try {
    pid = spawn({"criu", {"criu", "check"}, plain_environment(), {-1, pipe.write.get(), pipe.write.get()}});
  } catch (const Error& error) {
    if (error.error_number() == ENOENT) return "the program criu is not installed";
    throw;
  }
  pipe.write.reset();
  const std::string words = words_of(pipe.read.get());
  ::kill(pid, SIGKILL);   // nothing where it has ended: it is not reaped yet
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return "`criu check` fails on this host: " + reasons(words);
}

}  // namespace sovirt
