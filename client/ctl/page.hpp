#pragma once
#include <string>
#include <vector>

#include "api/json.hpp"
#include "client/ctl/table.hpp"

namespace sovirt::ctl {

// What `show` prints: a title, aligned fields and tables below headings.
class Page {
 public:
  Page(const Terminal& terminal, bool wide) : terminal_(terminal), wide_(wide) {}

  void title(const std::string& ref, const Cell& state);
  void section(const std::string& heading);
  void field(const std::string& label, const Cell& value);          // left out where the value is empty
  void table(const std::vector<Column>&, const std::vector<Json>& rows);
  void conditions(const Json& resource);
  void origin(const Json& resource);                                 // uid, revision, labels, times
  std::string finish();

 private:
  void flush_fields();
  Terminal terminal_;
  bool wide_;
  std::string out_;
  std::vector<std::pair<std::string, Cell>> fields_;
};

}  // namespace sovirt::ctl
