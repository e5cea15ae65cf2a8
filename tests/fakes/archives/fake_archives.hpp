#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/archives.hpp"

namespace sovirt {

// Archives as documents by path; the trees in them are all alike. Thread-safe.
class FakeArchives final : public Archives {
 public:
  // For tests.
  void fail_next(Error error);
  bool exists(const std::string& path) const;

  BuiltImage publish(int root, std::stop_token, const Report&) override;
  WrittenArchive write(int root, const std::string& document, const std::string& path, uid_t owner, std::stop_token, const Report&) override;
  std::string document(const std::string& path) override;
  BuiltImage read(const std::string& path, const std::string& digest, std::stop_token, const Report&) override;

 private:
  void fail();
  mutable std::mutex mutex_;
  std::map<std::string, std::string> documents_;
  std::optional<Error> failure_;
  int published_ = 0;
};

}  // namespace sovirt
