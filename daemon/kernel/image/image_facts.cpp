#include "daemon/kernel/image/image_facts.hpp"

#include "daemon/base/unique_fd.hpp"
#include "daemon/kernel/mount/elf_file.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::image {

std::string architecture_of(int root, const std::vector<std::string>& others) {
  std::vector<std::string> paths{"/bin/sh", "/sbin/init", "/bin/bash", "/bin/busybox", "/usr/bin/env", "/init"};
  paths.insert(paths.end(), others.begin(), others.end());
  for (const std::string& path : paths) {
    const unique_fd file = rootfs::open_regular(root, path);
    rootfs::ElfFile elf;
    if (file && rootfs::read_elf(file.get(), elf) == rootfs::ElfVerdict::fine) return std::string(rootfs::architecture_text(elf));
  }
  return "unknown";
}

std::string pretty_name(std::string_view text) {
  constexpr std::string_view key = "PRETTY_NAME=";
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (!line.starts_with(key)) continue;
    line.remove_prefix(key.size());
    if (line.size() >= 2 && (line.front() == '"' || line.front() == '\'') && line.back() == line.front()) line = line.substr(1, line.size() - 2);
    std::string name;
    for (const char byte : line.substr(0, 200))  // it goes into JSON and onto terminals
      if (byte >= ' ' && byte < 0x7f && byte != '\\') name += byte;
    return name.empty() ? "unknown" : name;
  }
  return "unknown";
}

std::string os_of(int root) {
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    const unique_fd file = rootfs::open_regular(root, path);
    std::string text;
    if (file && rootfs::read_file(file.get(), 65536, text)) return pretty_name(text);
  }
  return "unknown";
}

}  // namespace sovirt::image
