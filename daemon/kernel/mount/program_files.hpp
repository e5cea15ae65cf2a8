#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/kernel/mount/library_search.hpp"

namespace sovirt::rootfs {

// What must be there for a program of a root to be executed, found by reading, never by running.
struct ProgramFiles {
  std::vector<std::string> paths;       // program, interpreters, libraries; as found, links not resolved; each once
  std::optional<std::string> missing;   // the first thing that keeps it from running, as a sentence
};

// `path` is absolute in the root. Follows `#!` lines four deep, as the kernel does.
ProgramFiles program_files(int root, const std::string& path, LibraryOrder order, ElfCache& cache);

// The path of a command without a slash by PATH, nullopt if no directory holds it. A file that is there but not
// executable is found only if nothing better is.
std::optional<std::string> find_command(int root, std::string_view name, std::string_view path_variable);

}  // namespace sovirt::rootfs
