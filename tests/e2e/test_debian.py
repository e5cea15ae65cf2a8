"""The Debian image: debootstrap through the daemon, systemd as its init."""
import os
import pathlib
import shutil
import subprocess
import time

from harness import images, kernel
from harness.runner import Skip, test
from test_containers import SCRIPT, facts

# The tree is kept for the machine tests, which are offline, and for runs that want only a Debian.
CACHE = pathlib.Path(os.environ.get("SOVIRT_TEST_CACHE", "/var/cache/sovirt-tests"))
SOURCE = {"type": "debootstrap", "suite": "bookworm", "packages": ["systemd-sysv", "dbus", "iproute2", "iputils-ping"]}


def need_debootstrap():
    if not shutil.which("debootstrap"):
        raise Skip("debootstrap is not installed")



def debian(lab):
    """The image `debian` in the shared daemon, from the tree that the debootstrap test has kept, or made now."""
    if lab.daemon.api.get("/v1/images/debian").status == 200:
        return
    kept = CACHE / "debian.tar.zst"
    if not kept.exists():
        need_debootstrap()
        builder = lab.new_daemon(image=False, own_network=False)
        images.load(builder, "debian", SOURCE, timeout=600)
        keep(builder)
    images.load(lab.daemon, "debian", {"type": "tarball", "path": str(kept)}, timeout=300)


def keep(daemon):
    digest = daemon.api.get("/v1/images/debian").json["status"]["digest"].split(":")[-1]
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = CACHE / f"debian.tar.zst.{os.getpid()}"
    root = daemon.state_dir / "images" / digest / "rootfs"
    kernel.run("tar", "--zstd", "--xattrs", "--acls", "--numeric-owner", "--one-file-system", "-cf", partial, "-C", root, ".", timeout=300)
    partial.rename(CACHE / "debian.tar.zst")


@test("C7-C8-L4-debootstrap-with-progress", seconds=900)
def debootstrap(lab):
    need_debootstrap()
    daemon = lab.new_daemon(image=False, own_network=False)
    answer = daemon.api.put("/v1/images/debian", {"source": SOURCE})
    assert answer.status == 202, answer
    location, seen = answer.headers["Location"], []
    deadline = time.monotonic() + 800
    while time.monotonic() < deadline:
        document = daemon.api.get(location).json
        if document["state"] != "running":
            break
        seen.append((document["progress"]["percent"], document["progress"]["message"]))
        time.sleep(0.25)
    assert document["state"] == "done", document
    percents = [percent for percent, _ in seen if percent is not None]
    assert percents == sorted(percents) and len(set(percents)) >= 5, f"progress: {sorted(set(percents))}"
    assert len({message for _, message in seen}) >= 3, f"phases: {[message for _, message in seen][:5]}"
    status = daemon.api.get("/v1/images/debian").json["status"]
    assert status["os"] and status["architecture"] and status["size"] > 50 << 20, status
    keep(daemon)


@test("C7-cancelled-debootstrap-leaves-nothing", seconds=120)
def cancel(lab):
    need_debootstrap()
    daemon = lab.new_daemon(image=False, own_network=False)
    before = {path for path in daemon.state_dir.rglob("*")}
    answer = daemon.api.put("/v1/images/half", {"source": SOURCE})
    location = answer.headers["Location"]
    kernel.wait_until(lambda: len(list((daemon.state_dir / "tmp").rglob("*"))) > 5 or
                      daemon.api.get(location).json["progress"]["percent"], "it is at work", 60)
    assert daemon.api.delete(location).status in (200, 202, 204)
    document = kernel.wait_until(lambda: (lambda one: one["state"] != "running" and one)(daemon.api.get(location).json), "it has ended", 30)
    assert document["state"] == "cancelled", document
    assert daemon.api.get("/v1/images/half").status == 404
    left = {path for path in daemon.state_dir.rglob("*") if "sovirt.db" not in path.name} - before
    assert not [path for path in left if path.name not in ("tmp", "images")], list(left)[:5]
    running = subprocess.run(["pgrep", "-f", f"debootstrap.*{daemon.state_dir}"], capture_output=True, text=True)
    assert not running.stdout.strip(), running.stdout
    assert not [line for line in kernel.mount_lines() if str(daemon.state_dir) in line]


@test("L5-L6-debian-boots-systemd", seconds=240)
def boots(lab):
    daemon = lab.daemon
    debian(lab)
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.16.2.1/24")
    nic = {"name": "eth0", "bridge": bridge, "mac": "4a:49:43:49:79:bf", "addresses": ["172.16.2.10/24"]}
    daemon.container("sodebian", image="debian", nics=[nic], start=True)
    pid = daemon.pid_of("sodebian")
    assert os.readlink(f"/proc/{pid}/exe").endswith("/systemd/systemd")

    def settled():
        state = daemon.execute("sodebian", "systemctl", "is-system-running")["stdout"].strip()
        return state if state in ("running", "degraded") else None
    state = kernel.wait_until(settled, "systemd has settled", 120, 0.5)
    failed = daemon.execute("sodebian", "systemctl", "--failed", "--plain", "--no-legend")["stdout"].strip()
    print(f"  systemd is {state}; failed units: {failed or 'none'}")
    assert not failed, f"units that fail: {failed}"
    listed = daemon.ctl("ls").stdout
    row = next(line for line in listed.splitlines() if "sodebian" in line)
    for word in ("running", "172.16.2.10", "debian"):
        assert word in row, listed
    def console():
        return daemon.api.get("/v1/containers/sodebian/log").body.decode(errors="replace")
    kernel.wait_until(lambda: "login:" in console(), "the console asks for a login", 20, 0.5)
    seen = facts(daemon.shell("sodebian", SCRIPT))
    assert seen["hostname"] == "sodebian" and seen["home"] == "" and seen["first"] in ("systemd", "init"), seen
    assert kernel.ping(pid, "172.16.2.1")
    started = time.monotonic()
    assert daemon.set_state("sodebian", "stopped", timeout=60).status == 200
    assert time.monotonic() - started < 50, "systemd did not end by its own shutdown"
    log = daemon.api.get("/v1/containers/sodebian/log").body.decode(errors="replace")
    assert "Power-Off" in log or "Shutdown" in log or "Stopped" in log, log[-500:]


@test("L21-second-debian-is-there-at-once", seconds=240)
def second(lab):
    daemon = lab.daemon
    debian(lab)
    daemon.container("first", image="debian")
    started = time.monotonic()
    daemon.container("second", image="debian")
    seconds = time.monotonic() - started
    assert seconds < 0.5, f"{seconds:.2f} s"
    upper = pathlib.Path(daemon.get_container("second")["status"]["rootfs"]["upper"])
    assert sum(path.lstat().st_size for path in upper.rglob("*") if path.is_file()) < 65536
