#include "tests/unit/store/io_faults.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

namespace {
std::atomic<int> sync_count{0};
std::atomic<int> write_error{0};
std::atomic<int> writes_to_live{-1};
}  // namespace

extern "C" int fdatasync(int file) {
  ++sync_count;
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

extern "C" ssize_t pwrite64(int file, const void* bytes, size_t count, off64_t offset) {
  if (writes_to_live > 0 && --writes_to_live == 0) ::kill(::getpid(), SIGKILL);
  if (const int error = write_error) return errno = error, -1;
  return ::syscall(SYS_pwrite64, file, bytes, count, offset);
}

namespace sovirt::io_faults {
int syncs() { return sync_count; }
int set_error(int error_number) { return write_error.exchange(error_number); }
void kill_at_write(int count) { writes_to_live = count; }
}  // namespace sovirt::io_faults
