"""CPU time shared out between groups, measured: rows G8-G13 and G16 of the lab. One code for cgroup v1 and v2."""
import os
import pathlib
import signal
import time

from harness import kernel
from harness.cgroups import a_cpu, attach, cleared, directory, make, measure, Processes
from harness.runner import test


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
