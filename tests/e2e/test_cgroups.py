"""Control groups as objects, and the processes in them: rows G4 and G14-G15 of the lab."""
import os
import pathlib
import signal
import subprocess
import sys
import time

from harness import kernel
from harness.cgroups import a_cpu, accounting, attach, cleared, cpu_time, directory, fifo, get, groups_of, make, Processes
from harness.runner import test

SPIN = "while True: pass"


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


def is_in(pid, name):
    """In every hierarchy that the daemon uses; a process that has ended meanwhile is nowhere."""
    groups = groups_of(pid)
    used = [path for key, path in groups.items() if key in ("cpu", "memory", "pids", "freezer")] or [groups[""]]
    return all(path.endswith(f"/{name}") for path in used)


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
                       if not is_in(pid, "storm")]
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


CHAIN = """import os, time
groups = lambda: open(f"/proc/{os.getppid()}/cgroup").read()
for _ in range(4):
  if os.fork() == 0:
    before = groups()
    while groups() == before: time.sleep(0.001)   # it is being attached: from now on each ends as the next begins
    for _ in range(40):
      time.sleep(0.03)
      if os.fork() != 0: os._exit(0)
    time.sleep(100)
time.sleep(100)
"""


@test("cgroup-attach-follows-those-that-fork-and-end", seconds=120)
def chains(lab):
    """Each link is an orphan from birth: its parent is gone before anybody can look."""
    daemon = lab.daemon
    make(daemon, "chain")
    with Processes() as processes:
        try:
            top = processes.start(sys.executable, "-c", CHAIN)
            session = lambda: [int(pid) for pid in subprocess.run(["pgrep", "-s", str(top.pid)], capture_output=True, text=True).stdout.split()]
            living = lambda: {pid for pid in session() if kernel.process_exists(pid)}
            kernel.wait_until(lambda: len(living()) >= 5, "they fork")
            attach(daemon, "chain", top.pid, descendants=True)
            kernel.wait_until(lambda: len(living()) == 5 and time.sleep(2) is None and len(living()) == 5, "the chains have come to their ends", 60)
            outside = [pid for pid in living() if not is_in(pid, "chain")]
            assert not outside, f"{len(outside)} are outside: {groups_of(outside[0])}"
            assert {item["pid"] for item in daemon.api.get("/v1/cgroups/chain/processes").json["items"]} == living()
        finally:
            cleared(daemon)
