#include "daemon/kernel/mount/library_search.hpp"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

constexpr std::size_t most_directories = 256, most_conf_bytes = 65536;
constexpr int deepest_include = 4;

struct CloseDirectory { void operator()(DIR* open) const noexcept { ::closedir(open); } };

std::string_view triplet(const ElfFile& elf) noexcept {
  const std::string_view name = architecture_text(elf);
  if (name == "amd64") return "x86_64-linux-gnu";
  if (name == "x32") return "x86_64-linux-gnux32";
  if (name == "i386") return "i386-linux-gnu";
  if (name == "arm64") return "aarch64-linux-gnu";
  if (name == "armhf") return "arm-linux-gnueabihf";
  if (name == "riscv64") return "riscv64-linux-gnu";
  if (name == "ppc64el") return "powerpc64le-linux-gnu";
  if (name == "s390x") return "s390x-linux-gnu";
  return "";
}

std::string_view lib_name(const ElfFile& elf) noexcept {
  return elf.elf_class == ELFCLASS64 ? "lib64" : architecture_text(elf) == "x32" ? "libx32" : "lib";
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  constexpr std::string_view gaps = " \t\r,:";
  while (true) {
    const std::size_t begin = line.find_first_not_of(gaps);
    if (begin == std::string_view::npos) return out;
    line.remove_prefix(begin);
    const std::size_t end = line.find_first_of(gaps);
    out.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return out;
    line.remove_prefix(end);
  }
}

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    out.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return out;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos && text.size() < 8192; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace

std::vector<std::string> expand_run_path(std::string_view text, const std::string& origin, const ElfFile& elf) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < most_directories) {
    const std::size_t colon = text.find(':');
    std::string part{text.substr(0, colon)};
    for (const auto& [name, value] : {std::pair<std::string_view, std::string_view>{"ORIGIN", origin}, {"LIB", lib_name(elf)}}) {
      part = replaced(std::move(part), "${" + std::string(name) + "}", value);
      part = replaced(std::move(part), "$" + std::string(name), value);
    }
    if (part.starts_with('/')) out.push_back(tidy(part));
    text = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  }
  return out;
}

LibrarySearch::LibrarySearch(int root, const ElfFile& program, std::string interpreter, LibraryOrder order, ElfCache& cache)
    : root_(root), program_(program), interpreter_(std::move(interpreter)), cache_(&cache) {
  if (order == LibraryOrder::as_linked) add_configured();
  add_usual();
}

void LibrarySearch::add_configured() {
  configured_ = true;
  if (base_name(interpreter_).starts_with("ld-musl-")) read_musl_path();
  else read_conf("/etc/ld.so.conf", 0);
}

void LibrarySearch::add_usual() {
  const std::string multiarch{triplet(program_)};
  if (!multiarch.empty())
    for (const char* top : {"/lib/", "/usr/lib/"}) add_default(top + multiarch);
  if (!interpreter_.empty()) add_default(parent_of(interpreter_));
  for (const char* top : {"/", "/usr/"}) add_default(top + std::string(lib_name(program_)));
  for (const char* top : {"/lib", "/usr/lib", "/usr/local/lib"}) add_default(top);
}

LibrarySearch::Directory* LibrarySearch::directory(const std::string& path) {
  const auto known = directories_.find(path);
  if (known != directories_.end()) return known->second.fd ? &known->second : nullptr;
  if (directories_.size() >= most_directories) return nullptr;
  Directory opened{path, unique_fd{open_in_root(root_, path, O_PATH | O_DIRECTORY)}};
  Directory& kept = directories_.emplace(path, std::move(opened)).first->second;
  return kept.fd ? &kept : nullptr;
}

void LibrarySearch::add_default(const std::string& path) {
  const Directory* opened = directory(path);
  struct stat facts{};
  if (!opened || ::fstat(opened->fd.get(), &facts) != 0) return;
  const std::pair key{facts.st_dev, facts.st_ino};
  if (std::find(known_.begin(), known_.end(), key) != known_.end()) return;
  known_.push_back(key);
  defaults_.push_back(path);
}

