#include "api/container_copy.hpp"

#include <nlohmann/json.hpp>

#include "api/names.hpp"
#include "api/reader.hpp"

namespace sovirt {
namespace {

std::string read_name(ObjectReader& in, const char* key) {
  in.require(key);
  std::string name = in.string(key, 1024).value_or("");
  if (in.has(key) && in.raw(key)->is_string() && !valid_name(name))
    in.fail(key, "format", "\"" + name.substr(0, 80) + "\" cannot be a name: ^[a-z][a-z0-9-]{0,62}$");
  return name;
}

std::string read_only_name(const Json& json, const char* key) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  std::string name = read_name(in, key);
  in.finish();
  throw_if_any(std::move(errors));
  return name;
}

constexpr std::string_view identities[] = {"fail", "regenerate", "keep"};

}  // namespace

std::string_view identity_text(Identity identity) noexcept { return identities[static_cast<int>(identity)]; }

CopyRequest read_copy_request(const Json& json) {
  std::vector<FieldError> errors;
  ObjectReader in{json, "", errors};
  CopyRequest request;
  request.name = read_name(in, "name");
  request.identity = static_cast<Identity>(in.choice("identity", {identities[0], identities[1], identities[2]}).value_or(0));
  in.finish();
  throw_if_any(std::move(errors));
  return request;
}

std::string read_rename_request(const Json& json) { return read_only_name(json, "name"); }
std::string read_snapshot_request(const Json& json) { return read_only_name(json, "name"); }
std::string read_restore_request(const Json& json) { return read_only_name(json, "snapshot"); }

}  // namespace sovirt
