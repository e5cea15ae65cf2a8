#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sovirt {

// The files that tell about a host: its own, or those recorded of another one. What cannot be read is absent.
class HostTree {
 public:
  HostTree(std::string proc, std::string sys, std::string dev, std::string root);

  // "/proc/…", "/sys/…" and "/dev/…" below their roots, every other path below the root of the rest.
  std::string locate(std::string_view path) const;
  std::optional<std::string> read(std::string_view path) const;       // whole
  std::optional<std::string> read_line(std::string_view path) const;  // without blanks and NULs at its end
  bool exists(std::string_view path) const;                           // a link counts, whatever it leads to
  std::vector<std::string> list(std::string_view directory) const;    // names, sorted
  std::optional<std::string> link_name(std::string_view path) const;  // last part of where a link leads

 private:
  std::string proc_, sys_, dev_, root_;
};

bool contains_word(std::string_view text, std::string_view word);     // between blanks or commas

}  // namespace sovirt
