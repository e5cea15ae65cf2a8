"""What happens to control groups beside what is asked: the OOM killer, changes by others, pressure, memory lowered under use."""
import os
import pathlib
import sys
import time

from harness import kernel
from harness.cgroups import a_cpu, attach, cleared, directory, fifo, get, make, no_swap, Processes
from harness.runner import Skip, test

EAT = "import os,time\nblocks=[]\nfor _ in range({0}): blocks.append(bytearray(os.urandom(1<<20)))\nprint('kept',flush=True)\ntime.sleep(60)"


def eater(lab, processes, megabytes):
    """A process that takes so much memory once it is told to by go()."""
    code = EAT.format(megabytes)
    return processes.start("sh", "-c", f"read x < fifo; exec {sys.executable} -c \"$CODE\"", cwd=fifo(lab), env={**os.environ, "CODE": code})


def go(lab):
    pathlib.Path(fifo(lab), "fifo").write_text("go\n")


def condition(document, kind):
    return next((one for one in document["status"]["conditions"] if one["type"] == kind and one["status"]), None)


def event(daemon, since, kind, name):
    """The first event of this type since then."""
    return kernel.wait_until(lambda: next((one for one in daemon.api.events(since=since) if one["type"] == kind and one["name"] == name), None), f"a {kind} of {name}")


def last_event(daemon):
    return daemon.api.get("/v1/cgroups?limit=1").json["seq"]


@test("cgroup-oom-kill-is-told-with-the-process")
def oom(lab):
    daemon = lab.daemon
    make(daemon, "small", memory={"max": 24 << 20, **no_swap(daemon)})
    make(daemon, "beside", memory={"max": 24 << 20})
    since = last_event(daemon)
    try:
        with Processes() as processes:
            hog = eater(lab, processes, 64)
            attach(daemon, "small", hog.pid)
            go(lab)
            assert hog.wait(60) == -9
        told = event(daemon, since, "out-of-memory", "small")
        assert told["data"]["kills"] == 1 and told["data"]["limit"] == 24 << 20 and told["data"]["unknown"] == 0, told
        assert told["data"]["processes"][0]["pid"] == hog.pid and told["data"]["processes"][0]["name"].startswith("python"), told
        found = condition(get(daemon, "small"), "OutOfMemory")
        assert found["reason"] == "ProcessKilled" and str(hog.pid) in found["message"], found
        assert condition(get(daemon, "beside"), "OutOfMemory") is None
        assert daemon.api.patch("/v1/cgroups/small", {"memory": {"max": 64 << 20}}).status == 200
        assert condition(get(daemon, "small"), "OutOfMemory") is None, "another limit, another life"
    finally:
        cleared(daemon)


@test("container-oom-kill-is-told-with-the-process")
def container_oom(lab):
    daemon = lab.daemon
    answer = daemon.api.put("/v1/containers/c1", {"image": "busybox", "limits": {"memory": {"max": 16 << 20}}})
    if answer.status == 501:
        raise Skip(answer.json["detail"])
    daemon.start_container("c1")
    since = last_event(daemon)
    assert daemon.execute("c1", "/bin/tail", "/dev/zero")["exit_code"] != 0
    told = event(daemon, since, "out-of-memory", "c1")
    assert told["kind"] == "container" and "tail" in [one["name"] for one in told["data"]["processes"]], told
    assert "tail" in condition(daemon.get_container("c1"), "OutOfMemory")["message"]
    assert daemon.state_of("c1") == "running"
    assert daemon.set_state("c1", "stopped", force=True).status == 200
    daemon.start_container("c1")
    assert condition(daemon.get_container("c1"), "OutOfMemory") is None


def limit_file(daemon, name, controller, limit):
    return pathlib.Path(get(daemon, name)["status"]["controllers"][controller]["limits"][limit]["file"])


@test("cgroup-drift-is-told-and-repaired")
def repaired(lab):
    daemon = lab.daemon
    make(daemon, "held", pids={"max": 50}, cpu={"shares": 307})
    try:
        pids, cpu = limit_file(daemon, "held", "pids", "max"), limit_file(daemon, "held", "cpu", "shares")
        before = cpu.read_text()
        for file, value in ((pids, "77"), (cpu, "555"), (pids, "max")):
            since, held = last_event(daemon), file.read_text()
            time.sleep(0.3)   # the daemon's own look after what it wrote itself is over
            file.write_text(value)
            kernel.wait_until(lambda: file.read_text() == held, f"{file} is as asked again", 2)
            told = [one["type"] for one in daemon.api.events(since=since) if one["name"] == "held"]
            assert told == ["drifted", "repaired"], told
        assert (pids.read_text().strip(), cpu.read_text()) == ("50", before)
        since = last_event(daemon)
        os.rmdir(pids.parent)
        kernel.wait_until(lambda: pids.exists() and pids.read_text().strip() == "50", "the group is made again", 2)
        assert "repaired" in [one["type"] for one in daemon.api.events(since=since) if one["name"] == "held"]
        pids.write_text("60")   # the directory that was made anew is watched, too
        kernel.wait_until(lambda: pids.read_text().strip() == "50", "the new file is as asked", 2)
    finally:
        cleared(daemon)


