#include "daemon/domain/kind_rules.hpp"

namespace sovirt {

KindRules& Kinds::of(Kind kind) const {
  for (KindRules* rules : in_order_)
    if (rules->kind() == kind) return *rules;
  throw Error{Code::internal, "no rules for the kind " + std::string{kind_text(kind)}};
}

}  // namespace sovirt
