"""What cannot be asked of control groups: wrong values, names and pids, and what this host lacks."""
import os

from harness.cgroups import cleared, make
from harness.runner import Skip, test


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
