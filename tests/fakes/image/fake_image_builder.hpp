#pragma once
#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/image_builder.hpp"

namespace sovirt {

// Images as digests: equal specs (and uploads) give the same one. A Script says how a build goes. Thread-safe.
class FakeImageBuilder final : public ImageBuilder {
 public:
  struct Script {
    int steps = 2;                                   // progress reports, evenly up to 100
    std::chrono::milliseconds delay{0};              // before each; a stop request ends it at once
    std::optional<Error> failure;                    // thrown after the last step
    std::optional<std::string> digest;               // instead of the one of the spec
  };

  // For tests.
  void next(Script script);                          // for the next build without one; later builds are Script{}
  void fail_check(std::optional<Error> error);       // until taken back
  std::set<std::string> stored() const;              // digests
  int builds() const;                                // begun
  int running() const;                               // begun and not ended

  BuiltImage build(const ImageSpec&, const std::string& uploaded, std::stop_token,
                   const std::function<void(Progress)>&) override;
  bool remove(const std::string& digest) override;
  void collect(const std::vector<std::string>& digests_in_use) override;
  void check(const ImageSpec&, const std::string& uploaded) override;

 private:
  Script begin();
  BuiltImage store(const ImageSpec&, const std::string& uploaded, const Script&);

  mutable std::mutex mutex_;
  std::deque<Script> scripts_;
  std::optional<Error> check_failure_;
  std::set<std::string> stored_;
  int builds_ = 0, running_ = 0;
};

}  // namespace sovirt
