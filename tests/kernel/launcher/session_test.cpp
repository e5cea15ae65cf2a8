#include <poll.h>
#include <signal.h>

#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/domain/ports/terminals.hpp"
#include "tests/kernel/launcher/fixture.hpp"

namespace sovirt::test {
namespace {

class SessionTest : public LauncherTest {
 protected:
  void SetUp() override {
    LauncherTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    launched_ = host().start("a", {"/bin/sleep", "600"});
  }
  std::unique_ptr<ExecSession> open(const std::string& script, std::optional<WindowSize> size = std::nullopt, bool keep = false) {
    SessionRequest request;
    request.process.command = {"sh", "-c", script};
    request.terminal = size;
    request.keep = keep;
    return launcher().terminals().open_exec("a", request);
  }
  // What is read until the text is in it, or the end.
  static std::string read(int fd, const std::string& text = "no such text") {
    std::string seen;
    for (int round = 0; round < 500 && seen.find(text) == std::string::npos; ++round) {
      pollfd one{fd, POLLIN, 0};
      ::poll(&one, 1, 20);
      char block[4096];
      const ssize_t size = ::read(fd, block, sizeof block);
      if (size > 0) seen.append(block, static_cast<std::size_t>(size));
      else if (size == 0 || errno != EAGAIN) break;
    }
    return seen;
  }
  static ExitStatus end(ExecSession& session) {
    for (int round = 0; round < 500; ++round) {
      pollfd one{session.end_fd(), POLLIN, 0};
      ::poll(&one, 1, 20);
      if (const auto status = session.end()) return *status;
    }
    ADD_FAILURE() << "it does not end";
    return {};
  }
  bool runs(const std::string& word) {
    return host().exec("a", {"sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"}).output.find(word) != std::string::npos;
  }
  Launched launched_;
};
INSTANTIATE_TEST_SUITE_P(Launcher, SessionTest, all_modes(), mode_name);

TEST_P(SessionTest, has_three_pipes) {
  const auto session = open("cat; echo bad >&2; exit 5");
  EXPECT_FALSE(session->has_terminal());
  ASSERT_EQ(::write(session->input(), "good\n", 5), 5);
  session->close_input();
  EXPECT_EQ(read(session->output()), "good\n");
  EXPECT_EQ(read(session->errors()), "bad\n");
  EXPECT_EQ(end(*session).code, 5);
}

TEST_P(SessionTest, has_a_terminal_that_has_a_name_inside) {
  const auto session = open("tty; stty size; read line; stty size; echo got $line; exit 2", WindowSize{33, 77});
  EXPECT_EQ(session->errors(), -1);
  const std::string seen = read(session->output(), "33 77");
  EXPECT_NE(seen.find("/dev/pts/"), std::string::npos) << seen;
  session->resize({44, 88});
  ASSERT_EQ(::write(session->input(), "word\n", 5), 5);
  const std::string rest = read(session->output());
  EXPECT_NE(rest.find("44 88\r\ngot word"), std::string::npos) << rest;
  EXPECT_EQ(end(*session).code, 2);
}

TEST_P(SessionTest, a_terminal_belongs_to_its_user) {
  SessionRequest request;
  request.process.command = {"sh", "-c", "stat -c %u:%a $(tty); echo over > $(tty)"};
  request.process.user = UserSpec{1000, 1000};
  request.terminal = WindowSize{};
  const auto session = launcher().terminals().open_exec("a", request);
  const std::string seen = read(session->output());
  EXPECT_NE(seen.find("1000:620"), std::string::npos) << seen;
  EXPECT_NE(seen.find("over"), std::string::npos) << seen;
}

TEST_P(SessionTest, takes_signals) {
  const auto session = open("trap 'echo caught; exit 3' USR1; echo up; while :; do sleep 0.05; done");
  EXPECT_EQ(read(session->output(), "up\n"), "up\n");
  session->signal(SIGUSR1);
  EXPECT_EQ(read(session->output()), "caught\n");
  EXPECT_EQ(end(*session).code, 3);
}

TEST_P(SessionTest, given_up_it_ends_with_all_it_started) {
  for (const bool terminal : {false, true}) {
    auto session = open("sleep 4811 & (setsid sleep 4812 &); echo up; sleep 4813", terminal ? std::optional{WindowSize{}} : std::nullopt);
    read(session->output(), "up");
    session.reset();
    EXPECT_TRUE(soon([&] { return !runs("481"); }));
    EXPECT_TRUE(alive(launched_.init.pid));
  }
}

TEST_P(SessionTest, given_up_it_goes_on_if_it_is_to_be_kept) {
  for (const bool terminal : {false, true}) {
    const std::string mark = terminal ? "/tmp/kept-t" : "/tmp/kept-p";
    auto session = open("echo up; i=0; while [ $i -lt 40 ]; do head -c 5000 /dev/zero; i=$((i+1)); done; touch " + mark,
                        terminal ? std::optional{WindowSize{}} : std::nullopt, true);
    read(session->output(), "up");
    session.reset();
    EXPECT_TRUE(soon([&] { return std::filesystem::exists(host().root().string() + mark); })) << mark;
  }
}

TEST_P(SessionTest, says_before_it_begins_what_cannot_be_executed) {
  SessionRequest request;
  request.process.command = {"/bin/nosuch"};
  for (const bool terminal : {false, true}) {
    if (terminal) request.terminal = WindowSize{};
    try {
      launcher().terminals().open_exec("a", request);
      ADD_FAILURE() << "it was executed";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::invalid) << error.detail();
    }
  }
  EXPECT_THROW(launcher().terminals().open_exec("nosuch", request), Error);
}

TEST_P(SessionTest, takes_no_other_file_for_a_terminal) {
  host().exec("a", {"sh", "-c", "rm -f /dev/ptmx; mkfifo /dev/ptmx"});
  EXPECT_THROW(open("true", WindowSize{}), Error);
  host().exec("a", {"sh", "-c", "rm -f /dev/ptmx; echo > /dev/ptmx"});
  EXPECT_THROW(open("true", WindowSize{}), Error);
  EXPECT_EQ(host().exec("a", {"echo", "well"}).output, "well\n");
}

class ConsoleWatchTest : public LauncherTest {
 protected:
  struct Seen { std::string text; std::uint64_t end = 0; std::optional<ExitStatus> exit; bool gap = false; };
  static void read(ConsoleWatch& watch, Seen& seen, const std::string& text, int rounds = 250) {
    for (int round = 0; round < rounds && seen.text.find(text) == std::string::npos && !seen.exit;) {
      const auto news = watch.read();
      if (!news) {
        pollfd one{watch.fd(), POLLIN, 0};
        ::poll(&one, 1, 20);
        ++round;
        continue;
      }
      if (news->kind == ConsoleWatch::News::Kind::lost) return;
      if (news->kind == ConsoleWatch::News::Kind::ended) {
        seen.exit = news->exit;
        return;
      }
      seen.gap = seen.gap || news->offset != seen.end;
      seen.text += news->bytes;
      seen.end = news->offset + news->logged;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Launcher, ConsoleWatchTest, all_modes(), mode_name);

TEST_P(ConsoleWatchTest, several_see_the_same_and_type) {
  host().sh("a", "read word; echo got $word; exit 4");
  const auto one = launcher().terminals().watch_console("a"), other = launcher().terminals().watch_console("a");
  Seen first, second;
  first.end = one->begin();
  second.end = other->begin();
  ASSERT_EQ(::write(one->terminal(), "hello\n", 6), 6);
  read(*one, first, "nothing like it");
  read(*other, second, "nothing like it");
  for (const Seen& seen : {first, second}) {
    EXPECT_NE(seen.text.find("got hello"), std::string::npos) << seen.text;
    EXPECT_FALSE(seen.gap);
    ASSERT_TRUE(seen.exit);
    EXPECT_EQ(seen.exit->code, 4);
  }
}

TEST_P(ConsoleWatchTest, who_does_not_read_holds_nobody_up_and_sees_the_gap) {
  host().sh("a", "read go; i=0; while [ $i -lt 400 ]; do i=$((i+1)); printf '%05000d\\n' $i; done; echo finished; read end");
  const auto slow = launcher().terminals().watch_console("a"), fast = launcher().terminals().watch_console("a");
  Seen late, seen;
  late.end = slow->begin();
  seen.end = fast->begin();
  ASSERT_EQ(::write(fast->terminal(), "go\n", 3), 3);
  read(*fast, seen, "finished");
  const auto whole = [&] { return launcher().console_log(host().log_path("a"), 0, 64 << 20); };
  ASSERT_TRUE(soon([&] { return whole().bytes.find("finished") != std::string::npos; }));
  read(*slow, late, "finished", 50);
  EXPECT_TRUE(late.gap);
  // The offsets say what is to be looked up.
  EXPECT_EQ(late.end, whole().end);
}

TEST_P(ConsoleWatchTest, is_refused_without_one) {
  host().spec.isolation = Isolation::chroot;
  host().start("a", {});   // which runs nothing of its own
  EXPECT_THROW(launcher().terminals().watch_console("a"), Error);
  EXPECT_THROW(launcher().terminals().watch_console("nosuch"), Error);
}

TEST_P(ConsoleWatchTest, survives_a_daemon_that_goes_away) {
  host().sh("a", "while read word; do echo got $word; done");
  auto watch = launcher().terminals().watch_console("a");
  ASSERT_EQ(::write(watch->terminal(), "one\n", 4), 4);
  Seen seen;
  seen.end = watch->begin();
  read(*watch, seen, "got one\r\n");   // all of it: what came later would be behind where we were
  watch.reset();
  host().restart_daemon();
  watch = launcher().terminals().watch_console("a");
  EXPECT_EQ(watch->begin(), seen.end);
  ASSERT_EQ(::write(watch->terminal(), "two\n", 4), 4);
  read(*watch, seen, "got two");
  EXPECT_FALSE(seen.gap);
}

}  // namespace
}  // namespace sovirt::test
