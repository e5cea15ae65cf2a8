#include "daemon/server/file_transfer.hpp"

#include <charconv>

#include "daemon/base/error.hpp"
#include "daemon/domain/byte_stream.hpp"
#include "daemon/domain/container_files.hpp"
#include "daemon/server/header_values.hpp"

namespace sovirt {
namespace {

constexpr std::size_t at_once = 256 * 1024;

// What was read ahead, then the rest.
class Prefixed final : public ByteSource {
 public:
  Prefixed(std::string first, std::shared_ptr<ByteSource> rest) : first_(std::move(first)), rest_(std::move(rest)) {}
  std::string read(std::size_t most) override { return first_.empty() ? rest_->read(most) : std::exchange(first_, {}); }

 private:
  std::string first_;
  std::shared_ptr<ByteSource> rest_;
};

std::optional<std::uint32_t> number_header(const Request& request, const char* name, int base, std::uint32_t most) {
  const auto* text = request.header(name);
  if (text == nullptr) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (error != std::errc{} || end != text->data() + text->size() || value > most)
    throw Error{Code::malformed, std::string{name} + " must be " + (base == 8 ? "octal, such as 0644" : "the number of a user or group")};
  return value;
}

FileAttributes read_attributes(const Request& request) {
  FileAttributes wanted;
  constexpr std::uint32_t no_id = 0xffffffff;   // chown(2) takes it for "unchanged"
  wanted.mode = number_header(request, "x-sovirt-mode", 8, 07777);
  wanted.uid = number_header(request, "x-sovirt-uid", 10, no_id - 1);
  wanted.gid = number_header(request, "x-sovirt-gid", 10, no_id - 1);
  if (const auto* parents = request.parameter("parents")) wanted.make_parents = read_flag("parents", *parents);
  return wanted;
}

}  // namespace

Reply stream_reply(std::shared_ptr<ByteSource> source, std::string content_type, std::uint64_t length) {
  Reply reply;
  reply.content_type = std::move(content_type);
  for (;;) {
    std::string block = source->read(at_once);
    if (block.empty()) return reply;
    if (reply.body.empty()) reply.body = std::move(block);
    else reply.body += block;
    if (reply.body.size() >= at_once) break;
  }
  if (length > 0) reply.length = std::max<std::uint64_t>(length, reply.body.size());
  reply.source = std::make_shared<Prefixed>(std::exchange(reply.body, {}), std::move(source));
  return reply;
}

FileUpload::FileUpload(ContainerFiles& files, std::string container, const Request& request)
    : files_(files), container_(std::move(container)), request_(request) {}

FileUpload::~FileUpload() = default;

void FileUpload::open() {
  const auto* path = request_.parameter("path");
  if (path == nullptr) throw Error{Code::bad_query, "path is missing: the file in the container"};
  const auto* type = request_.header("content-type");
  const bool archive = type != nullptr && media_type(*type) == "application/x-tar";
  const FileAttributes wanted = read_attributes(request_);
  if (archive) target_ = files_.write_tree(container_, *path, wanted.make_parents);
  else target_ = files_.write(container_, *path, wanted);
}

void FileUpload::write(std::string_view bytes) { target_->write(bytes); }

Reply FileUpload::finish(const Request&) {
  target_->finish();
  return empty_reply();
}

}  // namespace sovirt
