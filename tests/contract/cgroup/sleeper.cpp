#include "tests/contract/cgroup/sleeper.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>

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

std::string groups_of_parent() {
  std::ifstream in{"/proc/" + std::to_string(::getppid()) + "/cgroup"};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void chain() {
  for (int i = 0; i < 10; ++i) {
    if (::fork() != 0) continue;
    const std::string before = groups_of_parent();
    while (groups_of_parent() == before) ::usleep(200);
    for (int link = 0; link < 99; ++link) {
      ::setsid();
      ::usleep(2000);
      if (::fork() != 0) ::_exit(0);
    }
    ::sleep(60);   // nobody's child, so nobody would end one that escaped
    ::_exit(0);
  }
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
  if (work == Work::chain) chain();
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
