"""kill -9 of the daemon, and a full disk, at every step of a cgroup's life."""
import pathlib

from harness import kernel
from harness.runner import Skip, test
from test_crash import Story, interrupted, learn, refused


class CgroupStory(Story):
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


@test("cgroup-crash-failpoint-sweep", seconds=600)
def sweep(lab):
    daemon = lab.new_daemon(image=False)
    story = CgroupStory()
    log = daemon.home / "startup"
    daemon.restart(SOVIRT_FAILPOINT_LOG=str(log))
    startup = set(log.read_text().split()) if log.exists() else set()
    pairs = learn(daemon, story)
    if not pairs:
        raise Skip("this build has no failpoints (use the dev preset)")
    wrong = []
    for index, name in pairs:
        if name not in startup:
            try:
                interrupted(daemon, story, index, name)
            except AssertionError as error:
                wrong.append(str(error))
                daemon.restart()
                for cgroup in ("inner", "outer"):
                    daemon.api.delete(f"/v1/cgroups/{cgroup}")
    print(f"  {len(pairs)} failpoints in {len(story.steps)} steps")
    assert not wrong, f"{len(wrong)} of {len(pairs)}: " + "; ".join(wrong)


@test("cgroup-crash-errors-roll-back", seconds=600)
def errors(lab):
    daemon = lab.new_daemon(image=False)
    story = CgroupStory()
    pairs = learn(daemon, story)
    if not pairs:
        raise Skip("this build has no failpoints (use the dev preset)")
    wrong = []
    for index, name in pairs:
        try:
            refused(daemon, story, index, name)
        except AssertionError as error:
            wrong.append(str(error))
            daemon.destroy()
            daemon = lab.new_daemon(image=False)
    assert not wrong, f"{len(wrong)} of {len(pairs)}: " + "; ".join(wrong)
