"""Cgroups over the API, looked at in the kernel's own files. The same on cgroup v1 and v2."""
import os
import pathlib
import signal
import subprocess
import time

from . import kernel
from .runner import Skip


def make(daemon, name, **spec):
    answer = daemon.api.put(f"/v1/cgroups/{name}", spec)
    if answer.status == 501:
        raise Skip(f"this host enforces no such limit: {answer.json['detail']}")
    assert answer.status == 201, answer
    return answer.json


def get(daemon, name):
    answer = daemon.api.get(f"/v1/cgroups/{name}")
    assert answer.status == 200, answer
    return answer.json


def directory(daemon, name, controller):
    return pathlib.Path(get(daemon, name)["status"]["controllers"][controller]["path"])


def attach(daemon, name, pid, **more):
    answer = daemon.api.post(f"/v1/cgroups/{name}/processes", {"pid": pid, **more})
    assert answer.status == 200, answer
    return [item["pid"] for item in answer.json["items"]]


def groups_of(pid):
    """Controller (or "" for v2) -> path, as /proc tells it."""
    found = {}
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        for name in line.split(":", 2)[1].split(","):
            found[name] = line.split(":", 2)[2]
    return found


class Processes:
    """Children of the test that do not outlive it."""

    def __init__(self):
        self.all = []

    def start(self, *command, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        self.all.append(subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, start_new_session=True, **options))
        return self.all[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.all:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait(10)


def cleared(daemon):
    """Ends what is in the groups and removes them, children first."""
    items = {item["name"]: item for item in daemon.items("cgroups")}
    while items:
        parents = {item["spec"]["parent"] for item in items.values()}
        for name in [name for name in items if name not in parents]:
            daemon.api.post(f"/v1/cgroups/{name}/actions/kill")
            answer = daemon.api.delete(f"/v1/cgroups/{name}")
            assert answer.status == 204, answer
            del items[name]


def a_cpu():
    return min(os.sched_getaffinity(0))


def cpu_time(directory_of_group):
    """Nanoseconds that the group has had, from its own file."""
    usage = directory_of_group / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text())
    for line in (directory_of_group / "cpu.stat").read_text().splitlines():
        if line.startswith("usage_usec"):
            return int(line.split()[1]) * 1000
    raise AssertionError(f"{directory_of_group} accounts no CPU time")


def accounting(daemon, name):
    """The directory of the hierarchy that accounts CPU time: v1 mounts it alone here and there."""
    path = directory(daemon, name, "cpu")
    if (path / "cpu.weight").exists() or (path / "cpuacct.usage").exists():
        return path
    for point in kernel.cgroup_mounts():
        found = pathlib.Path(point + groups_of_path(path))
        if (found / "cpuacct.usage").exists():
            return found
    raise Skip("no hierarchy here accounts CPU time")


def groups_of_path(path):
    for point in sorted(kernel.cgroup_mounts(), key=len, reverse=True):
        if str(path).startswith(point + "/"):
            return str(path)[len(point):]
    raise AssertionError(f"{path} is below no mounted hierarchy")


def measure(daemon, names, seconds=10):
    """How the CPU time of these groups was shared out between them, in per cent, by the kernel's own files."""
    where = [accounting(daemon, name) for name in names]
    before = [cpu_time(path) for path in where]
    time.sleep(seconds)
    spent = [cpu_time(path) - start for path, start in zip(where, before)]
    return [100 * one / sum(spent) for one in spent]


def fifo(lab):
    path = lab.home / "fifo"
    if not path.exists():
        os.mkfifo(path)
    return lab.home


def no_swap(daemon):
    """{"swap_max": 0} where this host has a limit of swap, so that nothing but the page cache can be reclaimed."""
    answer = daemon.api.put("/v1/cgroups/swapless?dry_run=true", {"memory": {"max": 1 << 26, "swap_max": 0}})
    return {"swap_max": 0} if answer.status == 200 else {}
