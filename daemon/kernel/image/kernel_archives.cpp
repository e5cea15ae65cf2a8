#include "daemon/kernel/image/kernel_archives.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/base/failpoint.hpp"
#include "daemon/kernel/image/image_facts.hpp"
#include "daemon/kernel/image/image_store.hpp"
#include "daemon/kernel/image/member_writer.hpp"
#include "daemon/kernel/image/new_file.hpp"
#include "daemon/kernel/image/tar_reader.hpp"
#include "daemon/kernel/image/tar_writer.hpp"
#include "daemon/kernel/image/tarball.hpp"
#include "daemon/kernel/image/tree_digest.hpp"
#include "daemon/kernel/mount/new_identity.hpp"
#include "daemon/kernel/mount/tree_copy.hpp"

namespace sovirt {
namespace {

constexpr const char* document_name = "sovirt.json";
constexpr std::string_view tree_prefix = "rootfs/";
constexpr std::int64_t largest_document = 1 << 20;
constexpr std::int64_t largest_file = std::int64_t{16} << 40;   // ours may hold sparse files of any size

[[noreturn]] void not_ours(const std::string& path, const std::string& why) {
  throw Error{Code::invalid, path + " is not an exported container: " + why}
      .with_fields({{"/path", "format", why}})
      .with_hint("a plain root file system is taken by `sovirtctl image build NAME --tarball FILE`");
}

struct Opened { unique_fd fd; std::uint64_t size = 0; };

Opened open_archive(const std::string& path) {
  Opened opened{unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)}, 0};
  if (!opened.fd) throw field_error("/path", "unreadable", "\"" + path + "\" cannot be opened: " + ::strerrordesc_np(errno));
  struct stat facts{};
  if (::fstat(opened.fd.get(), &facts) != 0) throw errno_error("fstat", path);
  if (!S_ISREG(facts.st_mode)) throw field_error("/path", "unreadable", "\"" + path + "\" is not a regular file");
  opened.size = static_cast<std::uint64_t>(facts.st_size);
  return opened;
}

std::string read_document(image::TarReader& reader, const std::string& path) {
  image::TarMember member;
  if (!reader.next(member) || member.name != document_name || member.type != S_IFREG) not_ours(path, "it does not begin with sovirt.json");
  if (member.size > largest_document) not_ours(path, "its sovirt.json is too large");
  std::string text(static_cast<std::size_t>(member.size), '\0');
  image::TarBlock block;
  while (reader.block(block)) {
    const auto size = static_cast<std::int64_t>(block.size);
    if (block.offset < 0 || block.offset + size > member.size) not_ours(path, "its sovirt.json is damaged");
    std::memcpy(text.data() + block.offset, block.bytes, block.size);
  }
  return text;
}

// "rootfs/etc" -> "etc"; what lies elsewhere has no place in a container.
void strip(std::string& name, const std::string& member) {
  std::string_view rest = name;
  if (rest.starts_with("./")) rest.remove_prefix(2);
  if (!rest.starts_with(tree_prefix)) throw Error{Code::invalid, "the archive's member \"" + member.substr(0, 120) + "\" lies outside rootfs/"};
  rest.remove_prefix(tree_prefix.size());
  name = rest.empty() ? "./" : std::string{rest};
}

// What an archive would not hold, an image does not either: so both have the same digest.
void drop_unarchived(int root, const image::ProgressMeter& meter) {
  image::walk_tree(root, [&](const image::TreeEntry& entry) {
    meter.check();
    const mode_t type = entry.facts.st_mode & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK || type == S_IFSOCK) {
      if (::unlinkat(entry.parent, entry.name.c_str(), 0) != 0) throw errno_error("unlinkat", entry.path);
      return;
    }
    if (type != S_IFREG && type != S_IFDIR) return;
    const unique_fd opened{::openat(entry.parent, entry.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!opened) throw errno_error("openat", entry.path);
    std::vector<char> names(65536);
    const ssize_t length = ::flistxattr(opened.get(), names.data(), names.size());
    for (ssize_t at = 0; at < length; at += static_cast<ssize_t>(std::strlen(names.data() + at)) + 1)
      if (!image::archived_attribute(names.data() + at) && ::fremovexattr(opened.get(), names.data() + at) != 0 && errno != ENODATA &&
          std::string_view{names.data() + at} != "security.selinux")
        throw errno_error("fremovexattr", entry.path);
  });
}

