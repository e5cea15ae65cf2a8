#include "daemon/kernel/image/progress_meter.hpp"

#include <algorithm>

#include "daemon/base/error.hpp"

namespace sovirt::image {

void ProgressMeter::show(int percent, std::string message) {
  const auto now = std::chrono::steady_clock::now();
  percent = std::clamp(percent, std::max(percent_, 0), 100);
  if (percent == percent_ && now - shown_ < std::chrono::milliseconds{300}) return;
  percent_ = percent;
  shown_ = now;
  if (*report_) (*report_)({percent, std::move(message)});
}

void ProgressMeter::show_part(int from, int to, std::uint64_t done, std::uint64_t whole, std::string message) {
  const double share = whole == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(whole));
  show(from + static_cast<int>(share * (to - from)), std::move(message));
}

void ProgressMeter::check() const {
  if (stop_.stop_requested()) throw Error{Code::cancelled, "the build of the image was cancelled"};
}

}  // namespace sovirt::image
