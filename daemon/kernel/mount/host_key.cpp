#include "daemon/kernel/mount/host_key.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <sys/random.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"

// PROTOCOL.key of OpenSSH and RFC 4251, 5656, 8709.
namespace sovirt::rootfs {
namespace {

struct FreeKey { void operator()(EVP_PKEY* key) const noexcept { ::EVP_PKEY_free(key); } };
struct FreeNumber { void operator()(BIGNUM* number) const noexcept { ::BN_clear_free(number); } };
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

[[noreturn]] void fail() { throw Error{Code::internal, "libcrypto could not make a host key"}; }

void add_number(std::string& out, std::uint32_t number) {
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(number >> shift & 0xffU);
}
void add_string(std::string& out, std::string_view text) {
  add_number(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}
// An mpint: without leading zeros, but with one where the first bit is set.
void add_mpint(std::string& out, std::string_view bytes) {
  while (!bytes.empty() && bytes.front() == 0) bytes.remove_prefix(1);
  std::string text{bytes};
  if (!text.empty() && (static_cast<unsigned char>(text.front()) & 0x80U) != 0) text.insert(text.begin(), '\0');
  add_string(out, text);
}

std::string base64(const std::string& bytes) {
  std::vector<unsigned char> text(4 * (bytes.size() / 3 + 1) + 1);
  const int length = ::EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(length)};
}

// `secret_part`: what follows the check numbers, up to the comment.
HostKey written(const std::string& type, const std::string& open_part, const std::string& secret_part, const std::string& comment) {
  std::uint32_t check = 0;
  if (::getrandom(&check, sizeof check, 0) != sizeof check) throw errno_error("getrandom");
  std::string secret;
  add_number(secret, check);
  add_number(secret, check);
  secret += secret_part;
  add_string(secret, comment);
  for (char padding = 1; secret.size() % 8 != 0; ++padding) secret += padding;

  std::string whole{"openssh-key-v1\0", 15};
  add_string(whole, "none");
  add_string(whole, "none");
  add_string(whole, "");
  add_number(whole, 1);
  add_string(whole, open_part);
  add_string(whole, secret);

  HostKey key;
  const std::string text = base64(whole);
  key.secret = "-----BEGIN OPENSSH PRIVATE KEY-----\n";
  for (std::size_t at = 0; at < text.size(); at += 70) key.secret += text.substr(at, 70) + "\n";
  key.secret += "-----END OPENSSH PRIVATE KEY-----\n";
  key.open = type + " " + base64(open_part) + " " + comment + "\n";
  return key;
}

}  // namespace

HostKey new_ed25519_key(const std::string& comment) {
  const Key key{::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
  std::array<unsigned char, 32> open{}, seed{};
  std::size_t open_size = open.size(), seed_size = seed.size();
  if (!key || ::EVP_PKEY_get_raw_public_key(key.get(), open.data(), &open_size) != 1 ||
      ::EVP_PKEY_get_raw_private_key(key.get(), seed.data(), &seed_size) != 1)
    fail();
  const std::string open_text{reinterpret_cast<const char*>(open.data()), open_size};
  std::string open_part, secret_part;
  add_string(open_part, "ssh-ed25519");
  add_string(open_part, open_text);
  secret_part = open_part;
  add_string(secret_part, std::string{reinterpret_cast<const char*>(seed.data()), seed_size} + open_text);
  return written("ssh-ed25519", open_part, secret_part, comment);
}

HostKey new_ecdsa_key(const std::string& comment) {
  const Key key{::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
  std::array<unsigned char, 128> point{};
  std::size_t point_size = 0;
  BIGNUM* raw = nullptr;
  if (!key || ::EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &point_size) != 1 ||
      ::EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &raw) != 1)
    fail();
  const std::unique_ptr<BIGNUM, FreeNumber> number{raw};
  std::string scalar(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  ::BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(scalar.data()));
  std::string open_part, secret_part;
  add_string(open_part, "ecdsa-sha2-nistp256");
  add_string(open_part, "nistp256");
  add_string(open_part, {reinterpret_cast<const char*>(point.data()), point_size});
  secret_part = open_part;
  add_mpint(secret_part, scalar);
  return written("ecdsa-sha2-nistp256", open_part, secret_part, comment);
}

}  // namespace sovirt::rootfs
