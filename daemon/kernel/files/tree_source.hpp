#pragma once
#include <memory>
#include <string>

#include "daemon/domain/byte_stream.hpp"
#include "daemon/base/unique_fd.hpp"

namespace sovirt::files {

// A tar archive (pax) of one file, or of what is below a directory and on its file system: names are relative to it,
// hard links stay what they are, holes cost nothing but their size. FIFOs are named, sockets and devices left out.
// What vanishes while it is read is left out; a file that shrinks is filled up with zeros.
std::unique_ptr<ByteSource> read_tree(unique_fd top, std::string path);

// Unpacks into a directory on a thread of its own.
std::unique_ptr<ByteTarget> write_tree(unique_fd directory, std::string path);

}  // namespace sovirt::files
