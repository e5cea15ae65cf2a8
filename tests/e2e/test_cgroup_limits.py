"""Limits of control groups, each set, read back from the kernel's file, and felt. Row G6 of the lab."""
import os
import pathlib
import signal
import sys
import time

from harness import kernel
from harness.cgroups import accounting, attach, cleared, cpu_time, directory, fifo, get, make, no_swap, Processes
from harness.runner import Skip, test

HOG = "import os,time\nblocks=[]\nfor _ in range(64): blocks.append(bytearray(os.urandom(1<<20)))\nprint('survived',flush=True)\ntime.sleep(60)"
SPIN = "while True: pass"


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
