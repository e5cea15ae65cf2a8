#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/json.hpp"
#include "daemon/domain/catalog.hpp"
#include "daemon/domain/executor.hpp"
#include "daemon/domain/plan.hpp"
#include "daemon/domain/ports/packet_filter.hpp"

namespace sovirt {

// The rules of all objects together, which are in the kernel as one table. What an object asks of it is its share, a
// small document that steps carry; the table is made from the shares of everything in the catalog, with those of the
// steps that have run since instead of what is committed. Thread-safe.
class PacketRules {
 public:
  PacketRules(Catalog& catalog, PacketFilter& filter) : catalog_(catalog), filter_(filter) {}

  static Json share_of_bridge(const Resource&);
  static Json share_of_container(const Resource&);   // as it is while it runs; null if it publishes nothing

  // The step that gives the object this share (null: none), if the kernel does not show so already. Only an object
  // that has a stake in the table looks at the kernel for it, so that a host without rules pays nothing.
  void plan(const Resource&, const Json& share, bool has_stake, Plan&);
  // Throws Error{unsupported} if this host cannot have rules at all.
  void require(const char* what) const;
  // Chains of others in the way of what is forwarded, "" if none are.
  std::string obstacle();
  ActionTable actions();
  // Forgets what ran and is not committed: the catalog has all of it, or nothing does.
  void reset();
  std::shared_ptr<void> watch(std::function<void()> changed);

 private:
  FilterRules rules_with(const std::string& uid, const Json* share) const;   // mutex_ held
  void set(const std::string& uid, const Json& share);
  bool intact();                                                             // mutex_ held

  Catalog& catalog_;
  PacketFilter& filter_;
  std::mutex mutex_;
  std::map<std::string, Json> run_;       // shares of steps, by uid
  // The kernel is asked again only after somebody has changed something.
  std::mutex seen_mutex_;
  std::uint64_t changes_ = 1, seen_ = 0;  // seen_: of the look that found all well
};

}  // namespace sovirt
