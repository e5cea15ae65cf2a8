# shellcheck shell=bash
# What building, running and testing sovirt needs of Debian 12, in one place. To be sourced.

# shellcheck disable=SC2034  # used by those who source this
sovirt_build_packages=(
  g++ cmake ninja-build pkg-config ccache mold git ca-certificates dpkg-dev file
  libboost1.81-dev nlohmann-json3-dev libspdlog-dev libsqlite3-dev libnl-3-dev
  libsystemd-dev libarchive-dev libcli11-dev libssl-dev libcrypt-dev zlib1g-dev
)
sovirt_run_packages=(debootstrap debian-archive-keyring iproute2 procps nftables dnsmasq-base)
sovirt_test_packages=(
  libgtest-dev libbenchmark-dev python3 curl busybox-static iproute2 iputils-ping procps util-linux
  xz-utils zstd jq openssh-client python3-websocket
)

# Only compared with, so only where figures are made.
sovirt_bench_packages=(lxc rsync)

# missing_packages NAME... : those of them that are not installed, a line each
missing_packages() {
  local name
  for name; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || printf '%s\n' "$name"
  done
}

# install_packages NAME... : installs the missing ones with a line of progress. Needs root.
install_packages() {
  local missing status
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  printf 'installing %d Debian packages: %s\n' "${#missing[@]}" "${missing[*]}"
  for status in first second; do
    if apt_install "${missing[@]}"; then return 0; fi
    # Lists that are old, or not there at all on a fresh machine, are the usual reason.
    [[ $status == first ]] && { printf 'refreshing the package lists\n'; apt-get -q -q update || return; }
  done
  printf 'apt-get could not install: %s\n' "${missing[*]}" >&2
  printf 'Try it by hand to see why:  apt-get install %s\n' "${missing[*]}" >&2
  return 1
}

apt_install() {
  local log
  log=$(mktemp)
  # The status descriptor tells percent and what is being done, a line each.
  if DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o APT::Status-Fd=3 \
      -o DPkg::Lock::Timeout=300 install "$@" 3>&1 >"$log" 2>&1 </dev/null | apt_progress; then
    rm -f "$log"
    return 0
  fi
  tail -n 5 "$log" >&2
  rm -f "$log"
  return 1
}

apt_progress() {
  local kind percent text last=-20
  while IFS=: read -r kind _ percent text; do
    [[ $kind == dlstatus || $kind == pmstatus ]] || continue
    percent=${percent%%.*}
    if [[ -t 1 ]]; then
      printf '\r\e[K  %3d %%  %.60s' "$percent" "$text"
    elif ((percent >= last + 20 || percent < last)); then
      printf '  %3d %%  %s\n' "$percent" "$text"
      last=$percent
    fi
  done
  [[ ! -t 1 ]] || printf '\r\e[K'
}
