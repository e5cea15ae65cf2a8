#pragma once
#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "daemon/domain/ports/image_builder.hpp"

namespace sovirt::image {

// One build's progress and its end before time. The percent never falls, and words that change many times a second
// are passed on a few times only. Used by one thread.
class ProgressMeter {
 public:
  ProgressMeter(std::stop_token stop, const std::function<void(Progress)>& report) : stop_(std::move(stop)), report_(&report) {}

  void show(int percent, std::string message);
  // The share `done` of `whole` of the way between two percents.
  void show_part(int from, int to, std::uint64_t done, std::uint64_t whole, std::string message);
  void check() const;                        // Error{cancelled} once a stop was asked for
  const std::stop_token& stop() const noexcept { return stop_; }

 private:
  std::stop_token stop_;
  const std::function<void(Progress)>* report_;
  int percent_ = -1;
  std::chrono::steady_clock::time_point shown_{};
};

}  // namespace sovirt::image
