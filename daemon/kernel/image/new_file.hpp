#pragma once
#include <string>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::image {

// A file that gets its name once it is whole: whatever ends us before leaves nothing. Where the file system has no files
// without names (O_TMPFILE, open(2)), it has its name from the start, and only a crash leaves it half written.
class NewFile {
 public:
  // Mode 0600. Error{exists} where something has that name, Error{invalid} where nothing can be made there.
  explicit NewFile(std::string path);
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  int fd() const noexcept { return file_.get(); }
  void publish();   // after all that was written is on the disk. Error{exists}

 private:
  std::string path_;
  unique_fd file_;
  bool named_ = false, whole_ = false;
};

}  // namespace sovirt::image
