#include "daemon/kernel/host/host_tree.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace sovirt {
namespace fs = std::filesystem;

HostTree::HostTree(std::string proc, std::string sys, std::string dev, std::string root)
    : proc_(std::move(proc)), sys_(std::move(sys)), dev_(std::move(dev)), root_(std::move(root)) {}

std::string HostTree::locate(std::string_view path) const {
  const auto below = [&](std::string_view top) { return path == top || (path.starts_with(top) && path[top.size()] == '/'); };
  if (below("/proc")) return proc_ + std::string{path.substr(5)};
  if (below("/sys")) return sys_ + std::string{path.substr(4)};
  if (below("/dev")) return dev_ + std::string{path.substr(4)};
  return root_ + std::string{path};
}

std::optional<std::string> HostTree::read(std::string_view path) const {
  std::ifstream in{locate(path), std::ios::binary};
  if (!in) return std::nullopt;
  try {
    return std::string{std::istreambuf_iterator<char>{in}, {}};
  } catch (const std::ios_base::failure&) {
    // Some files of /proc and /sys open, but answer a read with an error (pressure files without PSI, say).
    return std::nullopt;
  }
}

std::optional<std::string> HostTree::read_line(std::string_view path) const {
  auto text = read(path);
  if (!text) return std::nullopt;
  text->erase(std::min(text->find('\n'), text->size()));
  while (!text->empty() && (text->back() == ' ' || text->back() == '\0')) text->pop_back();
  return text;
}

bool HostTree::exists(std::string_view path) const {
  std::error_code error;
  return fs::symlink_status(locate(path), error).type() != fs::file_type::not_found && !error;
}

std::vector<std::string> HostTree::list(std::string_view directory) const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at{locate(directory), error}, end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<std::string> HostTree::link_name(std::string_view path) const {
  std::error_code error;
  const fs::path target = fs::read_symlink(locate(path), error);
  return error ? std::nullopt : std::optional{target.filename().string()};
}

bool contains_word(std::string_view text, std::string_view word) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == ','; };
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || is_blank(text[at - 1])) && (end == text.size() || is_blank(text[end]))) return true;
  }
  return false;
}

}  // namespace sovirt
