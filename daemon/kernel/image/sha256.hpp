#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace sovirt::image {

// SHA-256 by libcrypto, which uses the processor's own instructions for it. Throws Error.
class Sha256 {
 public:
  using Sum = std::array<unsigned char, 32>;
  Sha256();
  void add(const void* bytes, std::size_t size);
  void add(std::string_view text) { add(text.data(), text.size()); }
  void add_number(std::uint64_t number);              // eight bytes, little endian
  void add_sized(std::string_view text) { add_number(text.size()); add(text); }  // so that no two sequences of texts are alike
  Sum sum();                                          // ends it

 private:
  struct Free { void operator()(evp_md_ctx_st*) const noexcept; };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string hex(const Sha256::Sum&);

}  // namespace sovirt::image
