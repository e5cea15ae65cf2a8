#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/base/unique_fd.hpp"

namespace sovirt {

// What a client types, on its way into a pipe or terminal: written at once as far as there is room, and the rest when
// there is. Event loop.
class InputPipe : public std::enable_shared_from_this<InputPipe> {
 public:
  // on_room: called when all that was kept back is written. The descriptor is non-blocking.
  InputPipe(boost::asio::io_context& io, unique_fd fd, std::function<void()> on_room)
      : descriptor_(io, fd.get()), on_room_(std::move(on_room)) { fd.release(); }

  void write(std::string_view bytes);
  void finish();           // no more will come: closed once all is written
  void close() noexcept;   // at once; on_room is not called any more
  std::size_t waiting() const noexcept { return kept_.size() - done_; }

 private:
  bool flush();            // false: there is no room now
  void wait();

  boost::asio::posix::stream_descriptor descriptor_;
  std::function<void()> on_room_;
  std::string kept_;
  std::size_t done_ = 0;
  bool finishing_ = false, waits_ = false;
};

}  // namespace sovirt
