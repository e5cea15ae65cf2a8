#include "daemon/kernel/image/sha256.hpp"

#include <openssl/evp.h>

#include "daemon/base/error.hpp"

namespace sovirt::image {

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
    throw Error{Code::internal, "libcrypto has no SHA-256"};
}

void Sha256::add(const void* bytes, std::size_t size) {
  if (EVP_DigestUpdate(context_.get(), bytes, size) != 1) throw Error{Code::internal, "SHA-256 failed"};
}

void Sha256::add_number(std::uint64_t number) {
  std::array<unsigned char, 8> bytes{};
  for (unsigned char& byte : bytes) {
    byte = static_cast<unsigned char>(number & 0xff);
    number >>= 8;
  }
  add(bytes.data(), bytes.size());
}

Sha256::Sum Sha256::sum() {
  Sum out{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), out.data(), &size) != 1 || size != out.size())
    throw Error{Code::internal, "SHA-256 failed"};
  return out;
}

std::string hex(const Sha256::Sum& sum) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : sum) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

}  // namespace sovirt::image
