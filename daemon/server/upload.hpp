#pragma once
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.hpp"
#include "daemon/server/message.hpp"

namespace sovirt {

class Service;

// The content of an image on its way from the socket into a file of the domain's.
class ImageUpload final : public BodySink {
 public:
  ImageUpload(Service& service, std::string image) : service_(service), image_(std::move(image)) {}
  ~ImageUpload() override;
  ImageUpload(const ImageUpload&) = delete;
  ImageUpload& operator=(const ImageUpload&) = delete;

  void open() override;
  void write(std::string_view bytes) override;   // Error{disk_full} where the disk is
  Reply finish(const Request&) override;

 private:
  Service& service_;
  std::string image_, path_;
  unique_fd file_;
};

}  // namespace sovirt
