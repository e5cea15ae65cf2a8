#include "daemon/base/pipe.hpp"

#include <fcntl.h>

#include "daemon/base/error.hpp"

namespace sovirt {

Pipe make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe2");
  return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

void set_nonblocking(const unique_fd& fd) {
  if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) < 0) throw errno_error("fcntl(O_NONBLOCK)");
}

}  // namespace sovirt
