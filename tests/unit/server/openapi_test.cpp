#include <gtest/gtest.h>

#include <set>

#include "daemon/server/dispatcher.hpp"
#include "http_client.hpp"

namespace sovirt::test {
namespace {

void collect_references(const Json& node, std::set<std::string>& found) {
  if (node.is_object() && node.contains("$ref")) found.insert(node["$ref"].get<std::string>());
  if (node.is_structured())
    for (const auto& child : node) collect_references(child, found);
}

class OpenApi : public testing::Test {
 protected:
  FakeService service;
  FakeLog log;
  Dispatcher dispatcher{service, log, "1.2.3", 1 << 20};
  RunningServer running;
  Json document = running.call("GET", "/v1/openapi.json").json();
};

TEST_F(OpenApi, HasEveryRouteAndNoOther) {
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::size_t operations = 0;
  for (const auto& [path, methods] : document["paths"].items()) operations += methods.size();
  EXPECT_EQ(operations, dispatcher.router().routes().size());
  for (const auto& route : dispatcher.router().routes()) {
    std::string method = route->method;
    for (char& c : method) c = static_cast<char>(c + 32);
    EXPECT_TRUE(document["paths"].contains(route->pattern) && document["paths"][route->pattern].contains(method)) << method << " " << route->pattern;
  }
}

TEST_F(OpenApi, DeclaresEveryPathParameter) {
  for (const auto& [path, methods] : document["paths"].items()) {
    std::set<std::string> wanted;
    for (std::size_t at = 0; (at = path.find('{', at)) != std::string::npos; ++at) wanted.insert(path.substr(at + 1, path.find('}', at) - at - 1));
    for (const auto& [method, operation] : methods.items()) {
      std::set<std::string> declared;
      if (operation.contains("parameters"))
        for (const auto& parameter : operation["parameters"])
          if (parameter["in"] == "path") declared.insert(parameter["name"].get<std::string>());
      EXPECT_EQ(declared, wanted) << method << " " << path;
    }
  }
}

TEST_F(OpenApi, ReferencesResolveAndNoSchemaIsLeftOver) {
  std::set<std::string> references, schemas;
  collect_references(document, references);
  for (const auto& [name, schema] : document["components"]["schemas"].items()) schemas.insert("#/components/schemas/" + name);
  EXPECT_EQ(references, schemas);
}

TEST_F(OpenApi, OperationIdsAreUniqueAndAnswersAreThere) {
  std::set<std::string> ids;
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      EXPECT_TRUE(ids.insert(operation["operationId"].get<std::string>()).second) << path;
      EXPECT_FALSE(operation["summary"].get<std::string>().empty());
      bool success = false;
      for (const auto& [status, response] : operation["responses"].items()) {
        success = success || status[0] == '2' || status == "101";
        EXPECT_NE(response["description"], "code: ") << path << " " << status;
      }
      EXPECT_TRUE(success) << path;
    }
}

// What the document promises of a parameter is what the server does with it.
TEST_F(OpenApi, UndeclaredQueryIsRefusedOnEveryGet) {
  for (const auto& [path, methods] : document["paths"].items()) {
    if (!methods.contains("get")) continue;
    std::string target = path;
    for (std::size_t at; (at = target.find('{')) != std::string::npos;) target.replace(at, target.find('}') - at + 1, "abc");
    EXPECT_EQ(running.call("GET", target + "?undeclared=1").code(), "bad-query") << target;
  }
}

TEST_F(OpenApi, EveryChangeOfABodyRefusesNone) {
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      if (!operation.contains("requestBody") || !operation["requestBody"]["required"].get<bool>()) continue;
      std::string target = path, verb = method;
      for (std::size_t at; (at = target.find('{')) != std::string::npos;) target.replace(at, target.find('}') - at + 1, "abc");
      for (char& c : verb) c = static_cast<char>(c - 32);
      const char* separator = "?";
      for (const auto& parameter : operation.value("parameters", Json::array()))
        if (parameter.value("required", false) && parameter["in"] == "query") {
          target += separator + parameter["name"].get<std::string>() + "=/abc";
          separator = "&";
        }
      EXPECT_EQ(running.call(verb, target).code(), "malformed") << verb << " " << target;
    }
}

}  // namespace
}  // namespace sovirt::test
