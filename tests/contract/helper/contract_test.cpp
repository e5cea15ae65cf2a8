// The port of supervised helpers, held against the fake and against processes of this machine.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "api/json.hpp"
#include "daemon/base/error.hpp"
#include "daemon/kernel/helper/helper_processes.hpp"
#include "tests/fakes/helper/fake_helpers.hpp"
#include "tests/support/soon.hpp"

namespace sovirt {
namespace {

class FakeWorld {
 public:
  Helpers& helpers() { return helpers_; }
  void kill(const std::string& key) { helpers_.kill(key); }
  void write(const std::string& key, const std::string& file, const std::string& text) { helpers_.write(key, file, text); }
  void restart_daemon() {}

 private:
  fakes::FakeHelpers helpers_;
};

class RealWorld {
 public:
  RealWorld() : folder_(std::filesystem::temp_directory_path() / ("sovirt-helpers-" + std::to_string(::getpid()))) { restart_daemon(); }
  RealWorld(const RealWorld&) = delete;
  RealWorld& operator=(const RealWorld&) = delete;
  ~RealWorld() {
    for (const std::string& key : helpers_->known()) helpers_->stop(key);
    std::filesystem::remove_all(folder_);
  }
  Helpers& helpers() { return *helpers_; }
  pid_t pid(const std::string& key) const {
    std::ifstream in(folder_ / key / "identity.json");
    const Json who = Json::parse(in);
    return who.at("pid").get<pid_t>();
  }
  void kill(const std::string& key) const { ::kill(pid(key), SIGKILL); }
  void write(const std::string& key, const std::string& file, const std::string& text) const { std::ofstream(folder_ / key / file) << text; }
  void restart_daemon() {
    helpers_.reset();
    helpers_ = make_helpers({folder_, "", "boot-1"});
  }
  void reboot() {
    helpers_.reset();
    helpers_ = make_helpers({folder_, "", "boot-2"});
  }

 private:
  std::filesystem::path folder_;
  std::unique_ptr<Helpers> helpers_;
};

HelperSpec sleeper(const std::string& seconds = "1000") {
  return {"sleeper", "sleep", {seconds}, {{"config", "in {dir}"}}, {{"hosts", "one"}}};
}

template <class World>
class HelpersTest : public testing::Test {
 protected:
  World world;
  Helpers& helpers() { return world.helpers(); }
};
using Worlds = testing::Types<FakeWorld, RealWorld>;
TYPED_TEST_SUITE(HelpersTest, Worlds);

TYPED_TEST(HelpersTest, StartsOnceAndStopsWithoutATrace) {
  auto& helpers = this->helpers();
  EXPECT_TRUE(helpers.installed("sleep"));
  EXPECT_FALSE(helpers.runs(sleeper()));
  EXPECT_FALSE(helpers.stop("sleeper"));
  helpers.start(sleeper(), -1);
  EXPECT_TRUE(helpers.runs(sleeper()));
  helpers.start(sleeper(), -1);
  EXPECT_EQ(helpers.known(), (std::vector<std::string>{"sleeper"}));
  EXPECT_EQ(helpers.read("sleeper", "hosts"), "one");
  EXPECT_TRUE(helpers.stop("sleeper"));
  EXPECT_FALSE(helpers.runs(sleeper()));
  EXPECT_TRUE(helpers.known().empty());
  EXPECT_EQ(helpers.read("sleeper", "hosts"), std::nullopt);
}

TYPED_TEST(HelpersTest, AnotherSpecIsAnotherProcessAndDataIsNot) {
  auto& helpers = this->helpers();
  helpers.start(sleeper(), -1);
  HelperSpec same = sleeper();
  same.data["hosts"] = "two";
  EXPECT_TRUE(helpers.runs(same));
  EXPECT_FALSE(helpers.runs(sleeper("2000")));
  helpers.start(sleeper("2000"), -1);
  EXPECT_TRUE(helpers.runs(sleeper("2000")));
  EXPECT_FALSE(helpers.runs(sleeper()));
}

TYPED_TEST(HelpersTest, ItsEndIsTold) {
  auto& helpers = this->helpers();
  std::atomic<int> told{0};
  const auto handle = helpers.watch([&](std::string_view key) { told += key == "sleeper" ? 1 : 100; });
  helpers.start(sleeper(), -1);
  this->world.kill("sleeper");
  EXPECT_TRUE(soon([&] { return told == 1; }));
  EXPECT_FALSE(helpers.runs(sleeper()));
  helpers.start(sleeper(), -1);
  EXPECT_TRUE(helpers.runs(sleeper()));
  helpers.stop("sleeper");
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  EXPECT_EQ(told, 1) << "a stop that was asked for is no news";
}

TYPED_TEST(HelpersTest, GivesFilesAndReadsThem) {
  auto& helpers = this->helpers();
  EXPECT_FALSE(helpers.give("sleeper", "hosts", "two"));
  helpers.start(sleeper(), -1);
  this->world.write("sleeper", "leases", "from the helper");
  EXPECT_EQ(helpers.read("sleeper", "leases"), "from the helper");
  EXPECT_EQ(helpers.read("sleeper", "nothing"), std::nullopt);
  EXPECT_FALSE(helpers.give("sleeper", "hosts", "one"));
}

TYPED_TEST(HelpersTest, AMissingProgramIsUnsupported) {
  if constexpr (std::is_same_v<TypeParam, FakeWorld>) static_cast<fakes::FakeHelpers&>(this->helpers()).uninstall("no-such-program");
  EXPECT_FALSE(this->helpers().installed("no-such-program"));
  HelperSpec spec = sleeper();
  spec.program = "no-such-program";
  try {
    this->helpers().start(spec, -1);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

class RealHelpers : public testing::Test {
 protected:
  RealWorld world;
};

TEST_F(RealHelpers, OutlivesTheDaemonAndIsAdopted) {
  world.helpers().start(sleeper(), -1);
  const pid_t pid = world.pid("sleeper");
  world.restart_daemon();
  std::atomic<int> told{0};
  const auto handle = world.helpers().watch([&](std::string_view) { ++told; });
  EXPECT_TRUE(world.helpers().runs(sleeper()));
  world.helpers().start(sleeper(), -1);
  EXPECT_EQ(world.pid("sleeper"), pid);
  world.kill("sleeper");
  EXPECT_TRUE(soon([&] { return told == 1; }));
}

TEST_F(RealHelpers, OfAnotherBootIsGone) {
  world.helpers().start(sleeper(), -1);
  const pid_t pid = world.pid("sleeper");
  world.reboot();
  EXPECT_FALSE(world.helpers().runs(sleeper()));
  ::kill(pid, SIGKILL);
}

TEST_F(RealHelpers, OneThatEndsAtOnceSaysWhy) {
  try {
    world.helpers().start({"broken", "sh", {"-c", "echo no such thing >&2; exit 3"}, {}, {}}, -1);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_NE(error.detail().find("no such thing"), std::string::npos) << error.detail();
  }
}

TEST_F(RealHelpers, AGivenFileIsSignalled) {
  world.helpers().start({"hup", "sh", {"-c", "trap 'cp {dir}/hosts {dir}/seen' HUP; while :; do sleep 0.05; done"}, {}, {{"hosts", "one"}}}, -1);
  EXPECT_TRUE(world.helpers().give("hup", "hosts", "two"));
  EXPECT_TRUE(soon([&] { return world.helpers().read("hup", "seen") == "two"; }));
}

}  // namespace
}  // namespace sovirt
