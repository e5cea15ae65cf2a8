#pragma once
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "client/ctl/terminal.hpp"

namespace sovirt::ctl {

struct Cell {
  Cell(std::string words = {}, Style look = Style::plain) : text(std::move(words)), style(look) {}
  std::string text;
  Style style;
};

struct Column {
  std::string heading;
  std::function<Cell(const nlohmann::json&)> cell;
  int shrinks_to = 0;   // columns it may be cut to on a narrow terminal; 0: never cut
  int importance = 10;  // on a terminal that is narrower still the least important columns are left out; 10: never
  bool right = false;   // numbers
  bool wide = false;    // only with -o wide
};

// Aligned columns two spaces apart, no borders. Ends with a newline. `indent` spaces before each line.
std::string render_table(const std::vector<Column>&, const std::vector<nlohmann::json>& rows, const Terminal&, bool wide, int indent = 0);

}  // namespace sovirt::ctl
