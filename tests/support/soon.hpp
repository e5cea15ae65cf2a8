#pragma once
#include <chrono>
#include <thread>

namespace sovirt {

// True as soon as `holds` does, false when it has not come true in time.
template <class Condition>
bool soon(Condition holds, std::chrono::milliseconds limit = std::chrono::seconds{5}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  return true;
}

}  // namespace sovirt
