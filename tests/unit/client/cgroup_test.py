"""sovirtctl cgroup and sovirtctl top, against a daemon that replays.

    cgroup_test.py PATH-OF-SOVIRTCTL
"""
import json
import os
import signal
import sys
import unittest

import program_test
from program_test import Case, problem


def cgroup(name, **status):
    return {"kind": "cgroup", "name": name, "uid": "aaaaaaaa-dddddddddddd", "revision": 1, "labels": {},
            "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
            "spec": {"cpu": {"shares": 717, "weight": None, "max": None}, "memory": {"max": 67108864}, "parent": None, "frozen": False, "policy": "repair"},
            "status": {"state": "ready", "path": f"/sovirt-x/{name}", "processes": 2, "usage": {"cpu_ns": 4200000000, "memory_bytes": 1048576, "pids": 2},
                       "controllers": {}, "conditions": [], **status}}


def limit(requested, effective, file):
    return {"requested": requested, "effective": effective, "file": file}


SHOWN = cgroup("cpualta", controllers={
    "cpu": {"version": 1, "path": "/sys/fs/cgroup/cpu/x", "limits": {
        "shares": limit(717, 717, "/sys/fs/cgroup/cpu/x/cpu.shares"),
        "max": limit({"quota": 50000000, "period": 100000000}, {"quota": 50000000, "period": 100000000}, "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us")}},
    "memory": {"version": 1, "path": "/sys/fs/cgroup/memory/x", "limits": {"max": limit(67108864, 67108864, "/sys/fs/cgroup/memory/x/memory.limit_in_bytes")}}},
    conditions=[{"type": "OutOfMemory", "status": True, "reason": "ProcessKilled", "message": "the kernel killed hog (4711)", "since": "2020-01-01T00:00:00Z"}])
LIST = {"items": [SHOWN, cgroup("cpubaja", state="frozen")], "next": None, "seq": 1}


