#pragma once
#include <set>
#include <string>

#include "api/container.hpp"
#include "daemon/domain/catalog.hpp"

namespace sovirt {

// Gives each NIC of a copy what nobody on the host holds: fixed MACs become generated ones, fixed addresses the next free
// one of the same subnet. Throws Error{duplicate} with the field where a subnet is full.
void take_free_addresses(ContainerSpec&, const Catalog&);

// The first address of the subnet behind `from` that nobody holds, no bridge hands out and `taken` does not name.
// Throws Error{duplicate} where there is none.
Cidr free_address(const Cidr& from, const NicSpec&, const Catalog&, const std::set<std::string>& taken);

}  // namespace sovirt
