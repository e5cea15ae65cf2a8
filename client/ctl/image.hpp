#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/json.hpp"

namespace sovirt::ctl {

// The options of `image build`, as written.
struct ImageOptions {
  std::string name;
  std::optional<std::string> template_name, suite, mirror, variant, tarball, path, digest, container;
  std::vector<std::string> packages, binaries, files, labels;
  bool detach = false;
};

// The source that the options describe. `defaults` is the template's, null without one. Throws UsageError
// unless the options name exactly one kind of source.
Json image_source(const ImageOptions&, const Json& defaults);

}  // namespace sovirt::ctl
