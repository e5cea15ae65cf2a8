"""kill -9 of the daemon, and a full disk, at every step of a cgroup's life."""
import pathlib

from harness import kernel
from harness.runner import test
from test_crash import Story, run_errors, run_sweep


class CgroupStory(Story):
    image = False

    def __init__(self):
        self.steps = [
            ("create outer", "PUT", "/v1/cgroups/outer", {"pids": {"max": 40}}),
            ("create inner", "PUT", "/v1/cgroups/inner", {"parent": "outer", "pids": {"max": 7}, "cpu": {"shares": 307}}),
            ("change inner", "PUT", "/v1/cgroups/inner", {"parent": "outer", "pids": {"max": 9}, "frozen": True}),
            ("delete inner", "DELETE", "/v1/cgroups/inner", None),
            ("delete outer", "DELETE", "/v1/cgroups/outer", None),
        ]

    def check(self, daemon, what):
        there = lambda: {pathlib.Path(path).name for path in daemon.cgroups()} & {"outer", "inner"}
        # What a deletion took away whose commit failed is still an object, and is made again once the daemon looks.
        kernel.wait_until(lambda: there() == {item["name"] for item in daemon.items("cgroups")}, f"{what}: groups {there()} are the objects")
        items = {item["name"]: item for item in daemon.items("cgroups")}
        for item in items.values():
            assert item["status"]["state"] == ("frozen" if item["spec"]["frozen"] else "ready"), f"{what}: {item}"
            for controller, limit in (("pids", "max"), ("cpu", "shares")):
                shown = item["status"]["controllers"].get(controller, {"limits": {}})["limits"].get(limit)
                asked = item["spec"][controller][limit]
                assert shown is None or shown["effective"] in (asked, 1024 if asked is None else asked + 1, asked and asked - 1), f"{what}: {shown}"

    def state(self, daemon):
        return {item["name"]: item["revision"] for item in daemon.items("cgroups")}

    def tidy(self, daemon):
        for cgroup in ("inner", "outer"):
            daemon.api.delete(f"/v1/cgroups/{cgroup}")


@test("cgroup-crash-failpoint-sweep", seconds=600)
def sweep(lab):
    run_sweep(lab, CgroupStory())


@test("cgroup-crash-errors-roll-back", seconds=600)
def errors(lab):
    run_errors(lab, CgroupStory())
