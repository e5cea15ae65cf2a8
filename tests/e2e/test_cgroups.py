"""Control groups, rows G1-G16 of the lab, and limits that are felt. The same on cgroup v1 and v2."""
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import kernel
from harness.daemon import BIN
from harness.runner import Skip, test

HOG = "import os,time\nblocks=[]\nfor _ in range(64): blocks.append(bytearray(os.urandom(1<<20)))\nprint('survived',flush=True)\ntime.sleep(60)"
SPIN = "while True: pass"


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


@test("G4-cgroups-are-directories-with-control-files")
def directories(lab):
    daemon = lab.daemon
    made = make(daemon, "cpualta", cpu={"shares": 717})
    make(daemon, "cpubaja", cpu={"shares": 307})
    try:
        assert made["status"]["state"] == "ready", made
        for name in ("cpualta", "cpubaja"):
            for controller, shown in get(daemon, name)["status"]["controllers"].items():
                path = pathlib.Path(shown["path"])
                assert path.is_dir() and path.name == name and (path / "cgroup.procs").exists(), (controller, shown)
                assert shown["version"] in (1, 2)
                for limit in shown["limits"].values():
                    assert pathlib.Path(limit["file"]).exists(), limit
        assert len(daemon.items("cgroups")) == 2
    finally:
        cleared(daemon)
    assert not pathlib.Path(made["status"]["controllers"]["cpu"]["path"]).exists()


@test("G6-shares-and-weights-are-in-the-kernel")
def shares(lab):
    daemon = lab.daemon
    try:
        for name, spec, on_v1, on_v2 in (("a", {"shares": 717}, "717", "70"), ("b", {"shares": 307}, "307", "30"),
                                         ("c", {"weight": 70}, "717", "70"), ("d", {"weight": 30}, "307", "30")):
            make(daemon, name, cpu=spec)
            path = directory(daemon, name, "cpu")
            file = path / "cpu.shares"
            assert file.read_text().strip() == on_v1 if file.exists() else (path / "cpu.weight").read_text().strip() == on_v2
            limits = get(daemon, name)["status"]["controllers"]["cpu"]["limits"]
            key, value = next(iter(spec.items()))
            assert limits[key]["requested"] == value, limits
            assert abs(limits[key]["effective"] - value) <= value / 100, limits
    finally:
        cleared(daemon)


