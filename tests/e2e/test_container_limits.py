"""The limits of containers are those of their groups: rows L22-L25 of the lab."""
import os
import pathlib

from harness import kernel
from harness.cgroups import a_cpu, cleared, make
from harness.runner import Skip, test


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
    assert daemon.pid_of("sobox") in kernel.cgroup_pids([path for path, _, _ in os.walk(file.parent)])
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


# What a container's root can try: every file of every group it sees, the groups above them, a mount of its own.
ATTACK = """
for d in $(find /sys/fs/cgroup -maxdepth 3 -type d) /sys/fs/cgroup/..; do
  for f in memory.max memory.limit_in_bytes memory.memsw.limit_in_bytes pids.max cpu.max cpu.cfs_quota_us cpu.weight cpu.shares; do
    for v in max -1 10000; do echo $v >$d/$f; done
  done
done
mkdir -p /tmp/a /tmp/b /tmp/c
mount -t cgroup2 none /tmp/a; mount -t cgroup -o memory none /tmp/b; mount -t cgroup -o pids none /tmp/c
for m in /tmp/a /tmp/b /tmp/c; do
  for f in memory.max memory.limit_in_bytes pids.max; do for v in max -1; do echo $v >$m/$f; echo $v >$m/../$f; done; done
  echo $$ >$m/../cgroup.procs; echo 1 >$m/../cgroup.procs
done
for d in $(find /sys/fs/cgroup -maxdepth 2 -type d); do echo 1 >$d/../cgroup.procs; echo 1 >$d/../../cgroup.procs; done
true
"""


def effective_limits(daemon, name):
    """Of the group that bears the limits, by the kernel's own files; those that this host has."""
    found = {}
    for controller, shown in daemon.get_container(name)["status"]["controllers"].items():
        for limit in shown["limits"].values():
            found[limit["file"]] = pathlib.Path(limit["file"]).read_text()
    return found


@test("container-root-cannot-raise-its-limits")
def delegation(lab):
    daemon = lab.daemon
    limits = {"memory": {"max": 64 << 20}, "pids": {"max": 30}, "cpu": {"weight": 50, "max": {"quota": 50_000_000}}}
    answer = daemon.api.put("/v1/containers/c1", {"image": "busybox", "limits": limits})
    if answer.status == 501:
        raise Skip(answer.json["detail"])
    daemon.start_container("c1")
    before, pid = effective_limits(daemon, "c1"), daemon.pid_of("c1")
    top = lambda: {line.split(":", 1)[1] for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines() if "name=" not in line}
    groups, since = top(), daemon.api.get("/v1/cgroups?limit=1").json["seq"]
    daemon.execute("c1", "/bin/sh", "-c", ATTACK, timeout=50)
    assert effective_limits(daemon, "c1") == before
    told = [event["type"] for event in daemon.api.events(since=since) if event["name"] == "c1"]
    assert "drifted" not in told and "repaired" not in told, f"it was raised for a moment: {told}"
    for after in top():
        assert any(after.startswith(group) for group in groups) or "/c1." in after, (after, groups)
    # And they hold: no more processes and no more memory than was said.
    forked = daemon.execute("c1", "/bin/sh", "-c", "i=0; while [ $i -lt 60 ]; do sleep 20 & i=$((i+1)); done 2>&1", timeout=20)
    assert len(kernel.cgroup_pids([path for path, _, _ in os.walk(pathlib.Path(next(iter(before))).parent)])) <= 30, forked
    assert "can't fork" in forked["stdout"] + forked["stderr"], forked
    daemon.set_state("c1", "stopped", force=True)
