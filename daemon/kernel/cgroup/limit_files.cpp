// Between the writes of limits.hpp and the files of a group.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

#include "daemon/base/error.hpp"
#include "daemon/kernel/cgroup/cgroup_files.hpp"
#include "daemon/kernel/cgroup/hierarchies.hpp"
#include "daemon/kernel/cgroup/limits.hpp"
#include "daemon/kernel/cgroup/memory_room.hpp"

namespace sovirt {
namespace {

using Part = LimitWrite::Part;

// nullopt: none of the files is there.
std::optional<std::string> file_of(const LimitWrite& write, int directory) {
  if (directory < 0) return std::nullopt;
  for (const std::string& name : split_words(write.file, '|'))
    if (::faccessat(directory, name.c_str(), W_OK, 0) == 0) return name;
  return std::nullopt;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string content(int directory, const std::string& file) { return trimmed(read_text_at(directory, file.c_str()).value_or("")); }

// What stands for "no limit of its own" where only the group above can tell. On v2 an empty list is just that.
std::string value_of(const LimitWrite& write, int directory, const std::string& file) {
  if (!write.value.empty()) return write.value;
  const bool v1 = ::faccessat(directory, "cpuset.effective_cpus", F_OK, 0) == 0;
  return v1 ? content(directory, "../" + file) : "";
}

bool per_disk(const std::string& file) { return file == "io.max" || file.starts_with("blkio.throttle."); }

// Does the file say it? Files of several disks have a line each; a lifted one has none.
bool says(int directory, const std::string& file, const std::string& value) {
  const std::string text = content(directory, file);
  if (per_disk(file)) {
    const auto lines = split_words(text, '\n');
    if (std::find(lines.begin(), lines.end(), value) != lines.end()) return true;
    const std::string disk = value.substr(0, value.find(' ') + 1);
    const bool lifts = value.ends_with(" 0") || value.ends_with("rbps=max wbps=max riops=max wiops=max");
    return lifts && std::none_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.starts_with(disk); });
  }
  if (text == value || text == "default " + value) return true;
  // v1 shows "no limit" as the largest multiple of the page size.
  return value == "-1" && text.size() == 19 && text.starts_with("92233720368547");
}

std::string undo_value(int directory, const std::string& file, const std::string& value) {
  if (!per_disk(file)) return content(directory, file);
  const std::string disk = value.substr(0, value.find(' ') + 1);
  for (const std::string& line : split_words(content(directory, file), '\n'))
    if (line.starts_with(disk)) return line;
  return disk + (file == "io.max" ? "rbps=max wbps=max riops=max wiops=max" : "0");
}

bool is_memory_limit(const std::string& file) {
  return file == "memory.max" || file == "memory.limit_in_bytes" || file == "memory.memsw.limit_in_bytes";
}

// An empty write never reaches the kernel.
int put(int directory, const std::string& file, const std::string& value) {
  return try_write_at(directory, file.c_str(), value.empty() ? "\n" : value);
}

Error refusal(int number, const LimitWrite& write, const std::string& file, const std::string& value) {
  const std::string what = file + " = " + value;
  if (number == EINVAL || number == ERANGE || number == EACCES || number == ENODEV || number == ENOSPC)
    return Error{Code::invalid, "the kernel does not take " + what}
        .with_fields({{write.field, "range", "the kernel does not take " + what}})
        .with_errno(number, "write");
  if (number == EBUSY)
    return Error{Code::conflict, "the group uses more than " + what + ", and the kernel cannot reclaim enough of it"}
        .with_fields({{write.field, "in-use", "the processes use more, and the kernel cannot reclaim enough"}})
        .with_hint("nothing was changed; end some of its processes first, ask for more, or ask with memory.on_excess \"kill\"")
        .with_errno(number, "write");
  return errno_error(number, "write", what);
}

struct Done {
  int directory;
  std::string file, before;
};

}  // namespace

void check_limit_files(const std::vector<LimitWrite>& writes, const LimitDirectories& directories) {
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (writes[i].part != Part::asked || file_of(writes[i], directories[i])) continue;
    std::string detail = "this host has no usable " + writes[i].controller + " controller (" + writes[i].file + ")";
    throw Error{Code::unsupported, detail}
        .with_fields({{writes[i].field, "unsupported", detail}})
        .with_hint("GET /v1/host shows which controllers there are and where");
  }
}

std::vector<LimitWrite> missing_limits(const std::vector<LimitWrite>& writes, const LimitDirectories& directories) {
  std::vector<LimitWrite> missing;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (writes[i].part == Part::passing) continue;
    const auto file = file_of(writes[i], directories[i]);
    if (!file ? writes[i].part == Part::asked : !says(directories[i], *file, value_of(writes[i], directories[i], *file)))
      missing.push_back(writes[i]);
  }
  return missing;
}

LimitsOutcome apply_limits(const std::vector<LimitWrite>& writes, const LimitDirectories& directories, bool kill_excess) {
  check_limit_files(writes, directories);
  std::set<std::string> changing;  // a limit that is as asked must not be lifted even for a moment
  for (const LimitWrite& write : missing_limits(writes, directories)) changing.insert(write.field);
  std::vector<Done> done;
  LimitsOutcome outcome;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    const auto file = changing.contains(writes[i].field) ? file_of(writes[i], directories[i]) : std::nullopt;
    if (!file) continue;
    const std::string value = value_of(writes[i], directories[i], *file);
    if (says(directories[i], *file, value)) continue;
    Done before{directories[i], *file, undo_value(directories[i], *file, value)};
    const int number = is_memory_limit(*file) ? write_memory_limit(directories[i], *file, value, kill_excess, outcome) : put(directories[i], *file, value);
    if (number == 0) {
      done.push_back(std::move(before));
      continue;
    }
    for (auto undo = done.rbegin(); undo != done.rend(); ++undo) put(undo->directory, undo->file, undo->before);
    throw refusal(number, writes[i], *file, value);
  }
  return outcome;
}

}  // namespace sovirt
