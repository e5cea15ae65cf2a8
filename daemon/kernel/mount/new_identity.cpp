#include "daemon/kernel/mount/new_identity.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/mount/host_key.hpp"
#include "daemon/kernel/mount/root_path.hpp"

namespace sovirt::rootfs {
namespace {

// What tells one system from its clone, or would make it act in the other's name.
constexpr const char* removed_files[] = {"/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret", "/etc/dhcpcd.duid",
                                         "/var/lib/dhcpcd/duid", "/var/lib/dhcpcd/secret", "/var/lib/NetworkManager/secret_key"};
struct Leases { const char* directory; std::string_view suffix; };
constexpr Leases leases[] = {{"/var/lib/dhcp", ".leases"}, {"/var/lib/dhcpcd", ".lease"}, {"/var/lib/dhcpcd", ".lease6"},
                             {"/var/lib/NetworkManager", ".lease"}};

std::vector<std::string> names_in(int root, const std::string& path) {
  std::vector<std::string> names;
  unique_fd directory{open_in_root(root, path, O_RDONLY | O_DIRECTORY)};
  const std::unique_ptr<DIR, int (*)(DIR*)> open{directory ? ::fdopendir(directory.get()) : nullptr, [](DIR* one) { return one ? ::closedir(one) : 0; }};
  if (!open) return names;
  directory.release();
  while (const dirent* entry = ::readdir(open.get())) names.emplace_back(entry->d_name);
  return names;
}

void remove(int root, const std::string& path) {
  const unique_fd parent{open_in_root(root, parent_of(path), O_PATH | O_DIRECTORY)};
  if (!parent) return;
  const std::string name{base_name(path)};
  if (::unlinkat(parent.get(), name.c_str(), 0) != 0 && errno != ENOENT && errno != EISDIR) throw errno_error("unlinkat", path);
}

void write(int root, const std::string& path, const std::string& text, mode_t mode) {
  const unique_fd parent{open_in_root(root, parent_of(path), O_PATH | O_DIRECTORY)};
  if (!parent) throw errno_error("openat2", path);
  const std::string name{base_name(path)};
  const unique_fd file{::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)};
  if (!file || ::fchmod(file.get(), mode) != 0) throw errno_error("openat", path);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw errno_error("write", path);
}

bool is_file(int root, const std::string& path) {
  const unique_fd parent{open_in_root(root, parent_of(path), O_PATH | O_DIRECTORY)};
  struct stat facts{};
  return parent && ::fstatat(parent.get(), std::string{base_name(path)}.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(facts.st_mode);
}

void machine_id(int root) {
  if (is_file(root, "/etc/machine-id")) {
    remove(root, "/etc/machine-id");
    write(root, "/etc/machine-id", "", 0444);
  }
  // A link to the one above on most systems.
  if (is_file(root, "/var/lib/dbus/machine-id")) remove(root, "/var/lib/dbus/machine-id");
}

bool is_key(std::string_view name) noexcept {
  return name.starts_with("ssh_host_") && (name.ends_with("_key") || name.ends_with("_key.pub") || name.ends_with("_key-cert.pub"));
}

bool has_text(int root, const std::string& path) {
  const unique_fd parent{open_in_root(root, parent_of(path), O_PATH | O_DIRECTORY)};
  struct stat facts{};
  return parent && ::fstatat(parent.get(), std::string{base_name(path)}.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0;
}

void host_keys(int root) {
  bool any = false;
  for (const std::string& name : names_in(root, "/etc/ssh")) {
    if (!is_key(name)) continue;
    any = true;
    remove(root, "/etc/ssh/" + name);
  }
  if (!any) return;
  const auto put = [&](const std::string& name, const HostKey& key) {
    write(root, "/etc/ssh/" + name, key.secret, 0600);
    write(root, "/etc/ssh/" + name + ".pub", key.open, 0644);
  };
  put("ssh_host_ed25519_key", new_ed25519_key("root@sovirt"));
  put("ssh_host_ecdsa_key", new_ecdsa_key("root@sovirt"));
}

}  // namespace

bool has_identity(int root) {
  if (has_text(root, "/etc/machine-id") || has_text(root, "/var/lib/dbus/machine-id")) return true;
  if (std::any_of(std::begin(removed_files), std::end(removed_files), [&](const char* path) { return is_file(root, path); })) return true;
  const auto any_in = [&](const std::string& directory, const auto& wanted) {
    const auto names = names_in(root, directory);
    return std::any_of(names.begin(), names.end(), wanted);
  };
  return any_in("/etc/ssh", is_key) ||
         std::any_of(std::begin(leases), std::end(leases), [&](const Leases& one) {
           return any_in(one.directory, [&](const std::string& name) { return name.ends_with(one.suffix); });
         });
}

void new_identity(int root) {
  machine_id(root);
  host_keys(root);
  for (const char* path : removed_files) remove(root, path);
  for (const auto& [directory, suffix] : leases)
    for (const std::string& name : names_in(root, directory))
      if (name.ends_with(suffix)) remove(root, std::string{directory} + "/" + name);
}

}  // namespace sovirt::rootfs
