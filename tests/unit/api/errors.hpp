#pragma once
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "daemon/base/error.hpp"

namespace sovirt {

// "pointer code" of each wrong field in order, or the Error's code alone where it has no fields; "" for no error.
inline std::string errors_of(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    if (error.fields().empty()) return std::string{code_text(error.code())};
    std::string all;
    for (const auto& field : error.fields()) {
      EXPECT_FALSE(field.detail.empty()) << field.pointer;
      all += (all.empty() ? "" : "; ") + field.pointer + " " + field.code;
    }
    return all;
  }
}

inline std::string detail_of(const std::function<void()>& call) {
  try {
    call();
    return "";
  } catch (const Error& error) {
    return error.detail();
  }
}

}  // namespace sovirt
