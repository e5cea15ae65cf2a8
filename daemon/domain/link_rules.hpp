#pragma once
#include <optional>
#include <string>
#include <vector>

#include "api/link.hpp"
#include "daemon/domain/container_links.hpp"
#include "daemon/domain/end_holders.hpp"
#include "daemon/domain/kind_rules.hpp"
#include "daemon/domain/netns_ports.hpp"
#include "daemon/domain/netns_rules.hpp"

namespace sovirt {

// The link kind: veth pairs between any two namespaces, bridges and containers, and the single links. The end of one whose
// container does not run waits in a namespace of sovirt's own, so that the other end stays what it is.
class LinkRules final : public KindRules, public ContainerLinks {
 public:
  LinkRules(Catalog& catalog, const NetnsRules& namespaces, const NetnsPorts& ports, NetworkKernel& network)
      : catalog_(catalog), namespaces_(namespaces), ports_(ports), network_(network) {}

  Kind kind() const noexcept override { return Kind::link; }
  void complete(Resource& wanted, const Resource* before) const override;   // facts: names and MACs that were made up
  std::vector<Claim> claims(const Resource&) const override;
  std::vector<std::string> references(const Resource&) const override;
  std::vector<std::string> lock_keys(const Json& spec) const override;
  void check(const Resource& wanted, const Entry* before) const override;
  Plan plan(const Resource& wanted, const Entry* before) const override;
  Plan plan_removal(const Resource&) const override;
  Json status(const Entry&) const override;
  ActionTable actions() override;

  bool reconciled() const noexcept override { return true; }
  Policy policy(const Resource&) const override;
  std::shared_ptr<void> watch(Notice&) override;
  void collect_orphans(std::string_view instance) override;

  void enter(const std::string& container_uid, int netns) override;
  void leave(const std::string& container_uid) override;

 private:
  struct Where {
    std::string key;          // as the watch over namespaces names it: "host", a uid, "parking"
    unique_fd netns;          // none: the host's
    bool parked = false;
    LinkEnd end(const std::string& uid, std::size_t index) const;
  };
  struct Observed {
    Where where;
    std::optional<FoundEnd> found;
    bool elsewhere = false;   // it is parked, and should not be any more
  };
  // `hold`: the namespace of a running container is kept from now on.
  Where where(const EndpointSpec&, bool hold) const;
  Where parking() const;
  Observed observe(const Resource&, const EndpointSpec&, std::size_t index) const;
  EndState wanted_state(const Resource&, const LinkSpec&, std::size_t index) const;
  void check_endpoint(const EndpointSpec&, std::size_t index) const;
  void check_names_free(const Resource&, const LinkSpec&) const;
  void require_bridges(const LinkSpec&) const;
  void plan_end(const Resource&, const LinkSpec&, std::size_t index, const Observed&, bool fresh, Plan&) const;
  void make(const Resource&) const;
  void unmake(const Resource&) const;
  void configure(const Json& args, const char* to) const;
  void heard(Notice&, const std::string& key, const LinkEvent&, bool lost) const;
  Json end_status(const Resource&, const LinkSpec&, std::size_t index, const Observed&) const;
  void move_in(const Resource& link, std::size_t index, int netns);
  template <class Visit>
  void for_each_end_in(const std::string& container_uid, Visit visit) const;

  Catalog& catalog_;
  const NetnsRules& namespaces_;
  NetnsPorts ports_;
  NetworkKernel& network_;
  Notice* notice_ = nullptr;                                              // set once, before anything runs
  mutable EndHolders holders_;                                            // uids of links
};

}  // namespace sovirt
