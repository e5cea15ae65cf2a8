#include "daemon/kernel/process/memory_file.hpp"

#include <sys/mman.h>

#include "daemon/base/error.hpp"

namespace sovirt::process {

unique_fd memory_file(const std::string& text) {
  unique_fd file{::memfd_create("process.json", MFD_CLOEXEC)};
  if (!file) throw errno_error("memfd_create");
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw errno_error("write", "process.json");
  return file;
}

}  // namespace sovirt::process
