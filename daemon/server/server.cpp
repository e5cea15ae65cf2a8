#include "daemon/server/server.hpp"

#include <unistd.h>

#include "daemon/server/core.hpp"

namespace sovirt {

class Server::Impl {
 public:
  Impl(ServerOptions options, Service& service, WorkerPool& pool, Log& log)
      : core(std::make_shared<Core>(std::move(options), service, pool, log)) {}
  std::shared_ptr<Core> core;   // shared with jobs on the pool that outlive the server
};

Server::Server(ServerOptions options, Service& service, WorkerPool& pool, Log& log)
    : impl_(std::make_unique<Impl>(std::move(options), service, pool, log)) {}

Server::~Server() = default;

void Server::run() { impl_->core->run(); }

void Server::stop() noexcept {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(impl_->core->stop_fd(), &one, sizeof one);  // EAGAIN: it is readable already
}

}  // namespace sovirt
