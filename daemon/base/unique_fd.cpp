#include "daemon/base/unique_fd.hpp"

#include <fcntl.h>

#include "daemon/base/error.hpp"

namespace sovirt {

unique_fd unique_fd::duplicate() const {
  const int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw errno_error("fcntl(F_DUPFD_CLOEXEC)");
  return unique_fd{copy};
}

}  // namespace sovirt
