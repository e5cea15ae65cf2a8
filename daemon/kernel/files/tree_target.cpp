#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <functional>
#include <stop_token>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/kernel/files/tree_source.hpp"
#include "daemon/kernel/image/member_writer.hpp"

namespace sovirt::files {
namespace {

// An archive is read by pulling and sent by pushing: a thread and a socket pair stand between the two.
class TreeTarget final : public ByteTarget {
 public:
  TreeTarget(unique_fd directory, std::string path) : directory_(std::move(directory)), path_(std::move(path)) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) throw errno_error("socketpair");
    in_.reset(ends[0]);
    out_.reset(ends[1]);
    thread_ = std::thread([this] { unpack(); });
  }
  ~TreeTarget() override {
    if (!thread_.joinable()) return;
    stop_.request_stop();
    join();
  }
  TreeTarget(const TreeTarget&) = delete;
  TreeTarget& operator=(const TreeTarget&) = delete;

  void write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::send(in_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return finish();   // it reads no more: because of an error, or after the archive's end
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  void finish() override {
    if (thread_.joinable()) join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void join() {
    ::shutdown(in_.get(), SHUT_WR);
    thread_.join();
  }

  void unpack() noexcept {
    try {
      const std::function<void(Progress)> nobody = [](const Progress&) {};
      const image::ProgressMeter meter{stop_.get_token(), nobody};
      image::TarReader reader{out_.get(), meter};
      image::MemberWriter writer{directory_.get(), {}};
      image::TarMember member;
      while (reader.next(member)) writer.write(member, reader);
      drain();
    } catch (...) {
      failure_ = std::current_exception();
    }
    ::shutdown(out_.get(), SHUT_RD);
  }

  // Tar programs pad behind the end of the archive.
  void drain() const noexcept {
    char block[4096];
    while (::read(out_.get(), block, sizeof block) > 0) {}
  }

  unique_fd directory_, in_, out_;
  std::string path_;
  std::stop_source stop_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<ByteTarget> write_tree(unique_fd directory, std::string path) {
  return std::make_unique<TreeTarget>(std::move(directory), std::move(path));
}

}  // namespace sovirt::files
