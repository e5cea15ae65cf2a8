#include "daemon/kernel/image/tarball.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/kernel/image/member_writer.hpp"
#include "daemon/kernel/image/sha256.hpp"
#include "daemon/kernel/image/tar_reader.hpp"

namespace sovirt::image {
namespace {

struct Opened { unique_fd fd; std::uint64_t size = 0; std::string path; };

Opened open_tarball(const TarballSource& source, const std::string& uploaded) {
  const std::string path = source.path.empty() ? uploaded : source.path;
  if (path.empty()) throw field_error("/source/path", "required", "needs the path of an archive on the host, or uploaded content");
  Opened opened{unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)}, 0, path};
  if (!opened.fd) throw field_error("/source/path", "unreadable", "\"" + path + "\" cannot be opened: " + ::strerrordesc_np(errno));
  struct stat facts{};
  if (::fstat(opened.fd.get(), &facts) != 0) throw errno_error("fstat", path);
  if (!S_ISREG(facts.st_mode)) throw field_error("/source/path", "unreadable", "\"" + path + "\" is not a regular file");
  opened.size = static_cast<std::uint64_t>(facts.st_size);
  return opened;
}

}  // namespace

void verify_digest(int fd, std::uint64_t size, const std::string& path, const std::string& wanted, ProgressMeter& meter) {
  Sha256 hash;
  std::vector<char> block(1 << 20);
  for (std::uint64_t done = 0;;) {
    meter.check();
    const ssize_t got = ::pread(fd, block.data(), block.size(), static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw errno_error("pread", path);
    if (got == 0) break;
    hash.add(block.data(), static_cast<std::size_t>(got));
    done += static_cast<std::uint64_t>(got);
    meter.show_part(0, 15, done, size, "checking the archive's digest");
  }
  const std::string digest = "sha256:" + hex(hash.sum());
  if (digest != wanted) throw field_error("/source/digest", "mismatch", "the archive's digest is " + digest + ", not " + wanted);
}

void check_tarball(const TarballSource& source, const std::string& uploaded) { open_tarball(source, uploaded); }

void build_tarball(const TarballSource& source, const std::string& uploaded, const Workspace& work, ProgressMeter& meter) {
  const Opened file = open_tarball(source, uploaded);
  const int begin = source.digest.empty() ? 0 : 15;
  if (!source.digest.empty()) verify_digest(file.fd.get(), file.size, file.path, source.digest, meter);
  TarReader reader{file.fd.get(), file.size, meter};
  MemberWriter writer{work.root(), {}};
  TarMember member;
  while (reader.next(member)) {
    meter.check();
    writer.write(member, reader);
    meter.show_part(begin, 90, reader.read(), reader.size(), "unpacking " + member.name.substr(0, 80));
  }
  if (writer.count() == 0) throw Error{Code::invalid, "the archive has no members"};
}

}  // namespace sovirt::image
