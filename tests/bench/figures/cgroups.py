"""A cgroup with five limits and the reading of its stats, by the API and by hand in a shell."""
import pathlib
import subprocess
import time

from harness import kernel

MS = 1000.0
LIMITS = {"cpu": {"shares": 307, "max": {"quota": 50_000_000}}, "memory": {"max": 512 << 20}, "pids": {"max": 100}, "cpuset": {"cpus": "0"}}
V1 = (("cpu", "cpu.shares", 307), ("cpu", "cpu.cfs_quota_us", 50000), ("memory", "memory.limit_in_bytes", 512 << 20), ("pids", "pids.max", 100),
      ("cpuset", "cpuset.cpus", 0))
V2 = (("", "cpu.weight", 30), ("", "cpu.max", "'50000 100000'"), ("", "memory.max", 512 << 20), ("", "pids.max", 100), ("", "cpuset.cpus", 0))
READ_V1 = (("cpuacct", "cpuacct.usage"), ("cpu", "cpu.stat"), ("memory", "memory.usage_in_bytes"), ("memory", "memory.stat"), ("pids", "pids.current"),
           ("blkio", "blkio.throttle.io_service_bytes_recursive"))
READ_V2 = (("", "cpu.stat"), ("", "memory.current"), ("", "memory.stat"), ("", "pids.current"), ("", "io.stat"))


def measure(table, daemon, stopwatch, rounds):
    created, deleted = [], []
    for _ in range(rounds):
        created.append(stopwatch.put("/v1/cgroups/bench", LIMITS) / MS)
        deleted.append(stopwatch.time("DELETE", "/v1/cgroups/bench")[0] / MS)
    table.add("create a cgroup with five limits", "ms", created)
    table.add("delete a cgroup", "ms", deleted)
    stopwatch.put("/v1/cgroups/bench", LIMITS)
    places = {name: pathlib.Path(one["path"]).parent for name, one in daemon.api.get("/v1/cgroups/bench").json["status"]["controllers"].items()}
    times = stopwatch.time("GET", "/v1/cgroups/bench/stats", count=rounds * 20)
    table.add("GET a cgroup's stats", "us", times, beside=f"{stopwatch.answer_bytes} bytes")
    stopwatch.time("DELETE", "/v1/cgroups/bench")
    stopwatch.put("/v1/cgroups/keeps", {})   # or the daemon's directory would go, which the shell works in
    by_hand(table, places, rounds)
    stopwatch.time("DELETE", "/v1/cgroups/keeps")


def folder_of(places, controller):
    """The daemon's directory in the hierarchy of a controller, "" for v2's."""
    near = next(iter(places.values()))
    if not controller:
        return near
    for name, place in places.items():
        if name == {"blkio": "io", "cpuacct": "cpu"}.get(controller, controller) and controller in (name, "blkio"):
            return place
    for point in kernel.cgroup_mounts():
        if controller in pathlib.Path(point).name.split(","):
            found = pathlib.Path(point, *near.parts[len(near.parts) - 3:])
            if found.exists():
                return found
    return None


def by_hand(table, places, rounds):
    is_v2 = (next(iter(places.values())) / "cgroup.controllers").exists()
    writes = [(folder_of(places, controller), file, value) for controller, file, value in (V2 if is_v2 else V1)]
    reads = [(folder_of(places, controller), file) for controller, file in (READ_V2 if is_v2 else READ_V1)]
    writes, reads = [one for one in writes if one[0]], [one for one in reads if one[0]]
    folders = " ".join(dict.fromkeys(f"{folder}/hand" for folder, *_ in (*writes, *reads)))
    make = f"mkdir {folders}; " + "; ".join(f"echo {value} >{folder}/hand/{file}" for folder, file, value in writes)
    read = "cat " + " ".join(f"{folder}/hand/{file}" for folder, file in reads)
    figures = {"the same by mkdir and echo": [], "the same stats by cat": [], "rmdir": []}
    for _ in range(rounds):
        for name, script in zip(figures, (make, read, f"rmdir {folders}")):
            begin = time.monotonic()
            subprocess.run(["sh", "-ec", script], check=True, stdout=subprocess.DEVNULL, timeout=20)
            figures[name].append((time.monotonic() - begin) * MS)
    table.add("the same by mkdir and echo", "ms", figures["the same by mkdir and echo"], beside="one shell, no program but mkdir")
    table.add("the same stats by cat", "ms", figures["the same stats by cat"])
