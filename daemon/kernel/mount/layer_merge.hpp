#pragma once

namespace sovirt::rootfs {

// Two layers of overlayfs as one: fills the empty directory `into` (all three open as O_PATH) with what `upper` on
// `lower` shows, whiteouts and opaque directories included, since more layers may lie below. Files get a further name.
void merge_layers(int upper, int lower, int into);

}  // namespace sovirt::rootfs
