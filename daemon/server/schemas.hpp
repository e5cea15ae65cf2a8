#pragma once
#include "api/json.hpp"

namespace sovirt {

// components.schemas of the OpenAPI document (JSON Schema 2020-12), from declared data: schemas.cpp is a table.
Json write_schemas();

}  // namespace sovirt
