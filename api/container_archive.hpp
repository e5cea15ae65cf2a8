#pragma once
#include <string>

#include "api/container.hpp"
#include "api/json.hpp"
#include "api/resource.hpp"

namespace sovirt {

struct ImportRequest {
  std::string path;           // of the archive, on the host
  std::string digest;         // "sha256:…" of it, "" to skip the check
  std::string image;          // name of the image that its tree becomes, "" for the container's
  bool regenerate = false;    // new addresses; machine-id and host keys are always new
};

std::string read_export_request(const Json&);    // the path
ImportRequest read_import_request(const Json&);

// The document in an exported container's archive.
struct ContainerDocument { std::string name; Json spec; Labels labels; };
std::string write_container_document(const Resource&);
ContainerDocument read_container_document(const std::string& text);   // Error{invalid}

}  // namespace sovirt
