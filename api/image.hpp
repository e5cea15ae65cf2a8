#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/json.hpp"

namespace sovirt {

struct DebootstrapSource {
  std::string suite = "stable";
  std::string mirror;                   // empty: the mirror the host's own apt uses
  std::string variant = "minbase";      // minbase | buildd | standard ("" to debootstrap)
  std::vector<std::string> packages;
};
struct TarballSource {
  std::string path;                     // on the host; empty: the content uploaded to …/content
  std::string digest;                   // "sha256:…" of the file, "" to skip the check
};
struct BinariesSource {
  std::vector<std::string> binaries;    // absolute paths of ELF files of the host
  std::vector<std::string> files;       // absolute paths of other files, taken as they are
};
struct ContainerSource {
  std::string container;                // its files as they are when the image is built
};

struct ImageSpec {
  std::variant<DebootstrapSource, TarballSource, BinariesSource, ContainerSource> source;
};

ImageSpec read_image_spec(const Json&);
Json write_image_spec(const ImageSpec&);

}  // namespace sovirt
