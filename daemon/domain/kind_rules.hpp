#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/bridge.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/plan.hpp"

namespace sovirt {

// Where a kind says that the kernel has changed. Cheap, and callable from any thread.
class Notice {
 public:
  virtual ~Notice() = default;
  virtual void look_at(const std::string& uid) = 0;  // soon: changes come in bursts, one look serves them all
  virtual void look_at_all(Kind) = 0;                // something was missed
};

// What one kind of object is: all that writes, repair and the restore after a boot know of it. A new kind is one of
// these, with a spec in api/. Every function may be called from several threads; the caller of check(), plan() and
// what commits holds the object's lock. Throws Error.
class KindRules {
 public:
  virtual ~KindRules() = default;
  virtual Kind kind() const noexcept = 0;

  // The canonical spec, and the facts that are decided once and kept. `before`: what is replaced, or nullptr.
  virtual void complete(Resource& wanted, const Resource* before) const = 0;
  // Values that only one object of the host may hold.
  virtual std::vector<Claim> claims(const Resource&) const { return {}; }
  // Uids of what it needs, which cannot be deleted as long as it is there.
  virtual std::vector<std::string> references(const Resource&) const { return {}; }
  // To be held, beside its own lock, while a change or repair of it is decided and run. `spec` is as the client sent it.
  virtual std::vector<std::string> lock_keys(const Json& /*spec*/) const { return {}; }
  // Against the rest of the host and against what is there.
  virtual void check(const Resource& /*wanted*/, const Entry* /*before*/) const {}
  // From what the kernel has to what the spec asks; empty: it is so. `before`: nullptr where it is to be made.
  virtual Plan plan(const Resource& wanted, const Entry* before) const = 0;
  // What is committed beside the resource, with its first revision or a later one.
  virtual void amend(Commit&, const Resource& /*wanted*/, const Entry* /*before*/) const {}

  virtual void check_removal(const Entry&) const {}
  virtual Plan plan_removal(const Resource&) const = 0;
  virtual void after_removal(const Entry&) {}  // committed: nobody can want it back

  // A look into the kernel that is short enough for the event loop. Has "state"; "ready" where all is well.
  virtual Json status(const Entry&) const = 0;
  virtual ActionTable actions() = 0;

  // Compared with the kernel at start, after a boot and on notice; then plan() is also what repairs.
  virtual bool reconciled() const noexcept { return false; }
  virtual Policy policy(const Resource&) const { return Policy::repair; }
  // Once at start, the journal resolved: what carries the instance's mark and belongs to nobody goes.
  virtual void collect_orphans(std::string_view /*instance*/) {}
  // Listens to the kernel until the handle dies.
  virtual std::shared_ptr<void> watch(Notice&) { return nullptr; }
};

// The kinds in the order in which they are restored: what others stand on comes first.
class Kinds {
 public:
  explicit Kinds(std::vector<KindRules*> in_order) : in_order_(std::move(in_order)) {}
  KindRules& of(Kind) const;
  // What KeyedLocks takes for it: its own key and those that its kind asks for.
  std::vector<std::string> lock_keys(Kind, std::string_view name, const Json& spec) const;
  const std::vector<KindRules*>& all() const noexcept { return in_order_; }

 private:
  std::vector<KindRules*> in_order_;
};

}  // namespace sovirt
