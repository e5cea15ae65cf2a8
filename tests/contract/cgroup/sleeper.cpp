#include "tests/contract/cgroup/sleeper.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>
#include <stdexcept>

namespace sovirt::test {
namespace {

[[noreturn]] void sleep_for_ever() {
  for (;;) ::pause();
}

void multiply() {
  for (int i = 0; i < 64; ++i)
    if (::fork() == 0) sleep_for_ever();
  sleep_for_ever();
}

}  // namespace

Sleeper::Sleeper(Work work) {
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap");
  shared_ = ::new (memory) Shared;
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (!shared_->go) ::usleep(500);
  if (work == Work::multiply) multiply();
  while (work == Work::count) ++shared_->count;
  sleep_for_ever();
}

Sleeper::~Sleeper() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::munmap(shared_, sizeof(Shared));
}

void Sleeper::go() { shared_->go = true; }

bool Sleeper::dead() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ < 0;
}

std::uint64_t Sleeper::counted() const noexcept { return shared_->count; }

}  // namespace sovirt::test
