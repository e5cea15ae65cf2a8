#include "tests/unit/domain/host.hpp"

namespace sovirt::tests {
namespace {

const Json spec{{"source", {{"type", "binaries"}, {"binaries", {"/bin/busy"}}}}};

TEST(Images, ABuildIsAnOperationAndTheSameAgainIsNothing) {
  Host host;
  host.start();
  host.image();
  EXPECT_EQ(host.images.builds(), 1);
  EXPECT_TRUE(host.put(Kind::image, "busy", spec).operation.empty());
  EXPECT_EQ(host.images.builds(), 1);
  host.service().remove(Kind::image, "busy", {});
  EXPECT_TRUE(host.images.stored().empty());
}

TEST(Images, AFailedBuildLeavesNoImage) {
  Host host;
  host.start();
  FakeImageBuilder::Script script;
  script.failure = Error{Code::invalid, "no such package"};
  host.images.next(script);
  const std::string id = host.put(Kind::image, "busy", spec).operation;
  Host::eventually([&] { return host.service().operation(id).at("state") == "failed"; });
  EXPECT_EQ(host.service().operation(id).at("error").at("detail"), "no such package");
  EXPECT_EQ(code_of([&] { host.service().get(Kind::image, "busy"); }), Code::not_found);
}

TEST(Images, CancelEndsItAndASecondBuildOfOneNameIsBusy) {
  Host host;
  host.start();
  FakeImageBuilder::Script script;
  script.delay = std::chrono::seconds{30};
  host.images.next(script);
  const std::string id = host.put(Kind::image, "busy", spec).operation;
  EXPECT_EQ(conflicts_of([&] { host.put(Kind::image, "busy", spec); }), std::vector<std::string>{"operation/" + id});
  bool told = false;
  const auto handle = host.service().on_operation_end(id, [&] { told = true; });
  host.service().cancel(id);
  Host::eventually([&] { return host.service().operation(id).at("state") == "cancelled"; });
  Host::eventually([&] { return told; });
  EXPECT_EQ(host.images.running(), 0);
}

TEST(Images, AnOperationOfADeadDaemonIsInterrupted) {
  Host host;
  host.start();
  OperationRow row;
  row.id = "abc";
  row.kind = "image.build";
  row.object = "image/busy";
  row.state = "running";
  row.created_at = row.updated_at = now();
  host.store->put_operation(row);
  host.start();
  EXPECT_EQ(host.service().operation("abc").at("state"), "interrupted");
}

}  // namespace
}  // namespace sovirt::tests
