#pragma once
#include <sys/stat.h>

#include <string>

#include "daemon/base/error.hpp"
#include "daemon/base/unique_fd.hpp"
#include "daemon/domain/ports/file_access.hpp"

namespace sovirt::files {

// An errno of a file call in the terms of a client: what is not there, what its kind or the kernel forbids.
Error file_error(int number, const char* call, const std::string& path);

FileFacts facts_of(const struct stat&, std::string name);

// O_PATH, links followed inside the root.
unique_fd find(int root, const std::string& path);
unique_fd find_directory(int root, const std::string& path);
struct stat stat_of(int fd, const std::string& path);

// For reading. Not of a FIFO, socket or device: to open one may block or have effects.
unique_fd open_file(int found, const struct stat&, const std::string& path);

// Where a name is to be made, replaced or removed.
struct Place {
  unique_fd parent;   // O_PATH
  std::string name;
};
Place place_of(int root, const std::string& path, bool make_parents);
// Throws Error{conflict} where something is mounted on it in the container. Here it is not, so the kernel would take the
// name away and unmount what it held in the container.
void refuse_mount_point(const Place&, const std::string& path);

}  // namespace sovirt::files
