# What the tests in machines have in common: sourced by tests/vm/*, which set `machine` first.
set -uo pipefail

source_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly source_dir vm=$source_dir/../shared/vm/vm
readonly results=${SOVIRT_TEST_RESULTS:-/dev/null}
work=$(mktemp -d)
failed=0

record() { printf '%s\t%s\t%s\n' "$1" "vm/$2" "$(tr '\n\t' '  ' <<<"${3:-}" | cut -c1-400)" >>"$results"; }
skip_all() { echo "SKIP $1"; record SKIP "${0##*/}" "$1"; exit 0; }

# check NAME LINES [SECONDS] : the lines, run in the machine, all succeed
check() {
  local name=$1 said started=$SECONDS good=
  # Into a file: the connection that all commands share would keep a pipe open after a command that is cut off.
  guest "$2" "${3:-100}" >"$work/said" 2>&1 && good=yes
  said=$(<"$work/said")
  if [[ $good ]]; then
    printf 'PASS %s (%d s) %s\n' "$name" $((SECONDS - started)) "$(head -c 300 <<<"$said" | tr '\n' ' ')"
    record PASS "$name"
  else
    printf 'FAIL %s (%d s)\n%s\n' "$name" $((SECONDS - started)) "$said"
    record FAIL "$name" "$(tail -c 300 <<<"$said")"
    failed=1
  fi
}
guest() { timeout "$2" "$vm" ssh "$machine" -- "set -e
  await() { local n; for n in \$(seq \$((\$1 * 5))); do eval \"\$2\" && return; sleep 0.2; done; echo \"after \$1 s still not: \$2\"; return 1; }
  pid_of() { sovirtctl container get \"\$1\" -o json | jq -e .status.pid; }
  state_of() { sovirtctl container get \"\$1\" -o json | jq -r .status.state; }
  $1" </dev/null; }
step() {  # NAME COMMAND... : on this host
  local name=$1; shift
  if "$@" >"$work/step.log" 2>&1; then echo "PASS $name"; record PASS "$name"; return; fi
  echo "FAIL $name"; tail -n 20 "$work/step.log"; record FAIL "$name" "$(tail -n 3 "$work/step.log")"; failed=1; return 1
}

finish() {
  [[ -x $vm ]] && "$vm" down "$machine" >/dev/null 2>&1   # takes the wire between machines along with the last one
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' TERM INT HUP

[[ -x $vm ]] || skip_all "there is no ../shared/vm/vm beside this clone, which boots the machine"
for tool in qemu-system-x86_64 qemu-img mmdebstrap; do
  type -P "$tool" >/dev/null || { "$vm" deps >"$work/deps.log" 2>&1 || skip_all "$tool cannot be installed: $(tail -n 1 "$work/deps.log")"; break; }
done
