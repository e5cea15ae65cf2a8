#pragma once

namespace sovirt::rootfs {

// Makes a copied system another one than its original. /etc/machine-id becomes empty, so that systemd makes a new one at
// the next boot (machine-id(5)), and with it DHCP client ids. Host keys of ssh are made here, since an sshd without any
// does not start and nobody inside makes them: ed25519 and ecdsa. Seeds and leases are removed. What is not there stays so.
void new_identity(int root);
// Is there anything that it would take away?
bool has_identity(int root);

}  // namespace sovirt::rootfs
