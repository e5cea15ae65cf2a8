#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/base/unique_fd.hpp"

namespace sovirt::ctl {

// tar(1), which every Debian has: it knows how files of this host become an archive and back, links and all.
class TarProgram {
 public:
  enum class Pipe { output, input };   // which end of it we hold
  TarProgram(Pipe, const std::vector<std::string>& words);
  ~TarProgram();
  TarProgram(const TarProgram&) = delete;
  TarProgram& operator=(const TarProgram&) = delete;

  int fd() const noexcept { return pipe_.get(); }
  void write(std::string_view bytes);
  void finish();   // throws unless it ended well

 private:
  unique_fd pipe_;
  pid_t pid_ = -1;
};

}  // namespace sovirt::ctl
