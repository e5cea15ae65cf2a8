#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/domain/ports/store.hpp"

namespace sovirt {

struct StoreOptions {
  std::string path;              // of the database file; ":memory:" for one that nobody keeps
  std::int64_t most_pages = 0;   // of 4096 bytes; 0: as many as the disk takes. For tests of a full disk
};

// Opens, creates or migrates the database. A damaged one is opened too, to be read as far as it can be: healthy() is false then.
// Throws Error{conflict} for a database of another program or a newer version, which is left as it is.
std::unique_ptr<Store> open_store(const StoreOptions&);

}  // namespace sovirt
