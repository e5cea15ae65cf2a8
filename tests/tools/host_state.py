#!/usr/bin/env python3
"""What a test run may leave on a host: snapshot it before, compare it after.

host_state.py snapshot            prints what is there, a line each
host_state.py compare BEFORE      results for each kind of thing; what went or came is a failure
"""
import os
import pathlib
import re
import subprocess
import sys
import time

# Lives outside what tests make, and comes and goes on any host.
IGNORED_FILES = re.compile(r"^/run/(systemd|udev|user|log|utmp|lock|credentials|mount|dbus)|^/etc/(ld.so.cache|mtab)"
                           r"|^/var/lib/(systemd|apt|dpkg|ucf|logrotate)")
SYSTEMD_GROUP = re.compile(r"\.(service|scope|slice|mount|socket|swap)(/|$)")


def mounts():
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ")
        yield f"{before.split()[4]} {after.split()[0]}"


def cgroups():
    points = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
              if line.split(" - ")[1].split()[0] in ("cgroup", "cgroup2")]
    for point in points:
        for directory, _, _ in os.walk(point):
            relative = directory[len(point):]
            # Others' groups come and go with their processes; ours hold sovirt's name.
            if "sovirt" in relative or not (SYSTEMD_GROUP.search(relative) or populated(directory)):
                yield directory


def populated(group):
    try:
        return any(pathlib.Path(directory, "cgroup.procs").read_text() for directory, _, _ in os.walk(group))
    except OSError:
        return True   # a threaded group, or one that is just going


def links():
    yield from sorted(os.listdir("/sys/class/net"))


def namespaces():
    for directory in ("/run/netns", "/var/run/netns"):
        if os.path.isdir(directory):
            yield from (f"{directory}/{name}" for name in os.listdir(directory))


def own_namespaces():
    return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid", "net", "uts", "ipc")}


def is_ours(pid, own, run):
    """A process of a test: it carries the run's name, or sits in namespaces that are not the host's."""
    base = f"/proc/{pid}"
    environment = pathlib.Path(base, "environ").read_bytes()
    if run and f"SOVIRT_TEST_RUN={run}".encode() in environment.split(b"\0"):
        return True
    exe = os.readlink(f"{base}/exe")
    if re.search(r"/(sovirtd|sovirt-launch|sovirtctl)( |$)", exe):
        return True
    return any(os.readlink(f"{base}/ns/{kind}") != value for kind, value in own.items())


def processes():
    own, run = own_namespaces(), os.environ.get("SOVIRT_TEST_RUN", "")
    family = set()
    pid = os.getpid()
    while pid > 1:   # this program and what called it carry the run's name too
        family.add(pid)
        pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in family:
            continue
        try:
            stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            if is_ours(entry, own, run):
                name = stat[stat.index("(") + 1:stat.rindex(")")]
                yield f"{entry} {name} started {stat.rsplit(')', 1)[1].split()[19]}"
        except (OSError, ValueError):
            continue   # it ended meanwhile, or is a kernel thread


def listing(top, depth):
    for directory, names, files in os.walk(top):
        names[:] = [name for name in names if not os.path.ismount(f"{directory}/{name}")]
        yield from (f"{directory}/{name}" for name in names + files)
        if directory[len(top):].count("/") >= depth - 1:
            names.clear()


def files():
    for top in ("/run", "/dev/shm", "/etc", "/var/lib", "/usr/local/bin", "/usr/local/sbin"):
        yield from (path for path in listing(top, 2) if not IGNORED_FILES.search(path))
    yield from (path for path in listing("/var/lib/sovirt", 3))
    for top in ("/tmp", "/var/tmp"):
        yield from (path for path in listing(top, 1) if "sovirt" in path and path != os.environ.get("TMPDIR"))
    if "TMPDIR" in os.environ:
        yield from listing(os.environ["TMPDIR"], 1)


def firewall():
    try:
        rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        return
    yield from rules.stdout.splitlines()


def settings():
    for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "kernel/core_pattern", "kernel/hostname"):
        value = pathlib.Path("/proc/sys", path)
        if value.exists():
            yield f"{path} = {value.read_text().strip()}"


KINDS = {"mount": mounts, "cgroup": cgroups, "link": links, "netns": namespaces, "process": processes,
         "file": files, "firewall": firewall, "setting": settings}


def snapshot():
    return {f"{kind} {line}" for kind, read in KINDS.items() for line in read()}


def difference(before):
    after = snapshot()
    # A process that ended is nobody's loss, nor is what an earlier run of these tests had left; anything else that went is.
    gone = {line for line in before - after if not line.startswith("process ") and "sovirt" not in line}
    return sorted(f"left behind: {line}" for line in after - before) + sorted(f"lost: {line}" for line in gone)


def compare(path):
    before = set(pathlib.Path(path).read_text().splitlines())
    found = difference(before)
    deadline = time.monotonic() + 10   # the kernel frees namespaces and their links a moment later
    while found and time.monotonic() < deadline:
        time.sleep(0.5)
        found = difference(before)
    with open(os.environ["SOVIRT_TEST_RESULTS"], "a", encoding="utf-8") as results:
        for kind in KINDS:
            mine = [line for line in found if line.split(": ", 1)[1].startswith(kind + " ")]
            for line in mine:
                print(" ", line)
            verdict = ("FAIL", "; ".join(mine)[:500]) if mine else ("PASS", "")
            print(verdict[0], f"leftovers/{kind}", verdict[1], sep="\t", file=results)
    print("nothing" if not found else f"{len(found)} things")


if __name__ == "__main__":
    if sys.argv[1] == "snapshot":
        print("\n".join(sorted(snapshot())))
    else:
        compare(sys.argv[2])