@test("cgroup-drift-is-only-told-under-observe")
def observed(lab):
    daemon = lab.daemon
    make(daemon, "seen", pids={"max": 50}, policy="observe")
    try:
        file, since = limit_file(daemon, "seen", "pids", "max"), last_event(daemon)
        file.write_text("77")
        kernel.wait_until(lambda: condition(get(daemon, "seen"), "Drifted"), "it is told", 2)
        assert get(daemon, "seen")["status"]["state"] == "drifted" and file.read_text().strip() == "77"
        told = [one["type"] for one in daemon.api.events(since=since) if one["name"] == "seen"]
        assert told == ["drifted"], told
        file.write_text("50")
        kernel.wait_until(lambda: condition(get(daemon, "seen"), "Drifted") is None, "it is as asked", 2)
        file.write_text("78")
        kernel.wait_until(lambda: condition(get(daemon, "seen"), "Drifted"), "it is told again", 2)
        assert daemon.api.patch("/v1/cgroups/seen", {"policy": "repair"}).status == 200
        kernel.wait_until(lambda: file.read_text().strip() == "50", "it is repaired from now on", 2)
    finally:
        cleared(daemon)


@test("container-limits-that-drift-are-repaired")
def container_drift(lab):
    daemon = lab.daemon
    answer = daemon.api.put("/v1/containers/c1", {"image": "busybox", "limits": {"pids": {"max": 40}}})
    if answer.status == 501:
        raise Skip(answer.json["detail"])
    file = pathlib.Path(daemon.start_container("c1")["status"]["controllers"]["pids"]["limits"]["max"]["file"])
    since = last_event(daemon)
    time.sleep(0.3)   # the watch begins a moment after the start
    file.write_text("41")
    kernel.wait_until(lambda: file.read_text().strip() == "40", "it is as asked again", 2)
    assert [one["type"] for one in daemon.api.events(since=since) if one["name"] == "c1"] == ["drifted", "repaired"]


@test("cgroup-pressure-is-told")
def pressure(lab):
    daemon = lab.daemon
    asked = [{"resource": "cpu", "level": "some", "stall": 200_000_000, "window": 2_000_000_000}]
    answer = daemon.api.put("/v1/cgroups/tight", {"pressure": asked})
    if answer.status == 501:
        assert answer.json["errors"][0]["pointer"] == "/pressure/0" and "cpu.pressure" in answer.json["detail"], answer
        raise Skip(answer.json["detail"])
    assert answer.status == 201 and answer.json["spec"]["pressure"] == asked, answer
    since = last_event(daemon)
    try:
        with Processes() as processes:
            for _ in range(3):
                attach(daemon, "tight", processes.start("taskset", "-c", a_cpu(), sys.executable, "-c", "while True: pass").pid)
            told = event(daemon, since, "pressure", "tight")
        assert told["data"] == asked[0], told
        for wrong in ([{"resource": "cpu"}], [{"resource": "net", "stall": 10**8}], [{"resource": "cpu", "stall": 10**9, "window": 10**8}],
                      [{"resource": "cpu", "stall": 2 * 10**9, "window": 10**9}], asked * 2, [7], {"cpu": 1}):
            refused = daemon.api.patch("/v1/cgroups/tight", {"pressure": wrong})
            assert refused.status == 422 and refused.json["errors"][0]["pointer"].startswith("/pressure"), f"{wrong}: {refused}"
    finally:
        cleared(daemon)


@test("cgroup-memory-lowered-under-use-kills-only-by-the-option")
def lowered(lab):
    daemon = lab.daemon
    make(daemon, "full", memory={"max": 256 << 20, **no_swap(daemon)})
    try:
        with Processes() as processes:
            keeper, small = eater(lab, processes, 40), processes.start("sleep", "60")
            attach(daemon, "full", keeper.pid)
            attach(daemon, "full", small.pid)
            go(lab)
            used = lambda: daemon.api.get("/v1/cgroups/full/stats").json["memory"]["anonymous_bytes"]
            kernel.wait_until(lambda: used() > 40 << 20, "it holds its memory", 30)
            assert daemon.api.patch("/v1/cgroups/full", {"memory": {"max": 16 << 20}}).status == 409 and keeper.poll() is None
            since = last_event(daemon)
            answer = daemon.api.patch("/v1/cgroups/full", {"memory": {"max": 16 << 20, "on_excess": "kill"}})
            assert answer.status == 200, answer
            assert answer.json["status"]["controllers"]["memory"]["limits"]["max"]["effective"] == 16 << 20, answer
            assert keeper.wait(10) == -9 and small.poll() is None, "the largest is killed, the others live"
            found = condition(answer.json, "MemoryLowered")
            assert found["reason"] == "Killed" and str(keeper.pid) in found["message"], found
            told = event(daemon, since, "memory-lowered", "full")
            assert [one["pid"] for one in told["data"]["killed"]] == [keeper.pid] and told["data"]["freed_bytes"] > 20 << 20, told
            # Page cache alone is given back, and nobody dies of it.
            assert daemon.api.patch("/v1/cgroups/full", {"memory": {"max": 128 << 20}}).status == 200
            (lab.home / "cached").touch()
            daemon.ctl("cgroup", "run", "full", "--", "dd", "if=/dev/zero", f"of={lab.home}/cached", "bs=1M", "count=64", "conv=fsync")
            answer = daemon.api.patch("/v1/cgroups/full", {"memory": {"max": 24 << 20}})
            assert answer.status == 200 and condition(answer.json, "MemoryLowered")["reason"] == "Reclaimed", answer
            assert small.poll() is None and directory(daemon, "full", "memory").is_dir()
    finally:
        cleared(daemon)
