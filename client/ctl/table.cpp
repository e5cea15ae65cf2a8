#include "client/ctl/table.hpp"

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

namespace sovirt::ctl {

namespace {

constexpr int gap = 2;

struct Laid {
  const Column* column;
  std::vector<Cell> cells;
  int width = 0;
};

std::vector<Laid> lay(const std::vector<Column>& columns, const std::vector<nlohmann::json>& rows, bool wide) {
  std::vector<Laid> laid;
  for (const Column& column : columns) {
    if (column.wide && !wide) continue;
    Laid one{&column, {}, display_width(column.heading)};
    for (const auto& row : rows) {
      Cell cell = column.cell(row);
      cell.text = printable(cell.text);
      if (cell.text.empty()) cell = Cell("-", Style::dim);
      one.width = std::max(one.width, display_width(cell.text));
      one.cells.push_back(std::move(cell));
    }
    laid.push_back(std::move(one));
  }
  return laid;
}

int total(const std::vector<Laid>& laid) {
  return std::accumulate(laid.begin(), laid.end(), -gap, [](int sum, const Laid& one) { return sum + one.width + gap; });
}

// The widest column that can still give gives first. False: they cannot give enough.
bool shrink(std::vector<Laid>& laid, int width) {
  while (total(laid) > width) {
    Laid* widest = nullptr;
    for (Laid& one : laid) {
      const int least = std::max(one.column->shrinks_to, display_width(one.column->heading));
      if (one.column->shrinks_to > 0 && one.width > least && (widest == nullptr || one.width > widest->width)) widest = &one;
    }
    if (widest == nullptr) return false;
    --widest->width;
  }
  return true;
}

// Where shrinking is not enough the least important column goes, and the others get their full width back to try again.
void fit(std::vector<Laid>& laid, int width) {
  for (;;) {
    std::vector<Laid> tried = laid;
    const auto least = std::min_element(laid.begin(), laid.end(), [](const Laid& a, const Laid& b) { return a.column->importance < b.column->importance; });
    const bool fits = shrink(tried, width);
    if (fits || least == laid.end() || least->column->importance >= 10) {
      laid = std::move(tried);
      return;
    }
    laid.erase(least);
  }
}

void append_padded(std::string& line, const std::string& text, const Laid& in, Style style, bool colour, bool last) {
  const std::string shown = clipped(text, in.width);
  const std::string space(static_cast<std::size_t>(std::max(0, in.width - display_width(shown))), ' ');
  if (in.column->right) line += space;
  line += styled(shown, style, colour);
  if (!last) line += (in.column->right ? "" : space) + std::string(gap, ' ');
}

}  // namespace

std::string render_table(const std::vector<Column>& columns, const std::vector<nlohmann::json>& rows, const Terminal& terminal,
                         bool wide, int indent) {
  std::vector<Laid> laid = lay(columns, rows, wide);
  if (terminal.width > 0 && !wide) fit(laid, terminal.width - indent);
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  std::string out = margin;
  for (const Laid& one : laid) append_padded(out, one.column->heading, one, indent == 0 ? Style::strong : Style::dim, terminal.colour, &one == &laid.back());
  out += "\n";
  for (std::size_t row = 0; row < rows.size(); ++row) {
    out += margin;
    for (const Laid& one : laid) append_padded(out, one.cells[row].text, one, one.cells[row].style, terminal.colour, &one == &laid.back());
    out += "\n";
  }
  return out;
}

}  // namespace sovirt::ctl
