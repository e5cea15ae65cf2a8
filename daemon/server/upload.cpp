#include "daemon/server/upload.hpp"

#include <fcntl.h>

#include <cerrno>

#include "daemon/base/error.hpp"
#include "daemon/domain/service.hpp"
#include "daemon/server/handling.hpp"

namespace sovirt {

ImageUpload::~ImageUpload() {
  file_.reset();
  if (!path_.empty()) service_.abandon_upload(path_);
}

void ImageUpload::open() {
  path_ = service_.begin_upload(image_);
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file_) throw errno_error("open", path_);
}

void ImageUpload::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw errno_error("write", "upload of image " + image_);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

Reply ImageUpload::finish(const Request& request) {
  file_.reset();
  const Call call{service_, request};
  const auto context = read_change(call, Kind::image);
  auto result = service_.finish_upload(image_, path_, context);
  path_.clear();  // the domain has it now
  return write_change(call, std::move(result), Kind::image, image_);
}

}  // namespace sovirt
