#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "daemon/domain/hosts_files.hpp"
#include "daemon/domain/ids.hpp"
#include "daemon/domain/keyed_locks.hpp"
#include "daemon/domain/listing.hpp"

namespace sovirt {
namespace {

TEST(Ids, NamesFitTheKernel) {
  const std::string uid = new_uid("abcdefgh");
  EXPECT_EQ(uid.size(), 21U);
  EXPECT_TRUE(uid_is_of(uid, "abcdefgh"));
  EXPECT_FALSE(uid_is_of(uid, "abcdefg"));
  EXPECT_EQ(nic_host_name(uid, 0).size(), 14U);
  EXPECT_NE(nic_host_name(uid, 0), nic_host_name(uid, 1));
}

TEST(Glob, Matches) {
  EXPECT_TRUE(matches_glob("web*", "web1"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*b*c", "axxbyyc"));
  EXPECT_FALSE(matches_glob("web", "web1"));
  EXPECT_FALSE(matches_glob("*x", "web"));
}

TEST(ResolvConf, LeavesLoopbackServersOut) {
  EXPECT_EQ(container_resolv_conf("nameserver 127.0.0.53\nnameserver 10.0.2.3\nsearch lab\n# x\n"),
            "# written by sovirt at each start of this container\nnameserver 10.0.2.3\nsearch lab\n");
}

TEST(KeyedLocks, OneAtATimeAndNoDeadlock) {
  KeyedLocks locks;
  std::atomic<int> inside{0};
  int total = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto guard = t % 2 ? locks.lock({"a", "b"}) : locks.lock({"b", "a"});
        EXPECT_EQ(++inside, 1);
        ++total;
        --inside;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(total, 1600);
}

TEST(Lists, PagesJoinToTheWhole) {
  std::vector<std::string> names;
  for (int i = 0; i < 25; ++i) names.push_back("n" + std::to_string(100 + i));
  const auto next = [&](const std::string& after) -> std::optional<Listed> {
    for (const std::string& name : names)
      if (name > after) return Listed{name, nullptr, [name] { return Json{{"name", name}, {"state", name < "n110" ? "a" : "b"}}; }, nullptr};
    return std::nullopt;
  };
  ListQuery query;
  query.limit = 10;
  std::vector<std::size_t> sizes;
  do {
    const Page page = list_page(query, 1, next);
    sizes.push_back(page.items.size());
    query.cursor = page.next.value_or("");
  } while (!query.cursor.empty());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{10, 10, 5}));
  query.state = "a";
  const Page page = list_page(query, 1, next);
  EXPECT_EQ(page.items.size(), 10U);
  EXPECT_FALSE(page.next);
  query.cursor = "made-up";
  EXPECT_THROW(list_page(query, 1, next), Error);
}

}  // namespace
}  // namespace sovirt