class Cgroups(Case):
    answers = {"GET /v1/cgroups": {"body": LIST}, "GET /v1/cgroups/cpualta": {"body": SHOWN}, "GET /v1/cgroups/none": problem(404, "not-found"),
               "PUT /v1/cgroups/small": {"status": 201, "body": cgroup("small")}, "PATCH /v1/cgroups/small": {"body": cgroup("small")},
               "PATCH /v1/cgroups/full": problem(409, "conflict", hint="end some of its processes first", errors=[
                   {"pointer": "/memory/max", "code": "in-use", "detail": "the processes use more"}]),
               "PATCH /v1/cgroups/cpualta": {"body": SHOWN},
               "POST /v1/cgroups/cpualta/processes": {"body": {"items": [{"pid": 4711, "name": "md5sum", "command": ["md5sum", "/dev/urandom"], "uid": 0}]}},
               "GET /v1/cgroups/cpualta/processes": {"body": {"items": [{"pid": 4711, "name": "md5sum", "command": ["md5sum", "/dev/urandom"], "uid": 0}]}},
               "DELETE /v1/cgroups/cpualta/processes/4711": {"status": 204}, "POST /v1/cgroups/cpualta/actions/kill": {"status": 204},
               "DELETE /v1/cgroups/cpualta": problem(409, "in-use", hint="end them all with `sovirtctl cgroup kill cpualta`")}

    def sent(self):
        request = self.asked()[-1]
        return (*request["request"].split(" "), json.loads(request["body"]) if request["body"] else None)

    def test_list_is_a_table_and_documents(self):
        lines = self.ctl("cgroup", "ls").out.splitlines()
        self.assertEqual(lines[0].split(), "NAME STATE PARENT WEIGHT CPU MEMORY PROCESSES AGE".split())
        self.assertRegex(lines[1], r"^cpualta +ready .*717 shares +4\.2s +1M/64M +2 ")
        self.assertEqual(self.ctl("cgroup", "ls", "-o", "name").out.split(), ["cpualta", "cpubaja"])
        self.assertEqual(json.loads(self.ctl("cg", "ls", "-o", "json").out)["items"][1]["status"]["state"], "frozen")

    def test_show_has_asked_and_in_force_with_the_file(self):
        shown = self.ctl("cgroup", "show", "cpualta").out
        self.assertRegex(shown, r"LIMIT +ASKED +IN FORCE +CGROUP +FILE")
        self.assertRegex(shown, r"cpu\.max +50\.0ms in 100\.0ms|cpu\.max +50ms in 100ms")
        self.assertRegex(shown, r"memory\.max +64M +64M +v1 +/sys/fs/cgroup/memory/x/memory\.limit_in_bytes")
        self.assertIn("the kernel killed hog (4711)", shown)
        self.assertEqual(self.ctl("cgroup", "show", "none").status, 3)

    def test_create_says_what_was_asked(self):
        done = self.ctl("cgroup", "create", "small", "--memory", "64M", "--on-excess", "kill", "--pids", "20", "--cpus", "0.5", "--policy", "observe",
                        "--pressure", "resource=memory,stall=150ms,window=2s,level=full", "--io", "device=/dev/vda,read=10M")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.sent(), ("PUT", "/v1/cgroups/small", {
            "memory": {"max": 67108864, "on_excess": "kill"}, "pids": {"max": 20}, "cpu": {"max": {"quota": 50000000, "period": 100000000}}, "policy": "observe",
            "pressure": [{"resource": "memory", "stall": 150000000, "window": 2000000000, "level": "full"}],
            "io": {"limits": [{"device": "/dev/vda", "read_bytes": 10485760}]}}))

    def test_set_changes_what_is_named(self):
        self.assertEqual(self.ctl("cgroup", "set", "small", "--memory", "none", "--pressure", "none", "--io", "none").status, 0)
        self.assertEqual(self.sent()[2], {"memory": {"max": None}, "pressure": [], "io": {"limits": []}})
        refused = self.ctl("cgroup", "set", "full", "--memory", "1M")
        self.assertEqual(refused.status, 4, refused)
        self.assertIn("the processes use more", refused.err)
        self.assertIn("end some of its processes first", refused.err)

    def test_wrong_words_ask_nothing(self):
        for words in (["set", "small"], ["create", "small", "--memory", "10X"], ["create", "small", "--cpus", "-1"], ["create", "small", "--on-excess", "maybe"],
                      ["create", "small", "--pressure", "resource=memory"], ["create", "small", "--pressure", "stall=1s"], ["create", "small", "--pressure", "x=1"],
                      ["create", "small", "--cpu-weight", "1", "--cpu-shares", "2"], ["create", "small", "--io", "read=1"], ["run", "cpualta"]):
            done = self.ctl("cgroup", *words)
            self.assertEqual(done.status, 2, (words, done))
        self.assertEqual(self.asked(), [])

    def test_processes(self):
        self.assertIn("md5sum /dev/urandom", self.ctl("cgroup", "ps", "cpualta").out)
        self.assertEqual(self.ctl("cgroup", "attach", "cpualta", "4711", "--descendants").status, 0)
        self.assertEqual(self.sent(), ("POST", "/v1/cgroups/cpualta/processes", {"pid": 4711, "descendants": True}))
        self.assertEqual(self.ctl("cgroup", "spawn", "--cpus", "0", "cpualta", "--", "md5sum", "/dev/urandom").status, 0)
        self.assertEqual(self.sent()[2]["command"], ["md5sum", "/dev/urandom"])
        self.assertEqual(self.ctl("cgroup", "release", "cpualta", "4711").status, 0)
        self.assertEqual(self.ctl("cgroup", "kill", "cpualta").status, 0)
        self.assertEqual(self.sent()[:2], ("POST", "/v1/cgroups/cpualta/actions/kill"))

    def test_freeze_thaw_and_rm(self):
        self.assertEqual(self.ctl("cgroup", "freeze", "cpualta").status, 0)
        self.assertEqual(self.sent()[2], {"frozen": True})
        self.assertEqual(self.ctl("cgroup", "thaw", "cpualta").status, 0)
        self.assertEqual(self.sent()[2], {"frozen": False})
        done = self.ctl("cgroup", "rm", "cpualta")
        self.assertEqual(done.status, 4, done)
        self.assertIn("sovirtctl cgroup kill cpualta", done.err)

    def test_run_enters_itself_and_becomes_the_command(self):
        done = self.ctl("cgroup", "run", "cpualta", "--", "sh", "-c", "echo $$; exit 7")
        self.assertEqual(done.status, 7, done)
        self.assertEqual(self.sent(), ("POST", "/v1/cgroups/cpualta/processes", {"pid": int(done.out)}))
        self.assertEqual(self.ctl("cgroup", "run", "cpualta", "--", "/no/such/program").status, 127)


