#pragma once
#include <string>

namespace sovirt::rootfs {

// A new host key of OpenSSH: the private file's text (format "openssh-key-v1", without a passphrase) and the .pub file's.
struct HostKey { std::string secret, open; };
HostKey new_ed25519_key(const std::string& comment);
HostKey new_ecdsa_key(const std::string& comment);   // nistp256

}  // namespace sovirt::rootfs
