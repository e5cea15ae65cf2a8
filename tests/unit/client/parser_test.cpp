#include <gtest/gtest.h>

#include <sstream>

#include "client/ctl/help.hpp"
#include "client/ctl/parser.hpp"

namespace sovirt::ctl {
namespace {

// A small tree with one of everything.
struct Tree {
  Tree() : root("ctl", "a program") {
    root.option("-o,--output", "FORMAT", "how", output).among({"table", "json"});
    root.flag("-q,--quiet", "less", quiet);
    Command& box = root.command("box", "boxes").alias("boxes");
    Command& make = box.command("make", "make one");
    make.positional("NAME", "its name", name);
    make.option("-l,--label", "K=V", "labels", labels);
    make.option("--size", "N", "size", size);
    make.option("--in", "BOX", "another", in).of(Names::bridges);
    make.option("--nic", "X", "nic", nics);
    make.runs([](Session&) { return 0; });
    Command& run = box.command("run", "run in one");
    run.positional("NAME", "which", name);
    run.alias("go");
    run.tail("COMMAND", tail);
    run.positionals("WORDS", "words", words, Names::none, false);
    run.runs([](Session&) { return 0; });
    Command& rm = box.command("rm", "remove some");
    rm.positionals("NAME", "which", words, Names::containers);
    rm.runs([](Session&) { return 0; });
    root.command("list", "list all").runs([](Session&) { return 0; });
  }
  Command root;
  std::optional<std::string> output, size, in;
  std::string name;
  std::vector<std::string> labels, tail, words, nics;
  bool quiet = false;
};

using Words = std::vector<std::string>;

TEST(Parser, OptionsAnywhere) {
  for (const Words& words : {Words{"-o", "json", "box", "make", "a", "--label", "x=1", "--label", "y=2", "-q"},
                             Words{"box", "make", "--label", "x=1", "a", "-q", "--label=y=2", "--output=json"},
                             Words{"box", "-q", "make", "-l", "x=1", "-l", "y=2", "a", "-o", "json"}}) {
    Tree tree;
    const Parsed parsed = parse(tree.root, words);
    EXPECT_EQ(parsed.command->path(), "ctl box make");
    EXPECT_EQ(tree.name, "a");
    EXPECT_EQ(tree.output, "json");
    EXPECT_EQ(tree.labels, (Words{"x=1", "y=2"}));
    EXPECT_TRUE(tree.quiet);
  }
}

TEST(Parser, NamesThatAreCommandsToo) {
  Tree tree;
  parse(tree.root, {"boxes", "make", "list"});
  EXPECT_EQ(tree.name, "list");
}

TEST(Parser, TailIsLeftAlone) {
  Tree tree;
  parse(tree.root, {"box", "go", "a", "--", "ls", "-o", "--", "json"});
  EXPECT_EQ(tree.tail, (Words{"ls", "-o", "--", "json"}));
  EXPECT_FALSE(tree.output.has_value());
}

TEST(Parser, NegativeValuesAndRepeatedPositionals) {
  Tree tree;
  parse(tree.root, {"box", "make", "a", "--size", "-5"});
  EXPECT_EQ(tree.size, "-5");
  Tree other;
  parse(other.root, {"box", "rm", "a", "b", "c"});
  EXPECT_EQ(other.words, (Words{"a", "b", "c"}));
}

struct Wrong {
  Words words;
  std::string detail, hint;
};

TEST(Parser, SaysWhatIsWrong) {
  const std::vector<Wrong> all{
      {{"bxo"}, "unknown command 'bxo' for 'ctl'", "did you mean 'ctl box'?"},
      {{"box", "mkae"}, "unknown command 'mkae' for 'ctl box'", "did you mean 'ctl box make'?"},
      {{"zzzzzz"}, "unknown command 'zzzzzz' for 'ctl'", "'ctl --help' lists the commands"},
      {{"box", "make", "--lable", "x=1"}, "unknown option '--lable'", "did you mean '--label'?"},
      {{"box", "make"}, "NAME is required", "usage: ctl box make NAME [OPTIONS]"},
      {{"box", "make", "a", "b"}, "unexpected word 'b'", "usage: ctl box make NAME [OPTIONS]"},
      {{"box", "make", "a", "--size"}, "--size needs a value", "usage: ctl box make NAME [OPTIONS]"},
      {{"box", "make", "a", "--size", "1", "--size", "2"}, "--size is given more than once", "usage: ctl box make NAME [OPTIONS]"},
      {{"list", "-o", "xml"}, "--output: 'xml' is not one of table, json", ""},
      {{"list", "--", "x"}, "'ctl list' takes nothing after '--'", "usage: ctl list"},
      {{"box", "run", "a", "ls", "-la"}, "unknown option '-la'", "put '--' before the command that is to be run: ctl box run NAME [WORDS…] [-- COMMAND…]"},
  };
  for (const Wrong& wrong : all) {
    Tree tree;
    try {
      parse(tree.root, wrong.words);
      ADD_FAILURE() << "no error: " << wrong.detail;
    } catch (const UsageError& error) {
      EXPECT_EQ(error.what(), wrong.detail);
      EXPECT_EQ(error.hint(), wrong.hint);
    }
  }
}

TEST(Parser, HelpWinsOverMissingWords) {
  Tree tree;
  const Parsed parsed = parse(tree.root, {"box", "make", "--help"});
  EXPECT_TRUE(parsed.help);
  EXPECT_NE(help_text(*parsed.command, {}).find("ctl box make NAME [OPTIONS]"), std::string::npos);
}

Words completed(const Words& typed) {
  Tree tree;
  const auto names = [](Names kind) { return kind == Names::containers ? Words{"web", "db"} : kind == Names::bridges ? Words{"br0", "br1"} : Words{}; };
  std::istringstream lines(complete(tree.root, typed, names));
  Words words;
  for (std::string line; std::getline(lines, line);) words.push_back(line.substr(0, line.find('\t')));
  return words;
}

TEST(Completion, CommandsOptionsValuesNames) {
  EXPECT_EQ(completed({""}), (Words{"box", "list"}));
  EXPECT_EQ(completed({"b"}), (Words{"box"}));
  EXPECT_EQ(completed({"box", "r"}), (Words{"run", "rm"}));
  EXPECT_EQ(completed({"box", "rm", ""}), (Words{"web", "db"}));
  EXPECT_EQ(completed({"box", "rm", "web", "d"}), (Words{"db"}));
  EXPECT_EQ(completed({"-o", ""}), (Words{"table", "json"}));
  EXPECT_EQ(completed({"-o", "json", "box", "rm", "w"}), (Words{"web"}));
  EXPECT_EQ(completed({"box", "make", "x", "--in", "br"}), (Words{"br0", "br1"}));
  EXPECT_EQ(completed({"box", "make", "x", "--s"}), (Words{"--size"}));
  EXPECT_EQ(completed({"list", "--out"}), (Words{"--output"}));
  EXPECT_EQ(completed({"box", "make", ""}), Words{});
  EXPECT_EQ(completed({"box", "run", "a", "--", ""}), Words{});
}

TEST(Completion, InsideOfANic) {
  EXPECT_EQ(completed({"box", "make", "x", "--nic", "br"}), (Words{"bridge="}));
  EXPECT_EQ(completed({"box", "make", "x", "--nic", "bridge=b"}), (Words{"bridge=br0", "bridge=br1"}));
  EXPECT_EQ(completed({"box", "make", "x", "--nic", "bridge=br0,ga"}), (Words{"bridge=br0,gateway="}));
}

TEST(ManPage, HasEveryCommandAndEscapes) {
  Tree tree;
  const std::string page = man_page(tree.root);
  for (const char* part : {".TH SOVIRTCTL 1", "ctl box make NAME [OPTIONS]", ".SS \"ctl box rm", "\\-\\-label", ".SH \"EXIT STATUS\""})
    EXPECT_NE(page.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace sovirt::ctl