def stats(at, **used):
    """cpu: ns, memory: bytes, pids"""
    return {"at": at, "items": [{"kind": kind, "name": name, "stats": {
        "cpu": {"usage_ns": cpu}, "memory": {"bytes": memory, "max_bytes": most}, "pids": {"current": pids},
        "io": {"read_bytes": io, "write_bytes": 0}, "network": net}} for name, (kind, cpu, memory, most, pids, io, net) in used.items()]}


FIRST = stats("2020-01-01T00:00:00Z", high=("cgroup", 0, 2 << 20, None, 1, 0, None), low=("cgroup", 0, 5 << 20, None, 9, 0, None),
              web=("container", 0, 3 << 20, 64 << 20, 4, 0, {"receive_bytes": 0, "transmit_bytes": 0}))
THEN = stats("2020-01-01T00:00:02Z", high=("cgroup", 1400000000, 2 << 20, None, 1, 0, None), low=("cgroup", 600000000, 5 << 20, None, 9, 0, None),
             web=("container", 0, 3 << 20, 64 << 20, 4, 4 << 20, {"receive_bytes": 1 << 20, "transmit_bytes": 1 << 20}))


class Top(Case):
    answers = {"GET /v1/stats": [{"body": FIRST}, {"body": THEN}]}

    def rows(self, *words):
        done = self.ctl("top", "--interval", "100ms", *words)
        self.assertEqual(done.status, 0, done)
        self.assertNotIn("\x1b", done.out)
        return [line.split() for line in done.out.splitlines()]

    def names(self, *words):
        return [row[0] for row in self.rows(*words)[1:]]

    def test_once_and_plain_where_there_is_no_terminal(self):
        rows = self.rows()
        self.assertEqual(rows[0], "NAME CPU% SHARE% MEMORY PIDS IO NETWORK".split())
        self.assertEqual(rows[1], ["cgroup/high", "70.0", "70.0", "2M", "1", "0B/s", "-"])
        self.assertEqual(rows[3], ["container/web", "0.0", "0.0", "3M/64M", "4", "2M/s", "1M/s"])
        self.assertEqual(len(self.asked()), 2)

    def test_sorted_by_memory(self):
        self.assertEqual(self.names("--sort", "memory"), ["cgroup/low", "container/web", "cgroup/high"])

    def test_sorted_by_pids(self):
        self.assertEqual(self.names("--sort", "pids"), ["cgroup/low", "container/web", "cgroup/high"])

    def test_sorted_by_io(self):
        self.assertEqual(self.names("--sort", "io")[0], "container/web")

    def test_sorted_by_network(self):
        self.assertEqual(self.names("--sort", "network")[0], "container/web")

    def test_sorted_by_name(self):
        self.assertEqual(self.names("--sort", "name"), ["cgroup/high", "cgroup/low", "container/web"])

    def test_documents(self):
        done = self.ctl("top", "--interval", "100ms", "-o", "json")
        self.assertEqual(json.loads(done.out)["items"][0]["ref"], "cgroup/high")

    def test_wrong_words(self):
        for words in (["--sort", "age"], ["--interval", "1ms"], ["-n", "0"]):
            self.assertEqual(self.ctl("top", *words).status, 2, words)
        self.assertEqual(self.asked(), [])

    def test_live_on_a_terminal_until_interrupted(self):
        done = self.on_terminal("top", "--interval", "100ms", press=(1.0, b"\x03"))
        self.assertIn(done.status, (0, 130), done)
        self.assertGreaterEqual(done.out.count("\x1b[H\x1b[J"), 2, done)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    program_test.PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
