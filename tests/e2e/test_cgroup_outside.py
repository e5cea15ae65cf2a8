"""The daemon's cgroups are those it was given; no other is written to."""
from harness import kernel
from harness.cgroups import attach, cleared, make, Processes
from harness.runner import Skip, test
from harness.writes import Writes


@test("cgroup-nothing-outside-the-delegated-tree-is-written")
def outside(lab):
    mounts = list(kernel.cgroup_mounts())
    try:
        writes = Writes(mounts)
    except OSError as error:
        raise Skip(f"{error}: this kernel does not tell who writes") from error
    with writes, Processes() as processes:
        daemon = lab.new_daemon()
        try:
            make(daemon, "outer", pids={"max": 50})
            make(daemon, "inner", parent="outer", cpu={"weight": 50})
            attach(daemon, "inner", processes.start("sleep", "60").pid, descendants=True)
            daemon.container("c1", limits={"pids": {"max": 40}}, start=True)
            assert daemon.set_state("c1", "frozen").status == 200
            ours, told = {daemon.process.pid}, writes.read()   # of a group that is gone, nothing is told any more
            daemon.restart()
            assert daemon.set_state("c1", "running").status == 200
            assert daemon.api.delete("/v1/cgroups/outer").status == 409
            ours.add(daemon.process.pid)
            told |= writes.read()
            assert daemon.set_state("c1", "stopped", force=True).status == 200
        finally:
            cleared(daemon)
        told |= writes.read()
    inside = [f"{mount.rstrip('/')}{lab.cgroup_parent}/" for mount in mounts]
    by_us = {path for pid, path in told if pid in ours}
    assert by_us, f"it wrote nothing at all? {len(told)} writes by others"
    strange = {path for path in by_us if not any(path.startswith(top) for top in inside)}
    assert not strange, strange
