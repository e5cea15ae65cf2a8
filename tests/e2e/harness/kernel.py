"""What the kernel says, never what sovirt says."""
import json
import os
import pathlib
import subprocess
import time


PATIENCE = float(os.environ.get("SOVIRT_TEST_PATIENCE", "1"))   # multiplies every wait, for a slow machine


def run(*command, check=True, timeout=60, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, **options)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: status {result.returncode}: {result.stderr.strip()}")
    return result


def wait_until(condition, what, timeout=10.0, pause=0.02):
    """The first true value of condition()."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still not: {what}")
        time.sleep(pause)


class Netns:
    """The network namespace a process is in."""

    def __init__(self, pid):
        self.pid = pid

    def run(self, *command, **options):
        return run("nsenter", "-t", self.pid, "-n", *command, **options)

    def links(self):
        return {link["ifname"]: link for link in json.loads(self.run("ip", "-j", "-d", "addr").stdout or "[]")}

    def link(self, name):
        return self.links().get(name)

    def addresses(self, name):
        link = self.link(name) or {}
        return {f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", []) if one["scope"] != "link"}

    def routes(self):
        return json.loads(self.run("ip", "-j", "route").stdout or "[]")


def namespace(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "cgroup")


def mount_points(pid="self"):
    lines = pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines]


def mount_lines(pid="self"):
    return pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()


def process_exists(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def cgroup_mounts():
    """Mount point of each hierarchy of this host."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        if after.split()[0] in ("cgroup", "cgroup2"):
            yield before.split()[4]


def cgroup_directories(part):
    """Every cgroup whose path below its mount point starts with `part`, deepest first."""
    found = []
    for point in cgroup_mounts():
        top = os.path.join(point, part.lstrip("/"))
        found += [directory for directory, _, _ in os.walk(top, topdown=False)]
    return found


def cgroup_pids(directories):
    pids = set()
    for directory in directories:
        try:
            pids |= {int(pid) for pid in pathlib.Path(directory, "cgroup.procs").read_text().split()}
        except OSError:
            continue
    return pids


def ping(netns_pid, address):
    return run("nsenter", "-t", netns_pid, "-n", "ping", "-c", "1", "-W", "2", address, check=False).returncode == 0


def resident(pid):
    """Bytes of memory that a process has in use."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")