@test("G8-G11-seventy-to-thirty", seconds=120)
def seventy_thirty(lab):
    """Two processes on one CPU: even before, 70:30 once they are in the groups."""
    daemon, cpu = lab.daemon, a_cpu()
    make(daemon, "cpualta", cpu={"shares": 717})
    make(daemon, "cpubaja", cpu={"shares": 307})
    with Processes() as processes:
        try:
            md5 = ["taskset", "-c", cpu, "md5sum", "/dev/urandom"]
            high, low = processes.start(*md5), processes.start(*md5)
            ticks = lambda pid: sum(int(part) for part in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
            time.sleep(0.2)
            before = ticks(high.pid), ticks(low.pid)
            time.sleep(10)
            first, second = ticks(high.pid) - before[0], ticks(low.pid) - before[1]
            share = 100 * first / (first + second)
            assert abs(share - 50) <= 3, f"before: {share:.1f} %"
            assert attach(daemon, "cpualta", high.pid) == [high.pid]
            assert attach(daemon, "cpubaja", low.pid) == [low.pid]
            assert str(high.pid) in (directory(daemon, "cpualta", "cpu") / "cgroup.procs").read_text().split()
            high_share, low_share = measure(daemon, ["cpualta", "cpubaja"])
            print(f"  before {share:.1f}:{100 - share:.1f}, in the groups {high_share:.1f}:{low_share:.1f}")
            assert abs(high_share - 70) <= 3, f"{high_share:.1f}:{low_share:.1f}"
            # G16: one more in the lower group shares its part.
            answer = daemon.api.post("/v1/cgroups/cpubaja/processes", {"command": ["md5sum", "/dev/urandom"], "cpus": str(cpu)})
            assert answer.status == 201, answer
            third = answer.json["items"][0]["pid"]
            assert os.sched_getaffinity(third) == {cpu}
            low_before = ticks(low.pid), ticks(third)
            high_share, low_share = measure(daemon, ["cpualta", "cpubaja"])
            both = ticks(low.pid) - low_before[0], ticks(third) - low_before[1]
            print(f"  with a third {high_share:.1f}:{low_share:.1f}, the two of the lower {both}")
            assert abs(high_share - 70) <= 3, f"{high_share:.1f}:{low_share:.1f}"
            assert abs(100 * both[0] / sum(both) - 50) <= 5, both
        finally:
            cleared(daemon)


@test("G12-G13-the-one-that-is-left-takes-it-all")
def left_alone(lab):
    daemon, cpu = lab.daemon, a_cpu()
    for name, value in (("cpualta", 717), ("cpubaja", 307)):
        make(daemon, name, cpu={"shares": value})
        answer = daemon.api.post(f"/v1/cgroups/{name}/processes", {"command": ["md5sum", "/dev/urandom"], "cpus": str(cpu)})
        assert answer.status == 201, answer
    try:
        pid = daemon.api.get("/v1/cgroups/cpualta/processes").json["items"][0]["pid"]
        os.kill(pid, signal.SIGKILL)
        kernel.wait_until(lambda: not daemon.api.get("/v1/cgroups/cpualta/processes").json["items"], "it is gone")
        alone = measure(daemon, ["cpualta", "cpubaja"], 2)
        assert alone[1] > 99, alone
        stats = daemon.api.get("/v1/cgroups/cpubaja/stats?window=1s").json
        assert stats["window"] >= 10**9 and stats["rates"]["cpus"] > 0.05, stats
        assert daemon.api.get("/v1/cgroups/cpualta/stats?window=100ms").json["rates"]["cpus"] == 0
        table = daemon.ctl("top", "--interval", "1s").stdout.splitlines()
        assert table[0].split()[:3] == ["NAME", "CPU%", "SHARE%"], table
        assert table[1].split()[0] == "cgroup/cpubaja" and float(table[1].split()[2]) > 95, table
    finally:
        cleared(daemon)


@test("G14-G15-descendants-and-children-born-later")
def children(lab):
    daemon = lab.daemon
    make(daemon, "cpubaja")
    with Processes() as processes:
        try:
            shell = processes.start("sh", "-c", "sleep 60 & (sleep 61 & sleep 62) & read x; sleep 63", stdout=subprocess.DEVNULL)
            tree = lambda: {int(pid) for pid in subprocess.run(["pgrep", "-s", str(shell.pid)], capture_output=True, text=True).stdout.split()}
            kernel.wait_until(lambda: len(tree()) >= 4, "all of them run")
            time.sleep(0.2)
            everyone = tree()
            assert set(attach(daemon, "cpubaja", shell.pid, descendants=True)) == everyone
            inside = lambda: {int(pid) for pid in (directory(daemon, "cpubaja", "pids") / "cgroup.procs").read_text().split()}
            assert everyone <= inside(), (everyone, inside())
        finally:
            cleared(daemon)
        with_shell = processes.start("sh", "-c", "read line < fifo; sleep 60 & sleep 61", cwd=fifo(lab))
        make(daemon, "later")
        try:
            assert attach(daemon, "later", with_shell.pid) == [with_shell.pid]
            pathlib.Path(fifo(lab), "fifo").write_text("go\n")
            born = lambda: {item["pid"] for item in daemon.api.get("/v1/cgroups/later/processes").json["items"]}
            kernel.wait_until(lambda: len(born()) == 3, "its children are in the group")
        finally:
            cleared(daemon)


def fifo(lab):
    path = lab.home / "fifo"
    if not path.exists():
        os.mkfifo(path)
    return lab.home


@test("cgroup-attach-lets-none-of-a-fork-storm-escape", seconds=120)
def storm(lab):
    daemon = lab.daemon
    make(daemon, "storm")
    # Each generation forks the next; grandchildren of a process that is moved, while it is moved.
    code = ("import os,time\n"
            "for _ in range(10):\n"
            "  if os.fork() == 0:\n"
            "    for _ in range(99):\n"
            "      if os.fork() == 0: time.sleep(100); os._exit(0)\n"
            "    time.sleep(100); os._exit(0)\n"
            "print('done', flush=True); time.sleep(100)")
    with Processes() as processes:
        try:
            top = processes.start(sys.executable, "-c", code, stdout=subprocess.PIPE)
            time.sleep(0.05)
            attach(daemon, "storm", top.pid, descendants=True)
            count = lambda: len(subprocess.run(["pgrep", "-s", str(top.pid)], capture_output=True, text=True).stdout.split())
            kernel.wait_until(lambda: count() == 1001, "a thousand were forked", 60)
            outside = [pid for pid in subprocess.run(["pgrep", "-s", str(top.pid)], capture_output=True, text=True).stdout.split()
                       if any(not path.endswith("/storm") for name, path in groups_of(pid).items() if name in ("cpu", "memory", "pids", "freezer"))]
            assert not outside, f"{len(outside)} are outside: {groups_of(outside[0])}"
        finally:
            cleared(daemon)


@test("cgroup-run-is-the-shells-own-job")
def run_in_group(lab):
    daemon, cpu = lab.daemon, a_cpu()
    make(daemon, "cpualta", cpu={"shares": 717})
    try:
        out = daemon.ctl("cgroup", "run", "--cpus", cpu, "cpualta", "--", "sh", "-c", "cat /proc/self/cgroup; taskset -cp $$; exit 7", check=False)
        assert out.returncode == 7, out
        assert "/cpualta" in out.stdout and f"list: {cpu}" in out.stdout, out.stdout
        assert daemon.ctl("cgroup", "run", "cpualta", "--", "/no/such/program", check=False).returncode == 127
        assert daemon.ctl("cgroup", "run", "nosuch", "--", "true", check=False).returncode == 3
        pid = int(daemon.ctl("-o", "json", "cgroup", "spawn", "cpualta", "--", "sleep", "60").stdout.split('"pid":')[1].split(",")[0])
        assert groups_of(pid)["memory" if "memory" in groups_of(pid) else ""].endswith("/cpualta"), groups_of(pid)
        assert "sleep 60" in daemon.ctl("cgroup", "ps", "cpualta").stdout
        answer = daemon.api.post("/v1/cgroups/cpualta/processes", {"command": ["/no/such/program"]})
        assert answer.status == 409 and "/no/such/program" in answer.json["detail"], answer
        daemon.ctl("cgroup", "release", "cpualta", pid)
        assert not groups_of(pid)["memory" if "memory" in groups_of(pid) else ""].endswith("/cpualta")
        os.kill(pid, signal.SIGKILL)
    finally:
        cleared(daemon)


@test("cgroup-memory-hog-is-killed-at-its-limit")
def hog(lab):
    daemon = lab.daemon
    spec = {"memory": {"max": 24 << 20}}
    make(daemon, "small", **spec)
    try:
        with Processes() as processes:
            hog = processes.start("sh", "-c", f"read x < fifo; exec {sys.executable} -c \"$HOG\"", cwd=fifo(lab), env={**os.environ, "HOG": HOG})
            attach(daemon, "small", hog.pid)
            pathlib.Path(fifo(lab), "fifo").write_text("go\n")
            assert hog.wait(60) == -signal.SIGKILL
        memory = daemon.api.get("/v1/cgroups/small/stats").json["memory"]
        assert memory["oom_kills"] >= 1 and memory["peak_bytes"] in (None, *range(20 << 20, 25 << 20)), memory
    finally:
        cleared(daemon)


KEEP = "import os,sys,time\nblock=bytearray(os.urandom(40<<20))\nsys.stdin.readline()\nprint('alive',flush=True)\ntime.sleep(60)"


@test("cgroup-memory-lowered-under-use-is-refused-and-kills-nobody")
def lowered(lab):
    daemon = lab.daemon
    make(daemon, "full", memory={"max": 256 << 20, **no_swap(daemon)})
    try:
        with Processes() as processes:
            keeper = processes.start("sh", "-c", f"read x < fifo; exec {sys.executable} -c \"$KEEP\"", cwd=fifo(lab), env={**os.environ, "KEEP": KEEP})
            attach(daemon, "full", keeper.pid)
            pathlib.Path(fifo(lab), "fifo").write_text("go\n")
            used = lambda: daemon.api.get("/v1/cgroups/full/stats").json["memory"]["anonymous_bytes"]
            kernel.wait_until(lambda: used() > 39 << 20, "it holds its memory", 30)
            before = get(daemon, "full")
            answer = daemon.api.patch("/v1/cgroups/full", {"memory": {"max": 16 << 20}})
            assert answer.status == 409 and answer.json["errors"][0]["pointer"] == "/memory/max", answer
            after = get(daemon, "full")
            assert after["spec"] == before["spec"] and after["revision"] == before["revision"]
            limit = after["status"]["controllers"]["memory"]["limits"]["max"]
            assert limit["effective"] == 256 << 20 and keeper.poll() is None, limit
            # What fits once the page cache is given back is taken.
            (lab.home / "cached").write_bytes(bytes(1 << 20))
            daemon.ctl("cgroup", "run", "full", "--", "dd", "if=/dev/zero", f"of={lab.home}/cached", "bs=1M", "count=64", "conv=fsync")
            answer = daemon.api.patch("/v1/cgroups/full", {"memory": {"max": 64 << 20}})
            assert answer.status == 200 and answer.json["status"]["controllers"]["memory"]["limits"]["max"]["effective"] == 64 << 20, answer
            assert keeper.poll() is None
    finally:
        cleared(daemon)


def no_swap(daemon):
    """{"swap_max": 0} where this host has a limit of swap, so that nothing but the page cache can be reclaimed."""
    answer = daemon.api.put("/v1/cgroups/swapless?dry_run=true", {"memory": {"max": 1 << 26, "swap_max": 0}})
    return {"swap_max": 0} if answer.status == 200 else {}


@test("cgroup-fork-bomb-is-held")
def bomb(lab):
    daemon = lab.daemon
    make(daemon, "bomb", pids={"max": 20})
    code = "import os,time\nn=0\ntry:\n  while True:\n    if os.fork()==0: os.close(1); os.close(2); time.sleep(60); os._exit(0)\n    n+=1\nexcept BlockingIOError: print(n,flush=True)"
    try:
        out = daemon.ctl("cgroup", "run", "bomb", "--", "timeout", "-s", "KILL", "50", sys.executable, "-c", code, check=False)
        assert out.stdout.strip() == "18", out
        pids = daemon.api.get("/v1/cgroups/bomb/stats").json["pids"]
        assert pids["max"] == 20 and pids["refused_forks"] >= 1, pids
        assert daemon.api.delete("/v1/cgroups/bomb").status == 409
        assert daemon.api.post("/v1/cgroups/bomb/actions/kill").status == 204
        assert not daemon.api.get("/v1/cgroups/bomb/processes").json["items"]
    finally:
        cleared(daemon)


@test("cgroup-busy-loop-at-half-a-cpu")
def half(lab):
    daemon = lab.daemon
    make(daemon, "half", cpu={"max": {"quota": 50_000_000, "period": 100_000_000}})
    try:
        path = directory(daemon, "half", "cpu")
        file = path / "cpu.max"
        assert file.read_text().strip() == "50000 100000" if file.exists() else (path / "cpu.cfs_quota_us").read_text().strip() == "50000"
        with Processes() as processes:
            for _ in range(3):   # enough to want more than half a CPU on a busy machine too
                attach(daemon, "half", processes.start(sys.executable, "-c", SPIN).pid)
            before, start = cpu_time(accounting(daemon, "half")), time.monotonic()
            time.sleep(4)
            used = (cpu_time(accounting(daemon, "half")) - before) / 1e9 / (time.monotonic() - start)
            # A busy machine may have less than half a CPU to give; a twentieth it has, and must not give more.
            assert daemon.api.patch("/v1/cgroups/half", {"cpu": {"max": {"quota": 5_000_000}}}).status == 200
            before, start = cpu_time(accounting(daemon, "half")), time.monotonic()
            time.sleep(3)
            little = (cpu_time(accounting(daemon, "half")) - before) / 1e9 / (time.monotonic() - start)
        print(f"  {used:.3f} and {little:.3f} CPUs")
        assert used <= 0.53 and little <= 0.08, (used, little)
        cpu = daemon.api.get("/v1/cgroups/half/stats").json["cpu"]
        assert cpu["throttled_periods"] > 5 and cpu["throttled_ns"] > 0, cpu
        answer = daemon.api.patch("/v1/cgroups/half", {"cpu": {"max": None}})
        assert answer.status == 200 and answer.json["status"]["controllers"]["cpu"]["limits"]["max"]["effective"] is None, answer
    finally:
        cleared(daemon)


def whole_disk_of(path):
    device = os.stat(path).st_dev
    link = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    if not link.exists():
        return None
    real = link.resolve()
    return ((real.parent if (real / "partition").exists() else real) / "dev").read_text().strip()


@test("cgroup-reader-is-throttled")
def reader(lab):
    daemon = lab.daemon
    data = lab.home / "data"
    data.write_bytes(os.urandom(6 << 20))
    os.sync()
    disk = whole_disk_of(data)
    if disk is None:
        raise Skip("the scratch folder is on no disk of its own")
    make(daemon, "slow", io={"limits": [{"device": disk, "read_bytes": 2 << 20}]})
    try:
        limits = get(daemon, "slow")["status"]["controllers"]["io"]["limits"]["limits"]
        assert limits["effective"][0]["device"] == disk and limits["effective"][0]["read_bytes"] == 2 << 20, limits
        start = time.monotonic()
        daemon.ctl("cgroup", "run", "slow", "--", "dd", f"if={data}", "of=/dev/null", "bs=1M", "iflag=direct")
        took = time.monotonic() - start
        print(f"  6 MiB in {took:.1f} s")
        assert took > 2.0, f"6 MiB at 2 MiB/s took {took:.1f} s"
        assert daemon.api.get("/v1/cgroups/slow/stats").json["io"]["read_bytes"] >= 6 << 20
        assert daemon.api.patch("/v1/cgroups/slow", {"io": {"limits": []}}).json["status"]["controllers"]["io"]["limits"]["limits"]["effective"] == []
    finally:
        cleared(daemon)


@test("cgroup-freeze-and-thaw")
def freeze(lab):
    daemon = lab.daemon
    make(daemon, "ice")
    try:
        with Processes() as processes:
            attach(daemon, "ice", processes.start(sys.executable, "-c", SPIN).pid)
            assert daemon.api.patch("/v1/cgroups/ice", {"frozen": True}).json["status"]["state"] == "frozen"
            before = cpu_time(accounting(daemon, "ice"))
            time.sleep(0.5)
            assert cpu_time(accounting(daemon, "ice")) - before < 20_000_000
            assert daemon.api.patch("/v1/cgroups/ice", {"frozen": False}).json["status"]["state"] == "ready"
            kernel.wait_until(lambda: cpu_time(accounting(daemon, "ice")) - before > 50_000_000, "it goes on")
    finally:
        cleared(daemon)


@test("cgroup-nested-and-bound-by-its-parent")
def nested(lab):
    daemon = lab.daemon
    make(daemon, "outer", pids={"max": 30})
    with Processes() as processes:
        try:
            first = processes.start("sleep", "60")
            attach(daemon, "outer", first.pid)
            make(daemon, "inner", parent="outer", pids={"max": 10})
            path = directory(daemon, "inner", "pids")
            assert path.parent.name == "outer" and (path / "pids.max").read_text().strip() == "10"
            second = processes.start("sleep", "60")
            attach(daemon, "inner", second.pid)
            listed = lambda name: [item["pid"] for item in daemon.api.get(f"/v1/cgroups/{name}/processes").json["items"]]
            assert listed("outer") == [first.pid] and listed("inner") == [second.pid]
            answer = daemon.api.delete("/v1/cgroups/outer")
            assert answer.status == 409 and "cgroup/inner" in answer.json["conflicts_with"], answer
            assert daemon.api.patch("/v1/cgroups/inner", {"parent": None}).status == 409
            assert daemon.api.put("/v1/cgroups/lost", {"parent": "nosuch"}).status in (404, 422)
        finally:
            cleared(daemon)


@test("cgroup-survives-daemon-and-boot")
def survives(lab):
    daemon = lab.new_daemon(image=False)
    make(daemon, "zz", pids={"max": 30})
    make(daemon, "aa", parent="zz", cpu={"shares": 307})
    make(daemon, "monitors", pids={"max": 5})
    with Processes() as processes:
        process = processes.start("sleep", "60")
        attach(daemon, "aa", process.pid)
        daemon.restart()
        assert daemon.api.get("/v1/cgroups/aa/processes").json["items"][0]["pid"] == process.pid
    daemon.power_cut()
    daemon.start()
    assert daemon.api.get("/v1/restore?wait=20s").json["finished_at"]
    for name, controller, limit, value in (("zz", "pids", "max", 30), ("aa", "cpu", "shares", 307), ("monitors", "pids", "max", 5)):
        item = get(daemon, name)
        assert item["status"]["state"] == "ready", item
        effective = item["status"]["controllers"][controller]["limits"][limit]["effective"]
        assert abs(effective - value) <= 1, item
    # What somebody else changed or removed comes back when it is asked for again.
    os.rmdir(next(path for path in [directory(daemon, "aa", "cpu")]))
    assert get(daemon, "aa")["status"]["state"] in ("ready", "absent", "drifted")
    answer = daemon.api.put("/v1/cgroups/aa", {"parent": "zz", "cpu": {"shares": 307}})
    assert answer.status == 200 and directory(daemon, "aa", "cpu").is_dir(), answer


@test("cgroup-input")
def bad_input(lab):
    daemon = lab.daemon
    make(daemon, "good", pids={"max": 50})
    before = daemon.items("cgroups"), sorted(daemon.cgroups())
    body = lambda **spec: ("PUT", "/v1/cgroups/bad", spec)
    most = max(os.sched_getaffinity(0)) + 4000
    wrong = [body(pids={"max": value}) for value in (-1, 0, "10X", 2**63, 1.5, 2**22 + 1, "max", True)]
    wrong += [body(memory={"max": value}) for value in (-1, 0, 1, "10X", 2**63, "512M\n")]
    wrong += [body(cpu=value) for value in ({"weight": 0}, {"weight": 10001}, {"shares": 1}, {"shares": 262145}, {"weight": 7, "shares": 7},
                                            {"max": {"quota": 1}}, {"max": {"period": 10**8}}, {"max": {"quota": 1_000_001}},
                                            {"max": {"quota": 10**7, "period": 2 * 10**9}}, 7, {"unknown": 1})]
    wrong += [body(cpuset={"cpus": value}) for value in ("3-1", "", "0\n", "0 1", "0-", "-1", "a", f"{most}", f"0-{most}", "99999999999", 0, [])]
    wrong += [body(cpuset={"mems": "4000"})]
    wrong += [body(io={"limits": value}) for value in ([{"device": "/dev/null", "read_bytes": 1}], [{"device": "/dev/../etc", "read_bytes": 1}],
                                                       [{"device": "8:0"}], [{"read_bytes": 1}], [{"device": "8:0\n", "read_bytes": 1}],
                                                       [{"device": "8:0", "read_bytes": -1}], [{"device": "/dev/nosuch", "read_bytes": 1}])]
    wrong += [body(frozen="yes"), body(parent="bad"), body(parent="nosuch"), body(parent="../x"), body(parent=7), body(nothing=1)]
    wrong += [("PUT", f"/v1/cgroups/{name}", {}) for name in ("cgroup.procs", "..", "a%2Fb", "A", "a_b", "-a", "a" * 64, "%00", "a%0A")]
    wrong += [("POST", "/v1/cgroups/good/processes", value) for value in (
        {}, {"pid": -1}, {"pid": 0}, {"pid": 2**31}, {"pid": "1"}, {"pid": 4194304}, {"pid": 1, "command": ["x"]}, {"command": []}, {"command": [""]},
        {"command": ["true"], "cpus": "3-1"}, {"command": ["true"], "cpus": str(most)}, {"pid": os.getpid(), "cpus": "0"}, {"pid": daemon.process.pid},
        {"command": ["true"], "descendants": True}, {"command": ["true"], "cwd": "relative"}, {"pid": 1, "descendants": "yes"}, [])]
    wrong += [("DELETE", "/v1/cgroups/good/processes/1", None), ("DELETE", "/v1/cgroups/good/processes/x", None),
              ("GET", "/v1/cgroups/good/stats?window=1h", None), ("GET", "/v1/cgroups/good/stats?window=x", None), ("GET", "/v1/cgroups/nosuch/stats", None),
              ("POST", "/v1/cgroups/good/actions/kill", {"x": 1})]
    try:
        for method, path, spec in wrong:
            answer = daemon.api.request(method, path, spec)
            assert 400 <= answer.status < 500, f"{method} {path} {spec}: {answer}"
            assert answer.headers["Content-Type"] == "application/problem+json", answer
            if answer.status == 422:
                assert answer.json["errors"] and answer.json["errors"][0]["detail"], f"{spec}: {answer}"
        assert (daemon.items("cgroups"), sorted(daemon.cgroups())) == before or [i["spec"] for i in daemon.items("cgroups")] == [i["spec"] for i in before[0]]
        assert sorted(daemon.cgroups()) == before[1]
        strange = daemon.read_only.post("/v1/cgroups/good/processes", {"pid": os.getpid()})
        assert strange.status in (403, 405), strange
    finally:
        cleared(daemon)


@test("cgroup-501-names-the-missing-controller")
def missing(lab):
    daemon = lab.daemon
    made = make(daemon, "probe")["status"]["controllers"]
    try:
        asked = {"memory.high": {"memory": {"high": 1 << 26}}, "io.weight": {"io": {"weight": 50}}}
        lacking = 0
        for limit, spec in asked.items():
            controller, name = limit.split(".")
            answer = daemon.api.put("/v1/cgroups/other", spec)
            if name in made.get(controller, {"limits": {}})["limits"]:
                assert answer.status == 201, answer
                daemon.api.delete("/v1/cgroups/other")
                continue
            lacking += 1
            assert answer.status == 501 and controller in answer.json["detail"], answer
            assert answer.json["errors"][0]["pointer"] == f"/{controller}/{name}", answer
            contained = daemon.api.put("/v1/containers/other", {"image": "busybox", "limits": spec})
            assert contained.status == 501 and contained.json["errors"][0]["pointer"] == f"/limits/{controller}/{name}", contained
        if not lacking:
            raise Skip("this host lacks none of them")
    finally:
        cleared(daemon)


@test("L22-L25-limits-of-a-running-container")
def running(lab):
    daemon = lab.daemon
    daemon.container("sobox", start=True)
    answer = daemon.api.patch("/v1/containers/sobox", {"limits": {"memory": {"max": 512 << 20}}})
    if answer.status == 501:
        raise Skip(answer.json["detail"])
    assert answer.status == 200, answer
    limit = answer.json["status"]["controllers"]["memory"]["limits"]["max"]
    assert limit["requested"] == limit["effective"] == 512 << 20, limit
    file = pathlib.Path(limit["file"])
    assert file.read_text().strip() == str(512 << 20)
    assert file.name in ("memory.limit_in_bytes", "memory.max")
    assert str(daemon.pid_of("sobox")) in (file.parent / "cgroup.procs").read_text().split()
    assert "512M" in daemon.ctl("container", "show", "sobox").stdout
    daemon.ctl("container", "set", "sobox", "--memory", "256M")
    assert file.read_text().strip() == str(256 << 20)
    daemon.ctl("container", "set", "sobox", "--memory", "none")
    assert file.read_text().strip() in ("max", "9223372036854771712")
    assert daemon.get_container("sobox")["spec"]["limits"]["memory"]["max"] is None


@test("container-limits-are-kept-across-restart")
def kept(lab):
    daemon = lab.daemon
    spec = {"cpu": {"shares": 307}, "pids": {"max": 40}, "cpuset": {"cpus": str(a_cpu())}}
    answer = daemon.api.put("/v1/containers/c1", {"image": "busybox", "limits": spec})
    if answer.status == 501:
        raise Skip(answer.json["detail"])
    assert answer.status == 201, answer
    for _ in range(2):
        status = daemon.start_container("c1")["status"]["controllers"]
        assert status["pids"]["limits"]["max"]["effective"] == 40 and abs(status["cpu"]["limits"]["shares"]["effective"] - 307) <= 1, status
        assert os.sched_getaffinity(daemon.pid_of("c1")) == {a_cpu()}
        assert daemon.set_state("c1", "stopped", force=True).status == 200


@test("container-processes-stay-in-their-group")
def stay(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    make(daemon, "elsewhere")
    try:
        answer = daemon.api.post("/v1/cgroups/elsewhere/processes", {"pid": daemon.pid_of("c1")})
        assert answer.status == 409 and answer.json["conflicts_with"] == ["container/c1"], answer
        stats = daemon.api.get("/v1/containers/c1/stats").json
        assert stats["pids"]["current"] >= 1 and stats["cpu"]["usage_ns"] > 0, stats
        assert stats["network"] == {"receive_bytes": 0, "transmit_bytes": 0}, stats   # it has lo only
        assert daemon.api.get("/v1/cgroups/elsewhere/stats").json["network"] is None
    finally:
        cleared(daemon)
