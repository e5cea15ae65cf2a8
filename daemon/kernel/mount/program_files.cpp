#include "daemon/kernel/mount/program_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <deque>
#include <set>
#include <unistd.h>

#include "daemon/kernel/mount/elf_file.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

constexpr int deepest_script = 4;
constexpr std::size_t most_libraries = 1024;
constexpr const char* absent = " is not in the root file system";
constexpr const char* which_is_absent = ", which is not in the root file system";

// The interpreter of a `#!` line, "" if the file has none. Source: execve(2), "Interpreter scripts".
std::string script_interpreter(int fd) {
  std::array<char, 256> head{};  // BINPRM_BUF_SIZE
  const ssize_t count = ::pread(fd, head.data(), head.size(), 0);
  if (count < 3 || head[0] != '#' || head[1] != '!') return {};
  std::string_view line{head.data() + 2, static_cast<std::size_t>(count) - 2};
  line = line.substr(0, line.find('\n'));
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  return std::string(line.substr(0, line.find_first_of(std::string_view{" \t\0", 3})));
}

// musl's linker is its own libc: these names never come from a file.
bool inside_musl(const std::string& name, const std::string& interpreter) {
  if (!base_name(interpreter).starts_with("ld-musl-")) return false;
  for (const char* own : {"libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet."})
    if (name.starts_with(own)) return true;
  return false;
}

class Walk {
 public:
  Walk(int root, LibraryOrder order, ElfCache& cache) : root_(root), order_(order), cache_(&cache) {}

  ProgramFiles run(const std::string& path) {
    program(path, 0);
    return std::move(result_);
  }

 private:
  struct Object { std::string name; ElfFile elf; std::vector<std::string> run_paths; };

  void missing(std::string text) {
    if (!result_.missing) result_.missing = std::move(text);
  }

  void add(const std::string& path) {
    if (seen_.insert(path).second) result_.paths.push_back(path);
  }

  void program(const std::string& path, int depth) {
    const unique_fd found{open_in_root(root_, path, O_PATH)};
    struct stat facts{};
    if (!found || ::fstat(found.get(), &facts) != 0) return missing(path + absent);
    if (!S_ISREG(facts.st_mode) || (facts.st_mode & 0111) == 0) return missing(path + " is not executable");
    add(path);
    ElfFile elf;
    switch (cache_->read(found.get(), facts, elf)) {
      case ElfVerdict::fine: return linked(path, elf, found.get());
      case ElfVerdict::damaged: return missing(path + " is a damaged ELF file");
      case ElfVerdict::not_elf: return script(path, script_interpreter(reopen_for_reading(found.get()).get()), depth);
    }
  }

  void script(const std::string& path, const std::string& interpreter, int depth) {
    if (interpreter.empty()) return missing(path + " is not executable: neither an ELF program nor a script with a #! line");
    if (depth == deepest_script) return missing(path + " is not executable: its #! lines nest too deep");
    // A relative interpreter is looked up from the process's directory, which is the root unless asked otherwise.
    const std::string target = tidy(interpreter);
    if (unique_fd there{open_in_root(root_, target, O_PATH)}; !there) return missing(path + " needs " + interpreter + which_is_absent);
    program(target, depth + 1);
  }

  void linked(const std::string& path, const ElfFile& elf, int fd) {
    if (!runs_here(elf)) return missing(path + " is a program for " + std::string(architecture_text(elf)) + ", which this host cannot run");
    if (elf.interpreter.empty() && elf.needed.empty()) return;
    if (!elf.interpreter.empty() && !interpreter(path, elf)) return;
    const bool runs_by_path = !elf.rpath.empty() || !elf.runpath.empty();
    libraries(path, elf, runs_by_path ? parent_of(real_path(root_, fd)) : std::string{});
  }

