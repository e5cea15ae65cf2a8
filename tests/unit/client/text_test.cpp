#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/ctl/json_text.hpp"
#include "client/ctl/progress.hpp"
#include "client/ctl/table.hpp"
#include "client/ctl/terminal.hpp"
#include "client/ctl/yaml.hpp"

namespace sovirt::ctl {
namespace {

const std::vector<Column>& columns() {
  static const std::vector<Column> all{text_column("NAME", "/name"),
                                       {"ADDRESSES", [](const Json& r) { return Cell(text(r, "/addresses")); }, 12, 9},
                                       {"SIZE", [](const Json& r) { return Cell(size_text(at(r, "/size"))); }, 0, 5, true},
                                       {"EXTRA", [](const Json& r) { return Cell(text(r, "/extra")); }, 0, 1, false, true}};
  return all;
}

std::vector<Json> rows() {
  return {{{"name", "a"}, {"addresses", {"10.0.0.1/24", "fd00::1/64"}}, {"size", 512 << 20}, {"extra", "x"}}, {{"name", "longer-name"}, {"size", 17}}};
}

TEST(Table, AlignsColumns) {
  EXPECT_EQ(render_table(columns(), rows(), {}, false),
            "NAME         ADDRESSES                SIZE\n"
            "a            10.0.0.1/24, fd00::1/64  512M\n"
            "longer-name  -                         17B\n");
}

TEST(Table, WideHasMoreColumns) {
  EXPECT_EQ(render_table(columns(), rows(), {}, true),
            "NAME         ADDRESSES                SIZE  EXTRA\n"
            "a            10.0.0.1/24, fd00::1/64  512M  x\n"
            "longer-name  -                         17B  -\n");
}

TEST(Table, CutsAndThenLeavesOutOnANarrowTerminal) {
  Terminal terminal;
  terminal.is_terminal = true;
  terminal.width = 34;
  EXPECT_EQ(render_table(columns(), rows(), terminal, false),
            "NAME         ADDRESSES        SIZE\n"
            "a            10.0.0.1/24, f…  512M\n"
            "longer-name  -                 17B\n");
  terminal.width = 26;
  EXPECT_EQ(render_table(columns(), rows(), terminal, false),
            "NAME         ADDRESSES\n"
            "a            10.0.0.1/24,…\n"
            "longer-name  -\n");
}

TEST(Table, NoTrailingSpaceAndNoEscapesWithoutColour) {
  const std::string shown = render_table(columns(), rows(), {}, false);
  EXPECT_EQ(shown.find(" \n"), std::string::npos);
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
}

TEST(Table, ColourDoesNotDisturbTheColumns) {
  Terminal terminal;
  terminal.colour = true;
  std::string shown = render_table(columns(), rows(), terminal, false);
  EXPECT_NE(shown.find("\x1b[1mNAME\x1b[0m"), std::string::npos);
  for (std::size_t begin = 0; (begin = shown.find('\x1b')) != std::string::npos;) shown.erase(begin, shown.find('m', begin) - begin + 1);
  EXPECT_EQ(shown, render_table(columns(), rows(), {}, false));
}

TEST(Table, TextFromElsewhereCannotSteerTheTerminal) {
  const std::string shown = render_table(columns(), {{{"name", "a\x1b[31mb\nc\x07"}}}, {}, false);
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
  EXPECT_NE(shown.find("a?[31mb c?"), std::string::npos) << shown;
}

TEST(Width, CountsWhatATerminalShows) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("é…"), 2);
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(clipped("abcdef", 4), "abc…");
  EXPECT_EQ(clipped("日本語", 5), "日本…");
  EXPECT_EQ(clipped("abc", 3), "abc");
  EXPECT_EQ(clipped("abc", 0), "");
  EXPECT_EQ(printable("\xff\xc3"), "??");
}

TEST(Values, AsPeopleReadThem) {
  EXPECT_EQ(size_text(536870912), "512M");
  EXPECT_EQ(size_text(1610612736), "1.5G");
  EXPECT_EQ(size_text(nullptr), "");
  EXPECT_EQ(size_text(-1), "");
  EXPECT_EQ(text(Json{"a", 1, true}), "a, 1, yes");
  EXPECT_EQ(text(Json::parse(R"({"a":{"b":[1,2]}})"), "/a/b"), "1, 2");
  EXPECT_EQ(text(Json::parse(R"({"a":5})"), "/a/b/c"), "");
  EXPECT_EQ(text(Json::parse(R"({"a":5,"b":null,"c":[1,2]})")), "a=5, b=null, c=1, 2");
  EXPECT_EQ(age("not a time"), "");
  EXPECT_EQ(moment("2020-01-02T03:04:05.678Z").substr(0, 23), "2020-01-02 03:04:05 UTC");
  EXPECT_EQ(state_cell("running").style, Style::good);
  EXPECT_EQ(state_cell("failed").style, Style::bad);
  EXPECT_EQ(state_cell("stopped").style, Style::dim);
}

TEST(Yaml, Document) {
  const Json document = Json::parse(R"({"a":1,"b":{"c":["x",{"d":null,"e":[]},[1,2]],"f":{}},"g":true,"h":1.5})");
  EXPECT_EQ(write_yaml(document),
            "a: 1\nb:\n  c:\n    - x\n    - d: null\n      e: []\n    - - 1\n      - 2\n  f: {}\ng: true\nh: 1.5\n");
  EXPECT_EQ(write_yaml(Json::array()), "[]\n");
  EXPECT_EQ(write_yaml("x"), "x\n");
}

TEST(Yaml, StringsThatWouldBeSomethingElse) {
  for (const char* word : {"", "null", "~", "Yes", "off", "1", "1.5", "0x1", "1e3", "2026-11-23", "4a:49:43", "- a", "a: b", "a #b", "*a", "&a", "!a", "%a",
                           "@a", "{a", "[a", "a\nb", "'a", "\"a", "172.16.2.1/24", "a:", " a", "a ", "true", ".inf"})
    EXPECT_EQ(write_yaml(Json(word)), Json(word).dump() + "\n") << word;
  for (const char* word : {"running", "bridge/brso1", "a-b_c.d", "it is well", "fe80::1", "/var/lib", "x=1"})
    EXPECT_EQ(write_yaml(Json(word)), std::string(word) + "\n") << word;
}

TEST(Progress, LineFitsTheTerminal) {
  Terminal terminal{true, false, true, 60};
  Progress progress(terminal, true);
  progress.begin("building image debian");
  progress.update(50, "Unpacking a package with a very long name indeed, and more");
  const std::string line = progress.line(std::chrono::seconds(12));
  EXPECT_LE(display_width(line), 60) << line;
  EXPECT_NE(line.find(" 50%"), std::string::npos) << line;
  EXPECT_NE(line.find("12s"), std::string::npos) << line;
}

TEST(Progress, PlainLineElsewhere) {
  Progress progress({}, true);
  progress.begin("building image debian");
  EXPECT_EQ(progress.line(std::chrono::seconds(5)), "building image debian: (5s)");
  progress.update(42, "Unpacking");
  EXPECT_EQ(progress.line(std::chrono::seconds(10)), "building image debian: 42 %, Unpacking (10s)");
}

}  // namespace
}  // namespace sovirt::ctl
