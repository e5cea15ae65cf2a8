#pragma once
#include <memory>
#include <string>

#include "daemon/server/message.hpp"

namespace sovirt {

class ByteSource;
class ByteTarget;
class ContainerFiles;

// A body that comes from a source: at once if it is small, otherwise as the client takes it. Reads the first block, so
// that what goes wrong at its beginning is an answer of its own. Pool.
Reply stream_reply(std::shared_ptr<ByteSource>, std::string content_type, std::uint64_t length);   // length 0: not known

// The content of PUT …/files on its way into a container.
class FileUpload final : public BodySink {
 public:
  FileUpload(ContainerFiles&, std::string container, const Request&);
  ~FileUpload() override;
  FileUpload(const FileUpload&) = delete;
  FileUpload& operator=(const FileUpload&) = delete;

  void open() override;
  void write(std::string_view bytes) override;
  Reply finish(const Request&) override;

 private:
  ContainerFiles& files_;
  std::string container_;
  const Request& request_;   // the session's, which outlives this
  std::unique_ptr<ByteTarget> target_;
};

}  // namespace sovirt
