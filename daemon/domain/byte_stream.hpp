#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace sovirt {

// Bytes on their way, a block at a time: whoever pulls or pushes keeps one block and no more. One thread at a time.
// Every call may block for the disk. Throws Error.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::string read(std::size_t most) = 0;   // "": the end, or all for now
  virtual bool more_later() const { return false; }  // after "": there may be more, ask again in a while
};

// Destroyed without finish(): undone, as far as it says it can be.
class ByteTarget {
 public:
  virtual ~ByteTarget() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual void finish() = 0;
};

}  // namespace sovirt
