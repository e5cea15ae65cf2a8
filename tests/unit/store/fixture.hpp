#pragma once
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "daemon/base/error.hpp"
#include "daemon/store/sqlite_store.hpp"

namespace sovirt {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "sovirt-store-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/sovirt.db"; }
  std::unique_ptr<Store> open(std::int64_t most_pages = 0) const { return open_store({path(), most_pages}); }

  static Resource resource(Kind kind, const std::string& name, std::int64_t revision = 1) {
    const Time at{std::chrono::seconds{1'700'000'000 + revision}};
    return {kind, name, "aaaaaaaa-" + std::string{kind_text(kind)} + name, revision, {{"tier", "front"}}, {{"image", "debian"}}, {{"digest", "d"}}, at, at};
  }
  static Commit put(const Resource& what, std::optional<std::int64_t> expected = std::nullopt) {
    Commit commit;
    commit.put = what;
    commit.expected_revision = expected;
    commit.actor = {1000, 42, "req"};
    return commit;
  }
  static Commit put_named(Kind kind, const std::string& name) { return put(resource(kind, name), 0); }
  static Event event(const std::string& type) { return {0, Time{std::chrono::seconds{5}}, type, "container", "web", "u", {{"k", 1}}, "req"}; }

  static std::string bytes_of(const std::string& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }

  std::string directory_;
};

// The Error a call throws, as "code: detail [conflicts]"; "" if it throws none.
inline std::string error_of(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    std::string text = std::string{code_text(error.code())} + ": " + error.detail() + " [";
    for (const auto& name : error.conflicts_with()) text += name + ",";
    return text + "]";
  }
}

// Runs work in a process that ends by SIGKILL, as a daemon that is killed at that point.
inline void run_and_die(const std::function<void()>& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      work();
    } catch (...) {
      ::_exit(3);
    }
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
}

}  // namespace sovirt