class KernelArchives final : public Archives {
 public:
  explicit KernelArchives(ImageBuilderOptions options) : temp_dir_(options.temp_dir), store_(options.images_dir, options.temp_dir) {}

  BuiltImage publish(int root, std::stop_token stop, const Report& report) override {
    image::ProgressMeter meter{stop, report};
    const image::Workspace work{temp_dir_};
    const std::function<void(std::uint64_t)> copied = [&](std::uint64_t bytes) { meter.show(30, "copied " + std::to_string(bytes >> 20) + " MiB"); };
    const unique_fd from{::openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!from) throw errno_error("openat", "the root file system");
    rootfs::TreeCopy copy{from.get(), work.root(), rootfs::Content::copied, stop, &copied};
    copy.directory("");
    copy.children("");
    copy.finish();
    meter.show(70, "removing what belongs to one system only");
    rootfs::new_identity(work.root());
    drop_unarchived(work.root(), meter);
    return finish(work, meter);
  }

  WrittenArchive write(int root, const std::string& document, const std::string& path, uid_t owner, std::stop_token stop,
                       const Report& report) override {
    image::ProgressMeter meter{std::move(stop), report};
    image::NewFile file{path};
    if (::fchown(file.fd(), owner, static_cast<gid_t>(-1)) != 0) throw errno_error("fchown", path);
    image::TarWriter writer{file.fd(), meter};
    if (!document.empty()) writer.text(document_name, document);
    writer.tree(root, document.empty() ? "" : std::string{tree_prefix}, [&](std::uint64_t bytes, const std::string& at) {
      meter.show(50, std::to_string(bytes >> 20) + " MiB, " + at.substr(0, 60));
    });
    writer.finish();
    failpoint::reach("archive.written");
    file.publish();
    return {writer.size(), "sha256:" + writer.digest()};
  }

  std::string document(const std::string& path) override {
    const Opened file = open_archive(path);
    const std::function<void(Progress)> nobody;
    const image::ProgressMeter meter{{}, nobody};
    image::TarReader reader{file.fd.get(), file.size, meter};
    return read_document(reader, path);
  }

  BuiltImage read(const std::string& path, const std::string& digest, std::stop_token stop, const Report& report) override {
    image::ProgressMeter meter{std::move(stop), report};
    const Opened file = open_archive(path);
    if (!digest.empty()) image::verify_digest(file.fd.get(), file.size, path, digest, meter);
    const image::Workspace work{temp_dir_};
    image::TarReader reader{file.fd.get(), file.size, meter};
    read_document(reader, path);
    image::TarballLimits limits;
    limits.file_bytes = largest_file;
    image::MemberWriter writer{work.root(), limits};
    image::TarMember member;
    while (reader.next(member)) {
      meter.check();
      const std::string name = member.name;
      strip(member.name, name);
      if (member.is_hard_link) strip(member.target, name);
      writer.write(member, reader);
      meter.show_part(15, 90, reader.read(), reader.size(), "unpacking " + member.name.substr(0, 80));
    }
    return finish(work, meter);
  }

 private:
  BuiltImage finish(const image::Workspace& work, image::ProgressMeter& meter) {
    meter.show(92, "computing the image's digest");
    const image::TreeSummary summary = image::digest_tree(work.root(), meter);
    BuiltImage built;
    built.digest = "sha256:" + summary.hex;
    built.size = summary.size;
    built.architecture = image::architecture_of(work.root(), {});
    built.os = image::os_of(work.root());
    meter.check();
    built.directory = store_.publish(work, summary.hex);
    return built;
  }

  std::string temp_dir_;
  image::ImageStore store_;
};

}  // namespace

std::unique_ptr<Archives> make_archives(ImageBuilderOptions options) { return std::make_unique<KernelArchives>(std::move(options)); }

}  // namespace sovirt
