#pragma once
#include <sys/types.h>

#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace sovirt {

// A program to be started with default signals, none of them blocked.
struct Spawn {
  std::string program;                    // a path, or a name that our own PATH is searched for
  std::vector<std::string> command;       // the first is what the program takes for its name
  std::vector<std::string> environment;   // "NAME=value"
  std::vector<int> files;                 // its descriptors from 0 on, all that it has; -1: /dev/null
  std::string directory{};                // "": ours
  bool own_session = false;
};

// Error with syscall() "posix_spawn": it cannot be executed, or the directory not be entered.
pid_t spawn(const Spawn&);

// For execve and the like: valid as long as the texts are.
std::vector<char*> pointers(std::vector<std::string>& texts);

// What programs of the host are run with: messages as they are documented.
inline std::vector<std::string> plain_environment() { return {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}; }

// Work in a thread of its own that may leave its namespaces for good: it ends with it. Throws what the work throws.
template <class Work>
void in_own_thread(Work work) {
  std::exception_ptr failure;
  std::thread{[&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }}.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace sovirt
