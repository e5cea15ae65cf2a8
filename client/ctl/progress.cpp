#include "client/ctl/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace sovirt::ctl {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds patience{500};
constexpr milliseconds between_lines{5000};

// Progress is an extra: a stderr that takes no more bytes must not end the command.
void write_stderr(const std::string& bytes) {
  if (::write(STDERR_FILENO, bytes.data(), bytes.size()) < 0) return;
}

std::string repeated(const char* text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

}  // namespace

void Progress::begin(std::string doing) {
  doing_ = std::move(doing);
  message_.clear();
  percent_ = -1;
  active_ = !quiet_ && !doing_.empty();
  start_ = last_line_ = steady_clock::now();
}

void Progress::update(int percent, std::string message) {
  percent_ = std::min(percent, 100);
  message_ = printable(message);
}

std::string Progress::line(milliseconds elapsed) const {
  const std::string seconds = std::to_string(elapsed.count() / 1000) + "s";
  if (!terminal_.is_terminal) {
    std::string out = doing_ + ":";
    if (percent_ >= 0) out += " " + std::to_string(percent_) + " %" + (message_.empty() ? "" : ",");
    if (!message_.empty()) out += " " + message_;
    return out + " (" + seconds + ")";
  }
  static constexpr std::array<const char*, 10> fine{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  static constexpr std::array<const char*, 4> coarse{"-", "\\", "|", "/"};
  const auto turn = static_cast<std::size_t>(elapsed.count() / 100);
  std::string out = styled(terminal_.unicode ? fine[turn % fine.size()] : coarse[turn % coarse.size()], Style::info, terminal_.colour);
  // Three columns stay free, or the terminal's "^C" would wrap and leave the line out of reach.
  int room = (terminal_.width > 0 ? terminal_.width : 80) - 3 - 1 - 2 - static_cast<int>(seconds.size()) - 2;
  const std::string doing = clipped(doing_, room);
  out += " " + doing;
  room -= display_width(doing);
  if (percent_ >= 0 && room > 6) {
    const int bar_width = room > 60 ? 24 : room > 26 ? 12 : 0;
    const int full = percent_ * bar_width / 100;
    const std::string done = repeated(terminal_.unicode ? "━" : "#", full);
    // Told apart by brightness with colour, by shape without.
    const std::string rest = repeated(!terminal_.unicode ? "." : terminal_.colour ? "━" : "╌", bar_width - full);
    const std::string number = std::to_string(percent_);
    out += (bar_width > 0 ? "  " : "") + styled(done, Style::info, terminal_.colour) + styled(rest, Style::dim, terminal_.colour) +
           std::string(4 - std::min<std::size_t>(3, number.size()), ' ') + number + "%";
    room -= bar_width + (bar_width > 0 ? 7 : 5);
  }
  if (!message_.empty() && room > 8) out += "  " + clipped(message_, room - 2);
  return out + "  " + styled(seconds, Style::dim, terminal_.colour);
}

void Progress::tick() {
  const auto time = steady_clock::now();
  const auto elapsed = std::chrono::duration_cast<milliseconds>(time - start_);
  if (!active_ || elapsed < patience) return;
  if (terminal_.is_terminal) {
    write_stderr("\r\x1b[K" + line(elapsed));
    drawn_ = true;
  } else if (time - last_line_ >= between_lines) {
    write_stderr(line(elapsed) + "\n");
    last_line_ = time;
  }
}

void Progress::clear() {
  if (drawn_) write_stderr("\r\x1b[K");
  drawn_ = false;
}

void Progress::end() {
  clear();
  active_ = false;
}

}  // namespace sovirt::ctl
