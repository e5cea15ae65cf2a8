#include "daemon/domain/passwords.hpp"

#include <crypt.h>
#include <sys/random.h>

#include <array>
#include <memory>
#include <string_view>

#include "daemon/base/error.hpp"

namespace sovirt {

std::string generate_password() {
  static constexpr std::string_view letters = "23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
  std::string password;
  while (password.size() < 16) {
    std::array<unsigned char, 32> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) throw errno_error("getrandom");
    // Those beyond a multiple of the letters' number would make the first ones more likely.
    for (const unsigned char byte : bytes)
      if (password.size() < 16 && byte < 256 / letters.size() * letters.size()) password += letters[byte % letters.size()];
  }
  return password;
}

std::string hash_password(const std::string& password) {
  char salt[CRYPT_GENSALT_OUTPUT_SIZE];
  if (::crypt_gensalt_rn(nullptr, 0, nullptr, 0, salt, sizeof salt) == nullptr) throw errno_error("crypt_gensalt_rn");
  const auto data = std::make_unique<crypt_data>();   // 32 KiB
  const char* hash = ::crypt_rn(password.c_str(), salt, data.get(), static_cast<int>(sizeof(crypt_data)));
  if (hash == nullptr) throw errno_error("crypt_rn");
  return hash;
}

}  // namespace sovirt