void LibrarySearch::read_conf(const std::string& path, int depth) {
  const unique_fd file = open_regular(root_, path);
  std::string text;
  if (!file || !read_file(file.get(), most_conf_bytes, text)) return;
  for (std::string_view line : lines(text)) {
    const std::vector<std::string_view> parts = words(line.substr(0, line.find('#')));
    if (parts.empty() || parts[0] == "hwcap") continue;
    if (parts[0] == "include") {
      for (std::size_t i = 1; i < parts.size() && depth < deepest_include; ++i)
        read_conf_pattern(parts[i].starts_with('/') ? std::string(parts[i]) : "/etc/" + std::string(parts[i]), depth + 1);
      continue;
    }
    for (std::string_view part : parts)
      if (part.starts_with('/')) add_default(tidy(part));
  }
}

// Only the last component has wildcards in any ld.so.conf that is met: "/etc/ld.so.conf.d/*.conf".
void LibrarySearch::read_conf_pattern(const std::string& pattern, int depth) {
  const std::string parent = parent_of(pattern), name{base_name(pattern)};
  unique_fd fd{open_in_root(root_, parent, O_RDONLY | O_DIRECTORY)};
  if (!fd) return;
  const std::unique_ptr<DIR, CloseDirectory> open{::fdopendir(fd.get())};
  if (!open) return;
  fd.release();
  std::set<std::string> names;  // in the order that glob(3) gives them to ldconfig
  while (const dirent* entry = ::readdir(open.get()))
    if (names.size() < 64 && ::fnmatch(name.c_str(), entry->d_name, FNM_PERIOD) == 0) names.insert(entry->d_name);
  for (const std::string& one : names) read_conf(parent + "/" + one, depth);
}

void LibrarySearch::read_musl_path() {
  const std::string_view machine = architecture_text(program_) == "arm64" ? "aarch64" : architecture_text(program_) == "i386" ? "i386" : "x86_64";
  const unique_fd file = open_regular(root_, "/etc/ld-musl-" + std::string(machine) + ".path");
  std::string text;
  if (file && read_file(file.get(), most_conf_bytes, text))
    for (std::string_view line : lines(text))
      for (std::string_view part : words(line))
        if (part.starts_with('/')) add_default(tidy(part));
  for (const char* path : {"/lib", "/usr/local/lib", "/usr/lib"}) add_default(path);
}

std::optional<FoundLibrary> LibrarySearch::find(const std::string& name, const std::vector<std::string>& run_paths) {
  if (name.find('/') != std::string::npos) {
    if (!name.starts_with('/')) return std::nullopt;
    return at(name, unique_fd{open_in_root(root_, name, O_PATH)});
  }
  for (const std::string& path : run_paths)
    if (auto found = in_directory(path, name)) return found;
  auto found = in_defaults(0, name);
  if (found || configured_) return found;
  const std::size_t known = defaults_.size();
  add_configured();
  return in_defaults(known, name);
}

std::optional<FoundLibrary> LibrarySearch::in_defaults(std::size_t begin, const std::string& name) {
  for (std::size_t i = begin; i < defaults_.size(); ++i)
    if (auto found = in_directory(defaults_[i], name)) return found;
  return std::nullopt;
}

std::optional<FoundLibrary> LibrarySearch::in_directory(const std::string& path, const std::string& name) {
  const Directory* opened = directory(path);
  if (!opened) return std::nullopt;
  // A single-component look-up without following: most answer ENOENT, and a link is resolved from the root below.
  unique_fd found{::openat(opened->fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
  if (!found) return std::nullopt;
  return at(path == "/" ? "/" + name : path + "/" + name, std::move(found));
}

std::optional<FoundLibrary> LibrarySearch::at(const std::string& path, unique_fd found) {
  struct stat facts{};
  if (!found || ::fstat(found.get(), &facts) != 0) return std::nullopt;
  if (S_ISLNK(facts.st_mode)) {
    found.reset(open_in_root(root_, path, O_PATH));
    if (!found || ::fstat(found.get(), &facts) != 0) return std::nullopt;
  }
  if (!S_ISREG(facts.st_mode)) return std::nullopt;
  FoundLibrary library{path, {}, facts.st_dev, facts.st_ino, {}};
  if (cache_->read(found.get(), facts, library.elf) != ElfVerdict::fine) return std::nullopt;
  if (library.elf.machine != program_.machine || library.elf.elf_class != program_.elf_class) return std::nullopt;
  if (!library.elf.rpath.empty() || !library.elf.runpath.empty()) library.directory = parent_of(real_path(root_, found.get()));
  return library;
}

}  // namespace sovirt::rootfs
