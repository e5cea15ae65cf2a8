#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "api/image.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/kernel_ports.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/operations.hpp"

namespace sovirt {

// The image kind. A build is an operation; what it commits at its end is one row that names the built tree.
class Images final : public KindRules {
 public:
  Images(Catalog& catalog, const KernelPorts& kernel, const Places& places, Executor& executor, KeyedLocks& locks,
         Operations& operations)
      : catalog_(catalog), kernel_(kernel), places_(places), executor_(executor), locks_(locks), operations_(operations) {}

  // Begins the build of `wanted` (name, spec, labels); returns the operation's id. Throws Error{busy} with the
  // operation that is building it already. `upload`: the content's path, "" if none; removed in the end.
  std::string build(const Resource& wanted, const std::string& upload, const Actor&);

  // How an image is made of a container. Set once, before any build.
  using Publish = std::function<BuiltImage(const std::string& container, const Actor&, std::stop_token, const std::function<void(Progress)>&)>;
  void publish_with(Publish publish) { publish_ = std::move(publish); }
  // A tree that is stored already, under a new name. Throws Error{exists}.
  void adopt(const std::string& name, const Json& spec, const BuiltImage&, const Actor&);
  // Keeps a tree although nobody may name it, until the handle dies.
  std::shared_ptr<void> pin(const std::string& digest);

  Kind kind() const noexcept override { return Kind::image; }
  void complete(Resource& wanted, const Resource* before) const override;
  Plan plan(const Resource&, const Entry*) const override { return {}; }
  Plan plan_removal(const Resource&) const override;
  void after_removal(const Entry&) override;
  Json status(const Entry&) const override;
  ActionTable actions() override { return {}; }

  Json templates() const;
  // Removes trees that neither an image nor a container needs any more.
  void release(const std::string& digest);
  std::vector<std::string> digests_in_use() const;

 private:
  BuiltImage make(const ImageSpec&, const std::string& upload, const Actor&, std::stop_token, const std::function<void(Progress)>&);
  Json commit_built(Resource wanted, const BuiltImage&, const Actor&);

  Catalog& catalog_;
  KernelPorts kernel_;
  const Places& places_;
  Executor& executor_;
  KeyedLocks& locks_;
  Operations& operations_;
  Publish publish_;
  mutable std::mutex mutex_;
  std::multiset<std::string> pinned_;
};

}  // namespace sovirt
