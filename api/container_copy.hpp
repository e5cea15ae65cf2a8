#pragma once
#include <string>
#include <string_view>

#include "api/json.hpp"

namespace sovirt {

// What becomes of a fixed MAC or address that the original holds already.
enum class Identity { fail, regenerate, keep };
std::string_view identity_text(Identity) noexcept;

struct CopyRequest {
  std::string name;
  Identity identity = Identity::fail;
};

// Bodies of …/actions/copy, rename, snapshot and restore. Throw Error{invalid} with every wrong field.
CopyRequest read_copy_request(const Json&);
std::string read_rename_request(const Json&);    // the new name
std::string read_snapshot_request(const Json&);  // the snapshot's name
std::string read_restore_request(const Json&);   // the same, as "snapshot"

}  // namespace sovirt
