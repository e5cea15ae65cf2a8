#pragma once
#include <string>

#include "daemon/domain/byte_stream.hpp"
#include "daemon/domain/service.hpp"

namespace sovirt {

// A container's log from an offset on, and what comes later, until the container has ended or is gone.
class FollowedLog final : public ByteSource {
 public:
  FollowedLog(Service& service, std::string container, std::uint64_t from) : service_(service), container_(std::move(container)), at_(from) {}
  std::string read(std::size_t most) override;
  bool more_later() const override { return more_; }

 private:
  bool alive() const;

  Service& service_;
  std::string container_;
  std::uint64_t at_;
  bool more_ = true;
};

}  // namespace sovirt
