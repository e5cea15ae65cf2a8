"""The same container by LXC from Debian's packages: the same root file system, bridge and command."""
import shutil
import subprocess
import time

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
lxc.cgroup.dir = {cgroup}
"""


class Lxc:
    def __init__(self, daemon, home, lower, bridge):
        self.daemon, self.path = daemon, home / "lxc"
        container = self.path / "lxcbench"
        (container / "upper").mkdir(parents=True)
        (container / "config").write_text(CONFIG.format(
            lower=lower, home=container, bridge=bridge, cgroup=f"{daemon.cgroup_parent.strip('/')}/lxc"))

    def run(self, program, *words, check=True):
        """Milliseconds of a command of LXC's, in the network namespace of the daemon."""
        command = ["nsenter", "-t", str(self.daemon.holder.pid), "-n", program, "-P", str(self.path), "-n", "lxcbench", *words]
        begin = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        took = (time.monotonic() - begin) * MS
        if check and done.returncode:
            raise AssertionError(f"{program}: status {done.returncode}: {done.stderr.strip()[:400]}")
        return took

    def stop(self):
        self.run("lxc-stop", "-k", check=False)


def measure(table, daemon, home, lower, bridge, rounds):
    if not shutil.which("lxc-start"):
        table.skip("lxc-start", "Debian's package lxc is not installed")
        return
    lxc = Lxc(daemon, home, lower, bridge)
    starts, execs = [], []
    try:
        for _ in range(rounds):
            starts.append(lxc.run("lxc-start", "-d"))
            execs.append(lxc.run("lxc-attach", "--", "/bin/true"))
            lxc.stop()
    finally:
        lxc.stop()
    table.add("lxc-start", "ms", starts)
    table.add("lxc-attach /bin/true", "ms", execs)
