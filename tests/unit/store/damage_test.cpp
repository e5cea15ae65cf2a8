#include <cerrno>

#include "tests/unit/store/fixture.hpp"
#include "tests/unit/store/io_faults.hpp"

namespace sovirt {
namespace {

class DamageTest : public StoreTest {
 protected:
  void fill(int count) {
    auto store = open();
    for (int i = 0; i < count; ++i) store->commit({}, put_named(Kind::container, "c" + std::to_string(i)));
    store->set_meta("instance", "abcdefgh");
  }
  void overwrite(std::size_t offset, std::size_t count) const {
    std::fstream file{path(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(static_cast<std::streamoff>(offset));
    file << std::string(count, '\xa5');
  }
  static void expect_read_only(Store& store) {
    EXPECT_FALSE(store.healthy());
    const std::function<void()> writes[] = {[&] { store.begin({}); }, [&] { store.commit({}, put_named(Kind::bridge, "new")); }, [&] { store.abandon(1); },
                                            [&] { store.put_operation({}); }, [&] { store.audit({}); }, [&] { store.expire(Time{}); }, [&] { store.set_meta("a", "b"); }};
    for (const auto& write : writes) {
      try {
        write();
        ADD_FAILURE() << "a write into a damaged database went through";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unavailable);
        EXPECT_FALSE(error.hint().empty());
      }
    }
  }
};

TEST_F(DamageTest, damaged_pages_leave_what_can_be_read_and_no_writes) {
  fill(200);
  const auto size = std::filesystem::file_size(path());
  // All but the first sixteen pages, with the tables' roots: enough is left to be read in part.
  ASSERT_GT(size, 24u * 4096);
  for (std::size_t page = 16; page < size / 4096; page += 2) overwrite(page * 4096, 4096);
  const auto before = bytes_of(path());
  {
    auto store = open();
    const auto state = store->load();
    EXPECT_LT(state.resources.size(), 200u);
    EXPECT_EQ(store->meta("instance"), "abcdefgh");
    expect_read_only(*store);
  }
  EXPECT_EQ(bytes_of(path()), before);
}

TEST_F(DamageTest, a_file_without_its_header_gives_nothing_and_loses_nothing) {
  fill(3);
  overwrite(0, 100);
  const auto before = bytes_of(path());
  {
    auto store = open();
    EXPECT_TRUE(store->load().resources.empty());
    EXPECT_EQ(error_of([&] { store->meta("instance"); }).substr(0, 12), "unavailable:");
    expect_read_only(*store);
  }
  EXPECT_EQ(bytes_of(path()), before);
}

TEST_F(DamageTest, a_truncated_file) {
  fill(100);
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) / 2);
  const auto before = bytes_of(path());
  {
    auto store = open();
    store->load();
    expect_read_only(*store);
  }
  EXPECT_EQ(bytes_of(path()), before);
}

TEST_F(DamageTest, a_document_that_is_not_json) {
  fill(3);
  auto text = bytes_of(path());
  const std::string spec = R"({"image":"debian"})";
  for (auto at = text.find(spec); at != text.npos; at = text.find(spec, at + 1)) text[at] = 'x';
  std::ofstream{path(), std::ios::binary} << text;
  auto store = open();
  EXPECT_TRUE(store->healthy());  // SQLite sees nothing wrong with it
  store->load();
  expect_read_only(*store);
}

TEST_F(DamageTest, damage_that_shows_later) {
  fill(200);
  auto store = open();
  ASSERT_TRUE(store->healthy());
  const auto size = std::filesystem::file_size(path());
  for (std::size_t page = 16; page < size / 4096; ++page) overwrite(page * 4096, 4096);
  store->load();
  expect_read_only(*store);
}

TEST_F(DamageTest, a_page_limit_is_a_full_disk_and_nothing_worse) {
  auto store = open(60);
  std::string error;
  int count = 0;
  for (; count < 2000 && error.empty(); ++count) error = error_of([&] { store->commit({}, put_named(Kind::container, "c" + std::to_string(count))); });
  EXPECT_EQ(error.substr(0, 10), "disk-full:") << error;
  EXPECT_TRUE(store->healthy());
  EXPECT_EQ(store->load().resources.size(), static_cast<std::size_t>(count - 1));
  Commit removal;
  removal.remove_uid = resource(Kind::container, "c0").uid;
  EXPECT_EQ(error_of([&] { store->commit({}, removal); }), "");
}

TEST_F(DamageTest, a_full_disk_while_an_entry_is_abandoned) {
  auto store = open();
  const auto journal = store->begin({0, "container/web", "u", nullptr, nullptr, false});
  io_faults::set_error(ENOSPC);
  EXPECT_EQ(error_of([&] { store->commit(journal, put_named(Kind::container, "web")); }).substr(0, 10), "disk-full:");
  EXPECT_EQ(error_of([&] { store->abandon(journal); }), "");
  EXPECT_EQ(error_of([&] { store->begin({}); }).substr(0, 10), "disk-full:");
  io_faults::set_error(0);
  EXPECT_TRUE(store->healthy());
  EXPECT_EQ(store->load().journal.size(), 1u);
  store->commit({}, put_named(Kind::container, "web"));
  EXPECT_TRUE(store->load().journal.empty());  // before anything else could be committed
  EXPECT_EQ(open()->load().resources.size(), 1u);
}

TEST_F(DamageTest, an_io_error_is_unavailable_and_passes) {
  auto store = open();
  io_faults::set_error(EIO);
  EXPECT_EQ(error_of([&] { store->commit({}, put_named(Kind::bridge, "b")); }).substr(0, 12), "unavailable:");
  io_faults::set_error(0);
  EXPECT_EQ(error_of([&] { store->commit({}, put_named(Kind::bridge, "b")); }), "");
}

}  // namespace
}  // namespace sovirt
