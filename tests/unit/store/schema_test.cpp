#include "daemon/store/schema.hpp"

#include <sys/stat.h>

#include "tests/unit/store/fixture.hpp"

namespace sovirt {
namespace {

class SchemaTest : public StoreTest {
 protected:
  void tamper(const char* sql) const {
    Database database{path(), Database::Mode::read_write};
    database.run(sql);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{directory_}) names.push_back(entry.path().filename());
    return names;
  }
};

TEST_F(SchemaTest, a_new_database) {
  auto store = open();
  EXPECT_TRUE(store->healthy());
  const Database look{path(), Database::Mode::read_only};
  auto& database = const_cast<Database&>(look);
  EXPECT_EQ(database.number("PRAGMA application_id"), store_application_id);
  EXPECT_EQ(database.number("PRAGMA user_version"), built_in_migrations().back().version);
  EXPECT_EQ(database.number("SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND NOT strict"), 0);
  EXPECT_EQ(database.quick_check(), "");
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(SchemaTest, migrations_are_numbered_without_gaps) {
  int number = 0;
  for (const auto& migration : built_in_migrations()) EXPECT_EQ(migration.version, ++number);
  EXPECT_GT(number, 0);
}

TEST_F(SchemaTest, an_older_schema_is_migrated_after_a_backup) {
  open()->commit({}, put_named(Kind::bridge, "b"));
  std::vector<Migration> more{built_in_migrations().begin(), built_in_migrations().end()};
  const int before = more.back().version;
  more.push_back({before + 1, "CREATE TABLE later (x INTEGER) STRICT; INSERT INTO later SELECT count(*) FROM resource;"});
  {
    const auto opened = open_database(path(), more);
    EXPECT_EQ(opened.database->number("PRAGMA user_version"), before + 1);
    EXPECT_EQ(opened.database->number("SELECT x FROM later"), 1);
  }
  Database backup{path() + ".backup-" + std::to_string(before), Database::Mode::immutable};
  EXPECT_EQ(backup.number("PRAGMA user_version"), before);
  EXPECT_EQ(backup.number("SELECT count(*) FROM resource"), 1);
  EXPECT_EQ(backup.quick_check(), "");
  for (const auto& name : files()) EXPECT_EQ(name.find(".partial"), std::string::npos) << name;
  EXPECT_EQ(error_of([&] { open(); }).substr(0, 9), "conflict:");  // by now it is newer than this version
}

TEST_F(SchemaTest, a_migration_that_fails_changes_nothing) {
  open()->commit({}, put_named(Kind::bridge, "b"));
  std::vector<Migration> more{built_in_migrations().begin(), built_in_migrations().end()};
  more.push_back({more.back().version + 1, "CREATE TABLE later (x INTEGER) STRICT; DELETE FROM resource; CREATE TABLE resource (x INTEGER);"});
  EXPECT_EQ(error_of([&] { open_database(path(), more); }).substr(0, 9), "internal:");
  const auto store = open();
  EXPECT_TRUE(store->healthy());
  EXPECT_EQ(store->load().resources.size(), 1u);
}

TEST_F(SchemaTest, a_newer_schema_is_refused_and_left_byte_for_byte) {
  open()->commit({}, put_named(Kind::bridge, "b"));
  tamper("PRAGMA user_version=99");
  const auto before = bytes_of(path());
  const auto names = files();
  const auto error = error_of([&] { open(); });
  EXPECT_EQ(error.substr(0, 9), "conflict:");
  EXPECT_NE(error.find("schema 99"), std::string::npos) << error;
  EXPECT_EQ(bytes_of(path()), before);
  EXPECT_EQ(files(), names);  // nor a -wal or -shm beside it
}

TEST_F(SchemaTest, also_when_the_newer_version_died_and_left_a_wal) {
  open();
  run_and_die([&] {
    Database database{path(), Database::Mode::read_write};
    database.run("PRAGMA journal_mode=WAL; PRAGMA user_version=99");
    new Database{path(), Database::Mode::read_only};  // never closed, and so is the other one's -wal
    ::kill(::getpid(), SIGKILL);
  });
  const auto before = bytes_of(path()), wal_before = bytes_of(path() + "-wal");
  ASSERT_FALSE(wal_before.empty());
  EXPECT_NE(error_of([&] { open(); }).find("schema 99"), std::string::npos);
  EXPECT_EQ(bytes_of(path()), before);
  EXPECT_EQ(bytes_of(path() + "-wal"), wal_before);
}

TEST_F(SchemaTest, a_database_of_another_program_is_refused_and_left_byte_for_byte) {
  for (const char* sql : {"PRAGMA application_id=4711; CREATE TABLE t (x)", "PRAGMA application_id=0; CREATE TABLE t2 (x)"}) {
    tamper(sql);
    const auto before = bytes_of(path());
    EXPECT_NE(error_of([&] { open(); }).find("another program"), std::string::npos) << sql;
    EXPECT_EQ(bytes_of(path()), before);
  }
}

TEST_F(SchemaTest, what_a_death_within_the_creation_leaves_is_no_obstacle) {
  tamper("PRAGMA journal_mode=WAL");
  EXPECT_EQ(error_of([&] { open()->commit({}, put_named(Kind::bridge, "b")); }), "");
  EXPECT_EQ(open()->load().resources.size(), 1u);
}

TEST_F(SchemaTest, a_directory_that_is_not_there_is_said_so) {
  EXPECT_NE(error_of([&] { open_store({directory_ + "/absent/sovirt.db", 0}); }).find("absent/sovirt.db: open: No such file"), std::string::npos);
}

}  // namespace
}  // namespace sovirt
