#pragma once
#include <map>
#include <mutex>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/layer_files.hpp"
#include "tests/fakes/rootfs/fake_root_filesystems.hpp"

namespace sovirt {

// Layers of the fake root file systems: what was written to one, under the layer's own path. Thread-safe.
class FakeLayerFiles final : public LayerFiles {
 public:
  explicit FakeLayerFiles(FakeRootFilesystems& roots) : roots_(roots) {}

  // For tests.
  void fail_call(int n, Error error);   // the n-th call of the port from now on, 1: the next
  int calls() const;
  int identities() const;               // given

  void freeze(const std::string& directory, const std::string& layer) override;
  void unfreeze(const std::string& directory, const std::string& layer) override;
  bool unchanged(const std::string& directory, const std::string& below) override;
  void reset(const std::string& directory, const std::string& below, const std::string& aside) override;
  void take_back(const std::string& directory, const std::string& aside) override;
  void copy(const std::string& source, const std::string& layer, std::stop_token, const std::function<void(std::uint64_t)>& progress) override;
  void merge(const std::string& upper, const std::string& lower, const std::string& into) override;
  bool remove(const std::string& layer) override;
  std::uint64_t size(const std::string& layer) override;
  bool has_identity(const std::string& path) override;
  void new_identity(int rootfs) override;

 private:
  void count_call();
  void move(const std::string& from, const std::string& to);

  FakeRootFilesystems& roots_;
  mutable std::mutex mutex_;
  std::map<int, Error> failures_;
  int calls_ = 0, identities_ = 0;
};

}  // namespace sovirt
