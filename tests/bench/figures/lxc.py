"""The same container by LXC from Debian's packages: the same root file system, bridge and command."""
import pathlib
import shutil
import subprocess
import time

from harness import kernel
from harness.daemon import make_cgroups

MS = 1000.0

CONFIG = """lxc.uts.name = lxcbench
lxc.rootfs.path = overlay:{lower}:{home}/upper
lxc.net.0.type = veth
lxc.net.0.link = {bridge}
lxc.net.0.flags = up
lxc.net.0.name = eth0
lxc.net.0.ipv4.address = 172.31.60.2/16
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc:mixed sys:ro
lxc.init.cmd = /bin/sleep 100000
lxc.cgroup.dir.container = {cgroup}/container
lxc.cgroup.dir.monitor = {cgroup}/monitor
lxc.cgroup.dir.monitor.pivot = {cgroup}/pivot
lxc.log.level = ERROR
lxc.log.file = {home}/log
"""


# LXC looks for the bridge in /sys, which shows the network namespace that it was mounted in.
OWN_SYS = """set -e
mount -t sysfs sysfs {folder}
for part in class/net devices/virtual/net; do mount --bind {folder}/$part /sys/$part; done
echo ready
exec sleep infinity"""


class Lxc:
    def __init__(self, daemon, home, cgroup, lower, bridge):
        self.path = home / "lxc"
        container = self.path / "lxcbench"
        (container / "upper").mkdir(parents=True)
        (home / "lxc-sys").mkdir()
        make_cgroups(cgroup)
        for point in kernel.cgroup_mounts():   # LXC asks for this only where it makes the first group of a path
            inherit = pathlib.Path(point, cgroup.strip("/"), "cgroup.clone_children")
            if inherit.exists():
                inherit.write_text("1")
        enter = ["nsenter", "-t", str(daemon.holder.pid), "-n", "unshare", "-m", "sh", "-c", OWN_SYS.format(folder=home / "lxc-sys")]
        self.holder = subprocess.Popen(enter, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise AssertionError("no mount namespace for LXC")
        (container / "config").write_text(CONFIG.format(
            lower=lower, home=container, bridge=bridge, cgroup=cgroup.strip("/")))

    def run(self, program, *words, check=True):
        """Milliseconds of a command of LXC's, in the network namespace of the daemon."""
        # With its root too: in a chroot that is not the root of its mount namespace.
        command = ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "-r", program, "-P", str(self.path), "-n", "lxcbench", *words]
        begin = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        took = (time.monotonic() - begin) * MS
        if check and done.returncode:
            raise AssertionError(f"{program}: status {done.returncode}: {self.first_error() or done.stderr.strip()[:400]}")
        return took

    def first_error(self):
        log = self.path / "lxcbench/log"
        lines = log.read_text().splitlines() if log.exists() else []
        return next((line.split(" ERROR ", 1)[1].strip() for line in lines if " ERROR " in line), None)

    def stop(self):
        self.run("lxc-stop", "-k", check=False)

    def close(self):
        self.stop()
        self.holder.kill()
        self.holder.wait(10)


def measure(table, daemon, lab, lower, bridge, rounds):
    if not shutil.which("lxc-start"):
        table.skip("lxc-start", "Debian's package lxc is not installed")
        return
    lxc = Lxc(daemon, lab.home, f"{lab.cgroup_parent}/lxc", lower, bridge)
    starts, execs, limits = [], [], []
    v1 = any("/memory" in point for point in kernel.cgroup_mounts())
    asked = ((("memory.limit_in_bytes", "536870912"), ("cpu.shares", "307"), ("cpu.cfs_quota_us", "50000")) if v1 else
             (("memory.max", "536870912"), ("cpu.weight", "30"), ("cpu.max", "50000 100000")))
    try:
        for _ in range(rounds):
            starts.append(lxc.run("lxc-start", "-d"))
            execs.append(lxc.run("lxc-attach", "--", "/bin/true"))
            limits.append(sum(lxc.run("lxc-cgroup", *one) for one in (*asked, ("pids.max", "100"), ("cpuset.cpus", "0"))))
            lxc.stop()
    finally:
        lxc.close()
    table.add("lxc-start", "ms", starts)
    table.add("lxc-attach /bin/true", "ms", execs)
    table.add("lxc-cgroup, five limits", "ms", limits, beside="a call for each, on a container that runs")
