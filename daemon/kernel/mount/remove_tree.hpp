#pragma once
#include <string>

namespace sovirt::rootfs {

// Removes a directory with everything in it. Follows no link and enters no other mount. Goes on past what
// cannot be removed and then throws one Error that names it. The immutable attribute is taken off: the tree is ours.
// false: there was none. Bounded in descriptors however deep the tree is.
bool remove_tree(const std::string& directory);
bool remove_tree_at(int parent, const std::string& name);

}  // namespace sovirt::rootfs
