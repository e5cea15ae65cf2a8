#pragma once
#include <memory>
#include <string>

#include "daemon/domain/ports/file_access.hpp"

namespace sovirt::files {

std::unique_ptr<ByteSource> read_file(unique_fd file, std::string path);

// Under a name only once it is finished: then it takes the place of what was there in one step.
std::unique_ptr<ByteTarget> write_file(int root, const std::string& path, const FileAttributes&);

}  // namespace sovirt::files
