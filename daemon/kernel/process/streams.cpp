#include "daemon/kernel/process/streams.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include "daemon/base/error.hpp"

namespace sovirt::process {

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) throw errno_error("pipe2");
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

void set_nonblocking(const unique_fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) < 0) throw errno_error("fcntl(O_NONBLOCK)");
}

unique_fd memory_file(const std::string& text) {
  unique_fd file{::memfd_create("process.json", MFD_CLOEXEC)};
  if (!file) throw errno_error("memfd_create");
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw errno_error("write", "process.json");
  return file;
}

}  // namespace sovirt::process
