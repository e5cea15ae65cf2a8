#pragma once
#include <sys/stat.h>

#include <functional>
#include <string>

namespace sovirt::image {

struct TreeEntry {
  std::string path;      // from the root, "" for the root itself
  int parent = -1;       // open for reading (of the root itself: the root)
  std::string name;      // in there; "." for the root itself
  struct stat facts{};   // of the entry, links not followed
};

// Every file below a directory, the directory itself first, each directory's names in order of their bytes. Follows no link.
// Error{invalid} for a tree deeper than 256 directories.
void walk_tree(int root, const std::function<void(const TreeEntry&)>& visit);

}  // namespace sovirt::image
