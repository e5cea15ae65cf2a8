#include "daemon/domain/kind_rules.hpp"

namespace sovirt {

KindRules& Kinds::of(Kind kind) const {
  for (KindRules* rules : in_order_)
    if (rules->kind() == kind) return *rules;
  throw Error{Code::internal, "no rules for the kind " + std::string{kind_text(kind)}};
}

std::vector<std::string> Kinds::lock_keys(Kind kind, std::string_view name, const Json& spec) const {
  std::vector<std::string> keys = of(kind).lock_keys(spec);
  keys.push_back(object_ref(kind, name));
  return keys;
}

}  // namespace sovirt