  bool interpreter(const std::string& path, const ElfFile& elf) {
    const std::string target = tidy(elf.interpreter);
    const unique_fd found{open_in_root(root_, target, O_PATH)};
    struct stat facts{};
    if (!found || ::fstat(found.get(), &facts) != 0) {
      missing(path + " needs " + elf.interpreter + which_is_absent);
      return false;
    }
    ElfFile loader;
    const bool regular = S_ISREG(facts.st_mode) && (facts.st_mode & 0111) != 0;
    if (!regular || cache_->read(found.get(), facts, loader) != ElfVerdict::fine || loader.machine != elf.machine) {
      missing(path + " needs " + elf.interpreter + ", which is not executable");
      return false;
    }
    add(target);
    files_.insert({facts.st_dev, facts.st_ino});
    return true;
  }

  // Breadth first, as ld.so does: an object's own run path counts for what it needs itself, an RPATH (unless the
  // object has a RUNPATH) for what its needs need too.
  void libraries(const std::string& path, const ElfFile& elf, const std::string& origin) {
    LibrarySearch search{root_, elf, elf.interpreter.empty() ? std::string{} : tidy(elf.interpreter), order_, *cache_};
    const std::vector<std::string> inherited = elf.runpath.empty() ? expand_run_path(elf.rpath, origin, elf) : std::vector<std::string>{};
    std::deque<Object> queue;
    queue.push_back({path, elf, run_paths(elf, origin, {})});
    // The linker is loaded already: libraries that need it by name are content with that.
    std::set<std::string> names{std::string(base_name(elf.interpreter))};
    while (!queue.empty()) {
      const Object object = std::move(queue.front());
      queue.pop_front();
      for (const std::string& name : object.elf.needed) {
        if (!names.insert(name).second || inside_musl(name, elf.interpreter)) continue;
        auto found = search.find(name, object.run_paths);
        if (!found) {
          const std::string through = object.name == path ? "" : " (through " + std::string(base_name(object.name)) + ")";
          return missing(path + " needs " + name + through + which_is_absent);
        }
        if (names.size() > most_libraries) return missing(path + " needs more than a thousand libraries");
        add(found->path);
        if (!files_.insert({found->device, found->inode}).second) continue;
        std::vector<std::string> paths = run_paths(found->elf, found->directory, inherited);
        queue.push_back({found->path, std::move(found->elf), std::move(paths)});
      }
    }
  }

  static std::vector<std::string> run_paths(const ElfFile& elf, const std::string& origin, const std::vector<std::string>& inherited) {
    if (!elf.runpath.empty()) return expand_run_path(elf.runpath, origin, elf);
    std::vector<std::string> own = expand_run_path(elf.rpath, origin, elf);
    own.insert(own.end(), inherited.begin(), inherited.end());
    return own;
  }

  int root_;
  LibraryOrder order_;
  ElfCache* cache_;
  ProgramFiles result_;
  std::set<std::string> seen_;
  std::set<std::pair<dev_t, ino_t>> files_;
};

bool executable(int root, const std::string& path, bool& there) {
  const unique_fd found{open_in_root(root, path, O_PATH)};
  struct stat facts{};
  there = found && ::fstat(found.get(), &facts) == 0 && !S_ISDIR(facts.st_mode);
  return there && S_ISREG(facts.st_mode) && (facts.st_mode & 0111) != 0;
}

}  // namespace

ProgramFiles program_files(int root, const std::string& path, LibraryOrder order, ElfCache& cache) {
  return Walk{root, order, cache}.run(path);
}

std::optional<std::string> find_command(int root, std::string_view name, std::string_view path_variable) {
  std::optional<std::string> second_best;
  for (int count = 0; count < 256; ++count) {
    const std::size_t colon = path_variable.find(':');
    const std::string path = tidy(std::string(path_variable.substr(0, colon)) + "/" + std::string(name));
    bool there = false;
    if (executable(root, path, there)) return path;
    if (there && !second_best) second_best = path;
    if (colon == std::string_view::npos) break;
    path_variable.remove_prefix(colon + 1);
  }
  return second_best;
}

}  // namespace sovirt::rootfs
