#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sovirt::ctl {

// What a stream leads to. Colour and width are for terminals only: a pipe gets plain, whole text.
struct Terminal {
  bool is_terminal = false;
  bool colour = false;
  bool unicode = false;    // the locale is UTF-8
  int width = 0;           // columns; 0: no limit
};

// descriptor 1 or 2. Honours NO_COLOR, TERM=dumb and COLUMNS.
Terminal examine_terminal(int descriptor, bool no_colour);

enum class Style { plain, strong, dim, good, warn, bad, info };

// The text with the escape sequences of the style around it, or as it is.
std::string styled(std::string_view text, Style, bool colour);

// Columns that the text takes on a terminal (UTF-8; one per code point, none for combining marks).
int display_width(std::string_view text);
std::string clipped(std::string_view text, int width);  // with … at the end where it was cut
std::vector<std::string> wrapped(const std::string& words, int width);  // at spaces; never empty

// Without control bytes and broken UTF-8: what comes from elsewhere must not steer the terminal.
std::string printable(std::string_view text);

}  // namespace sovirt::ctl
