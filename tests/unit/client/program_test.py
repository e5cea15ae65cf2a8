"""sovirtctl itself, against a daemon that replays: what it prints into a pipe and on a terminal, what it asks, how it ends.

    program_test.py PATH-OF-SOVIRTCTL
"""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

HERE = pathlib.Path(__file__).parent
PROGRAM = ""
BRIDGE = {"kind": "bridge", "name": "brso1", "uid": "aaaaaaaa-bbbbbbbbbbbb", "revision": 2, "labels": {"room": "lab"},
          "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-02T00:00:00Z",
          "spec": {"addresses": ["172.16.2.1/24"], "mtu": 1500, "mac": None, "stp": False, "policy": "repair"},
          "status": {"state": "ready", "ifindex": 7, "mac": "4a:00:00:00:00:01", "mtu": 1500, "up": True, "addresses": ["172.16.2.1/24"],
                     "ports": [{"name": "vabc0", "container": "sodebian"}],
                     "conditions": [{"type": "Drift", "status": False, "reason": "none", "message": "as asked", "since": "2020-01-01T00:00:00Z"}]}}


def container(name, state, **status):
    return {"kind": "container", "name": name, "uid": "aaaaaaaa-cccccccccccc", "revision": 1, "labels": {},
            "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z",
            "spec": {"image": "debian", "isolation": "container", "command": None, "nics": [], "autostart": "never", "boot_priority": 0,
                     "stop_timeout": 10, "limits": {"memory": {"max": 536870912}}, "env": {}},
            "status": {"state": state, "addresses": [], "nics": [], **status}}


RUNNING = container("sodebian", "running", addresses=["172.16.2.10/24"], pid=4242,
                    usage={"cpu_ns": 4200000000, "memory_bytes": 35651584, "pids": 12})
FAILED = container("broken\x1b[31m", "failed", reason="waits for bridge/brso1")
PROBLEM = {"headers": {"Content-Type": "application/problem+json"}}


def problem(status, code, **more):
    return {"status": status, **PROBLEM, "body": {"status": status, "code": code, "title": code, "detail": f"it is {code}", **more}}


def sse(*events):
    return [f"id: {e['id']}\nevent: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events]


EVENTS = [{"id": i, "at": "2020-01-01T00:00:00Z", "type": t, "kind": "container", "name": "sodebian", "data": {}}
          for i, t in ((1, "created"), (2, "started"), (3, "stopped"))]


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Case(unittest.TestCase):
    answers = {}

    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="sovirt-ctl-")
        self.addCleanup(self.dir.cleanup)
        root = pathlib.Path(self.dir.name)
        self.socket, self.requests = root / "sovirt.sock", root / "requests"
        (root / "answers").write_text(json.dumps(self.answers))
        self.requests.touch()
        self.server = subprocess.Popen([sys.executable, HERE / "stub_server.py", self.socket, root / "answers", self.requests],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.assertEqual(self.server.stdout.readline(), "ready\n")

    def stop(self):
        self.server.stdin.close()
        self.server.wait(10)
        self.server.stdout.close()

    def environment(self, **more):
        keep = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LC_ALL", "LC_CTYPE")}
        return {**keep, "SOVIRT_SOCKET": str(self.socket), "LANG": "C.UTF-8", "TERM": "xterm-256color", **more}

    def ctl(self, *words, stdin=None, **environment):
        done = subprocess.run([PROGRAM, *words], input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
                              text=True, timeout=30, env=self.environment(**environment))
        return Result(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, *words, width=100, press=None, **environment):
        """Runs it with all three streams on one terminal; `press` is (seconds, bytes)."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        child = subprocess.Popen([PROGRAM, *words], stdin=follower, stdout=follower, stderr=follower, env=self.environment(**environment),
                                 start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(follower)
        begin, shown = time.monotonic(), b""
        while time.monotonic() - begin < 30:
            if press and time.monotonic() - begin > press[0]:
                os.write(leader, press[1])
                press = None
            if select.select([leader], [], [], 0.05)[0]:
                try:
                    got = os.read(leader, 65536)
                except OSError:
                    break
                if not got:
                    break
                shown += got
        status = child.wait(10)
        os.close(leader)
        return Result(status, shown.decode(), "")

    def asked(self):
        return [json.loads(line) for line in self.requests.read_text().splitlines()]


class Lists(Case):
    answers = {"GET /v1/containers": {"body": {"items": [RUNNING, FAILED], "next": None, "seq": 3}},
               "GET /v1/containers?name=so%2A&state=running&label=a%3Ab": {"body": {"items": [RUNNING], "next": None, "seq": 3}},
               "GET /v1/bridges": {"body": {"items": [], "next": None, "seq": 3}},
               "GET /v1/images": {"body": {"items": [{"name": "a"}], "next": "2", "seq": 3}},
               "GET /v1/images?cursor=2": {"body": {"items": [{"name": "b"}], "next": None, "seq": 3}}}

    def test_table_in_a_pipe(self):
        done = self.ctl("ls")
        self.assertEqual(done.status, 0, done)
        lines = done.out.splitlines()
        self.assertEqual(lines[0].split(), "NAME STATE ADDRESSES MEMORY CPU PIDS IMAGE AUTOSTART AGE".split())
        self.assertRegex(lines[1], r"^sodebian +running +172\.16\.2\.10/24 +34M/512M +4\.2s +12 +debian +never +\d+d$")
        self.assertNotIn("\x1b", done.out)
        self.assertEqual(done.err, "")

    def test_colour_on_a_terminal_only(self):
        shown = self.on_terminal("ls").out
        self.assertIn("\x1b[32mrunning\x1b[0m", shown)
        self.assertIn("\x1b[31mfailed\x1b[0m", shown)
        self.assertIn("broken?[31m", shown)
        for plain in (self.on_terminal("ls", "--no-color"), self.on_terminal("ls", NO_COLOR="1"), self.on_terminal("ls", TERM="dumb")):
            self.assertNotIn("\x1b", plain.out)
            self.assertIn("sodebian", plain.out)

    def test_width(self):
        for width in (100, 60, 40, 25):
            for line in self.on_terminal("ls", "--no-color", width=width).out.splitlines():
                self.assertLessEqual(len(line), width, line)
        self.assertIn("AUTOSTART", self.on_terminal("ls", "--no-color", width=100).out)
        self.assertIn("sodebian", self.on_terminal("ls", "--no-color", width=40).out)

    def test_formats(self):
        listed = json.loads(self.ctl("ls", "-o", "json").out)
        self.assertEqual(listed["items"], [RUNNING, FAILED])
        self.assertEqual(self.ctl("container", "ls", "-o", "name").out.splitlines()[0], "sodebian")
        self.assertIn("      limits:\n        memory:\n          max: 536870912\n", self.ctl("ls", "-o", "yaml").out)
        self.assertIn("COMMAND", self.ctl("ls", "-o", "wide").out.splitlines()[0])

    def test_filters_are_the_daemons(self):
        self.assertIn("sodebian", self.ctl("ls", "--name", "so*", "--state", "running", "-l", "a=b").out)

    def test_empty_list_says_how_to_begin(self):
        done = self.ctl("bridge", "ls")
        self.assertEqual((done.status, done.out), (0, ""))
        self.assertIn("sovirtctl bridge create", done.err)
        self.assertEqual(self.ctl("bridge", "ls", "-q").err, "")
        self.assertEqual(json.loads(self.ctl("bridge", "ls", "-o", "json").out)["items"], [])

    def test_all_pages(self):
        self.assertEqual(self.ctl("image", "ls", "-o", "name").out, "a\nb\n")

    def test_curl(self):
        done = self.ctl("bridge", "ls", "--show-curl", "-q")
        self.assertEqual(done.err, f"curl --unix-socket {self.socket} http://localhost/v1/bridges\n")

    def test_completion(self):
        self.assertEqual(self.ctl("__complete", "container", "stop", "so").out, "sodebian\n")
        self.assertIn("create\t", self.ctl("__complete", "bridge", "cr").out)
        self.assertEqual(self.ctl("__complete", "image", "rm", "", SOVIRT_SOCKET="/nonexistent").out, "")


class Changes(Case):
    answers = {"PUT /v1/bridges/brso1": {"status": 201, "body": BRIDGE}, "GET /v1/bridges/brso1": {"body": BRIDGE},
               "PATCH /v1/bridges/brso1": {"body": BRIDGE},
               "PUT /v1/bridges/brso1?dry_run=true": {"body": {"object": "bridge/brso1", "disruptive": True, "steps": [
                   {"number": 1, "description": "create bridge brso1", "disruptive": False}, {"number": 2, "description": "set mac", "disruptive": True}]}},
               "PUT /v1/containers/a/state": {"body": RUNNING},
               "PUT /v1/containers/b/state": problem(409, "busy", conflicts_with=["operation/x"], hint="wait"),
               "PUT /v1/containers/c/state": problem(501, "unsupported"),
               "DELETE /v1/bridges/brso1": {"status": 204}}

    def test_create(self):
        done = self.ctl("bridge", "create", "brso1", "--address", "172.16.2.1/24", "--mtu", "1500", "--label", "room=lab")
        self.assertEqual((done.status, done.out, done.err), (0, "bridge/brso1 created\n", ""))
        asked = self.asked()[0]
        self.assertEqual(json.loads(asked["body"]), {"addresses": ["172.16.2.1/24"], "mtu": 1500, "labels": {"room": "lab"}})
        self.assertEqual(asked["headers"]["Content-Type"], "application/json")
        self.assertEqual(json.loads(self.ctl("bridge", "create", "brso1", "-o", "json").out), BRIDGE)
        self.assertEqual(self.ctl("bridge", "create", "brso1", "-o", "name").out, "bridge/brso1\n")
        self.assertEqual(self.ctl("bridge", "create", "brso1", "-q").out, "")
        self.ctl("bridge", "create", "brso1", "--new")
        self.assertEqual(self.asked()[-1]["headers"]["If-None-Match"], "*")

    def test_dry_run(self):
        done = self.ctl("bridge", "create", "brso1", "--dry-run")
        self.assertEqual(done.out, "This would be done to bridge/brso1:\n  1. create bridge brso1\n  2. set mac  (disruptive)\nNothing was changed.\n")
        self.assertEqual([a["request"] for a in self.asked()], ["PUT /v1/bridges/brso1?dry_run=true"])
        refused = self.ctl("container", "kill", "a", "--dry-run")
        self.assertEqual(refused.status, 2)
        self.assertEqual(len(self.asked()), 1)

    def test_set(self):
        self.assertEqual(self.ctl("bridge", "set", "brso1", "--label", "room-", "--no-addresses").out, "bridge/brso1 changed\n")
        self.assertEqual(json.loads(self.asked()[0]["body"]), {"labels": {"room": None}, "addresses": []})
        self.assertEqual(self.ctl("bridge", "set", "brso1").status, 2)

    def test_show(self):
        shown = self.ctl("bridge", "show", "brso1").out
        for part in ("bridge/brso1  ready\n", "container/sodebian", "room=lab", "Conditions", "as asked", "Record"):
            self.assertIn(part, shown)

    def test_several_names_go_on_after_a_failure(self):
        done = self.ctl("start", "b", "c", "a")
        self.assertEqual(done.status, 4)
        self.assertEqual(done.out, "container/a started\n")
        self.assertIn("error: it is busy\n  held by: operation/x\n  hint: wait\n", done.err)
        self.assertIn("error: it is unsupported", done.err)

    def test_rm(self):
        self.assertEqual(self.ctl("bridge", "rm", "brso1").out, "bridge/brso1 deleted\n")
        missing = self.ctl("bridge", "rm", "none")
        self.assertEqual(missing.status, 3)
        self.assertIn("request id: r-1", missing.err)

    def test_no_daemon(self):
        done = self.ctl("ls", "--socket", "/nonexistent/sovirt.sock")
        self.assertEqual((done.status, done.out), (8, ""))
        self.assertIn("/nonexistent/sovirt.sock", done.err)
        self.assertIn("hint:", done.err)

    def test_usage(self):
        done = self.ctl("contaner", "ls")
        self.assertEqual(done.status, 2)
        self.assertIn("did you mean 'sovirtctl container'?", done.err)
        self.assertEqual(self.ctl("bridge").status, 2)
        self.assertEqual(self.ctl().status, 0)
        self.assertEqual(self.asked(), [])

    def test_full_disk_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "bridge", "show", "brso1"], stdout=full, stderr=subprocess.PIPE, env=self.environment(), timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)


class OtherUsers(Case):
    answers = {"GET /v1/bridges": {"body": {"items": [BRIDGE], "next": None, "seq": 1}}}

    def ctl_as_nobody(self, *words):
        program = shutil.copy(PROGRAM, self.dir.name)
        done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              env=self.environment(SOVIRT_SOCKET=str(pathlib.Path(self.dir.name) / "main.sock")), user=65534, group=65534, extra_groups=[])
        return Result(done.returncode, done.stdout, done.stderr)

    def test_the_read_only_socket_answers_questions(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        os.chmod(self.dir.name, 0o755)
        closed = socket.socket(socket.AF_UNIX)
        self.addCleanup(closed.close)
        closed.bind(os.path.join(self.dir.name, "main.sock"))
        closed.listen()
        os.chmod(os.path.join(self.dir.name, "main.sock"), 0o600)
        refused = self.ctl_as_nobody("bridge", "ls")
        self.assertEqual(refused.status, 6, refused)  # there is no read-only socket
        os.chmod(self.socket, 0o666)
        os.rename(self.socket, os.path.join(self.dir.name, "main-ro.sock"))
        self.assertIn("brso1", self.ctl_as_nobody("bridge", "ls").out)
        change = self.ctl_as_nobody("bridge", "rm", "brso1")
        self.assertEqual(change.status, 6, change)
        self.assertIn("group sovirt", change.err)
        self.assertEqual([a["request"] for a in self.asked()], ["GET /v1/bridges"])


class Exec(Case):
    answers = {"POST /v1/containers/a/exec": [{"body": {"exit_code": 7, "signal": None, "stdout": "out\n", "stderr": "err\n", "truncated": False}},
                                              {"body": {"exit_code": None, "signal": 9, "stdout": "", "stderr": "", "truncated": True}},
                                              {"body": {"exit_code": None, "signal": None, "stdout": "", "stderr": "", "timed_out": True}}],
               "GET /v1/containers/a/log?since=0": {"text": "boot\n\x1b[1mlogin:", "headers": {"X-Sovirt-Log-End": "100"}},
               "GET /v1/containers/a/log?since=100": {"text": "", "headers": {"X-Sovirt-Log-End": "100"}}}

    def test_documents_and_statuses(self):
        done = self.ctl("exec", "a", "-o", "json", "--env", "X=y", "--timeout", "1.5s", "--", "sh", "-c", "exit 7", "--", stdin="typed\n")
        self.assertEqual((done.status, json.loads(done.out)["stdout"], done.err), (7, "out\n", ""))
        self.assertEqual(json.loads(self.asked()[0]["body"]),
                         {"command": ["sh", "-c", "exit 7", "--"], "env": {"X": "y"}, "timeout": 1.5, "stdin": "typed\n"})
        killed = self.ctl("exec", "a", "-o", "json", "true")
        self.assertEqual(killed.status, 137)
        self.assertIn("was cut", killed.err)
        self.assertEqual(self.ctl("exec", "a", "-o", "json", "-n", "true", stdin="x").status, 9)
        self.assertNotIn("stdin", json.loads(self.asked()[2]["body"]))
        self.assertEqual(self.ctl("exec", "a").status, 2)
        self.assertEqual(self.ctl("exec", "-t", "a", "-o", "json", "sh").status, 2)

    def test_streams_go_over_a_websocket(self):
        refused = self.ctl("exec", "a", "--env", "X=y z", "--user", "1:1", "--", "echo", "a&b")
        self.assertEqual(refused.status, 3, refused)
        asked = self.asked()[0]
        self.assertEqual(asked["request"], "GET /v1/containers/a/exec?command=echo&command=a%26b&env=X%3Dy%20z&user=1%3A1")
        self.assertEqual(asked["headers"]["Sec-WebSocket-Protocol"], "sovirt.exec.v1")
        shown = self.ctl("exec", "a", "--show-curl", "true").err
        self.assertIn("Upgrade: websocket", shown)

    def test_log_is_raw(self):
        self.assertEqual(self.ctl("logs", "a").out, "boot\n\x1b[1mlogin:")


class Builds(Case):
    answers = {"GET /v1/templates": {"body": {"items": [{"name": "debian", "source": {"type": "debootstrap", "suite": "stable"}}]}},
               "PUT /v1/images/debian": {"status": 202, "headers": {"Location": "/v1/operations/op1"}, "body": {"id": "op1", "state": "running"}},
               "PUT /v1/images/tar/content": {"status": 202, "headers": {"Location": "/v1/operations/op2"}, "body": {"id": "op2"}},
               "GET /v1/operations/op1?wait=1s": [
                   {"delay": 1, "body": {"id": "op1", "state": "running", "progress": {"percent": 12, "message": "Unpacking libc6"}}},
                   {"delay": 1, "body": {"id": "op1", "state": "running", "progress": {"percent": 64, "message": "Configuring"}}},
                   {"body": {"id": "op1", "state": "done", "result": None}}],
               "GET /v1/operations/op2?wait=1s": {"body": {"id": "op2", "state": "failed", "error": {"code": "invalid", "detail": "not an archive", "status": 422}}},
               "GET /v1/images/debian": {"body": {"kind": "image", "name": "debian", "status": {"os": "Debian 12", "size": 1048576}}},
               "GET /v1/operations?state=running": {"body": {"items": [{"id": "op9", "object": "image/other"}, {"id": "op1", "object": "image/debian"}], "next": None}},
               "DELETE /v1/operations/op1": {"body": {"id": "op1", "state": "running"}}}

    def test_progress_on_a_terminal(self):
        shown = self.on_terminal("image", "build", "debian", "--template", "debian", "--no-color").out
        self.assertIn("building image debian", shown)
        self.assertRegex(shown, r"━╌* +12%  Unpacking libc6")
        self.assertIn("64%", shown)
        last = shown.rsplit("\x1b[K", 1)[1]
        self.assertEqual(last, "image/debian built: Debian 12, 1M\r\n")

    def test_no_progress_noise_in_a_pipe(self):
        done = self.ctl("image", "build", "debian", "--suite", "bookworm", "--package", "vim")
        self.assertEqual((done.status, done.out, done.err), (0, "image/debian built: Debian 12, 1M\n", ""))
        self.assertEqual(json.loads(self.asked()[0]["body"]), {"source": {"type": "debootstrap", "suite": "bookworm", "packages": ["vim"]}})

    def test_interrupted_build_goes_on(self):
        done = self.on_terminal("image", "build", "debian", "--template", "debian", press=(1.2, b"\x03"))
        self.assertEqual(done.status, 130, done)
        self.assertIn("sovirtctl operation cancel op1", done.out)
        self.assertNotIn("DELETE", str(self.asked()))

    def test_upload_and_failure_of_the_operation(self):
        archive = pathlib.Path(self.dir.name) / "root.tar"
        archive.write_bytes(b"x" * 300000)
        done = self.ctl("image", "build", "tar", "--tarball", str(archive))
        self.assertEqual(done.status, 5, done)
        self.assertIn("error: not an archive", done.err)
        self.assertEqual(len(self.asked()[0]["body"]), 300000)

    def test_unknown_template(self):
        done = self.ctl("image", "build", "x", "--template", "nixos")
        self.assertEqual(done.status, 3)
        self.assertIn("there are: debian", done.err)

    def test_cancel(self):
        self.assertEqual(self.ctl("image", "cancel", "debian").status, 0)
        self.assertEqual(self.asked()[-1]["request"], "DELETE /v1/operations/op1")
        self.assertEqual(self.ctl("image", "cancel", "other2").status, 3)


class Events(Case):
    answers = {"GET /v1/operations?limit=1": {"body": {"items": [], "next": None, "seq": 3}},
               "GET /v1/events?since=0": {"headers": {"Content-Type": "text/event-stream"},
                                          "chunks": ['id: 3\nevent: reset\ndata: {"oldest": 2, "seq": 3}\n\n']},
               "GET /v1/events?since=1": {"headers": {"Content-Type": "text/event-stream"}, "chunks": sse(*EVENTS[1:]), "pause": 0.1},
               "GET /v1/events?kind=container": {"headers": {"Content-Type": "text/event-stream"}, "chunks": [": hello\n\n", *sse(*EVENTS)]}}

    def test_list_ends_by_itself_and_knows_what_was_dropped(self):
        done = self.ctl("event", "ls", "-o", "json")
        self.assertEqual([e["id"] for e in json.loads(done.out)["items"]], [2, 3], done)
        self.assertEqual(json.loads(self.ctl("event", "ls", "--type", "stopped", "-o", "json").out)["items"][0]["type"], "stopped")

    def test_watch(self):
        lines = self.ctl("events", "--kind", "container").out.splitlines()
        self.assertEqual(lines[1], "00:00:00  started    container/sodebian")
        documents = [json.loads(line) for line in self.ctl("events", "--kind", "container", "-o", "json").out.splitlines()]
        self.assertEqual(documents, EVENTS)


class Restore(Case):
    item = {"kind": "container", "name": "sodebian", "result": "restored", "reason": None, "waited_for": [], "duration": 2500000}
    bridge = {"kind": "bridge", "name": "brso1", "result": "failed", "reason": "no such device", "waited_for": [], "duration": 1000000}
    answers = {"GET /v1/restore?wait=30s": {"body": {"state": "done", "started_at": "2020-01-01T00:00:00Z", "finished_at": "2020-01-01T00:00:01Z", "items": [bridge, item]}},
               "GET /v1/restore?wait=1s": [{"body": {"state": "running", "items": [bridge]}}, {"body": {"state": "running", "items": [bridge, item]}}]}

    def test_wait(self):
        done = self.ctl("restore", "wait", "--timeout", "600")
        self.assertEqual(done.status, 0, done)
        self.assertRegex(done.out, r"bridge/brso1 +failed +1ms +- +no such device")

    def test_bridges_are_done_when_containers_begin(self):
        self.assertEqual(self.ctl("restore", "wait", "--kind", "bridge", "--timeout", "60").status, 0)
        self.assertEqual(len(self.asked()), 2)


class Host(Case):
    feature = {"state": "present", "detail": "", "needed_for": "a root file system of a container's own", "required": True}
    report = {"hostname": "lab1", "kernel": "6.1.0-31-amd64", "architecture": "x86_64", "distribution": "Debian GNU/Linux 12 (bookworm)", "boot_id": "b",
              "uptime_seconds": 93784, "cpus": 2, "memory_bytes": 25769803776,
              "virtualization": {"guest": True, "hypervisor": {"vendor": "KVM", "signature": "KVMKVMKVM", "source": "cpuid", "type": 1,
                                                               "type_reason": "it is part of the kernel that runs on the hardware"},
                                 "machine": "QEMU Standard PC", "cpu_extensions": ["vmx"], "kvm_device": {"present": False, "usable": False, "reason": "no module"},
                                 "clocksource": {"current": "kvm-clock", "available": ["kvm-clock", "tsc"], "paravirtual": True},
                                 "paravirtual_devices": [{"bus": "virtio", "device": "virtio0", "driver": "virtio_net"}],
                                 "emulation": "not of the CPU", "container": None},
              "cgroups": {"layout": "hybrid", "mounts": [{"path": "/sys/fs/cgroup/cpu", "version": 1, "controllers": ["cpu"], "writable": True}],
                          "controllers": [{"name": "cpu", "version": 1, "path": "/sys/fs/cgroup/cpu", "hierarchy": 2, "enabled": True, "used": True}]},
              "features": [{**feature, "name": "namespace-mnt"}, {**feature, "name": "dummy", "state": "missing", "required": False, "detail": "no module"},
                           {**feature, "name": "overlayfs", "state": "missing", "detail": "not in this kernel"}]}
    answers = {"GET /v1/host": [{"body": report}, {"body": report}, {"body": {**report, "features": report["features"][:2]}}],
               "POST /v1/host/actions/stop-containers": [
                   {"body": {"items": [{"name": "a", "result": "stopped", "reason": None}]}},
                   {"body": {"items": [{"name": "a", "result": "stopped", "reason": None}, {"name": "b", "result": "failed", "reason": "it hangs"}]}}]}

    def test_show_and_check(self):
        shown = self.ctl("host", "show").out
        for part in ("lab1\n", "hypervisor      KVM (type 1: it is part", "memory        24G", "kvm-clock (paravirtual)", "layout  hybrid", "/sys/fs/cgroup/cpu"):
            self.assertIn(part, shown)
        done = self.ctl("check")
        self.assertEqual(done.status, 7, done)
        self.assertRegex(done.out, r"overlayfs +missing +a root file system of a container's own +not in this kernel")
        self.assertIn("Required and missing: 1.", done.err)
        self.assertEqual(self.ctl("check", "-o", "json").status, 0)

    def test_stop_containers(self):
        self.assertEqual(self.ctl("host", "stop-containers").status, 0)
        done = self.ctl("host", "stop-containers")
        self.assertEqual(done.status, 1)
        self.assertRegex(done.out, r"b +failed +it hangs")


class Help(Case):
    def commands(self, *path):
        text = self.ctl(*path, "--help").out
        found = re.search(r"^(?:Commands|Kinds)\n((?:  .*\n)+)", text, re.M)
        names = re.findall(r"^  ([a-z-]+) ", found.group(1), re.M) if found else []
        return names + (re.findall(r"^  ([a-z-]+) ", text.split("Short forms\n")[1].split("\n\n")[0], re.M) if "Short forms\n" in text else [])

    def every_command(self, *path):
        """Their paths; a group of commands is none itself."""
        below = self.commands(*path)
        return [one for name in below for one in self.every_command(*path, name)] or [path]

    def test_every_command_has_help_with_an_example(self):
        paths = self.every_command()
        self.assertIn(("container", "nic", "add"), paths)
        self.assertGreater(len(paths), 40)
        for path in paths:
            done = self.ctl(*path, "--help")
            self.assertEqual(done.status, 0, path)
            self.assertRegex(done.out, r"\nExamples?\n  \S", path)
            self.assertIn("Usage\n  sovirtctl " + " ".join(path), done.out)

    def test_man_page_is_well_formed(self):
        page = self.ctl("__man").out
        self.assertIn('.SH "CONTAINER"', page)
        groff = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, text=True) if which("groff") else None
        if groff:
            self.assertEqual(groff.stderr, "")


def which(program):
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in os.environ.get("PATH", "").split(":"))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    PROGRAM = sys.argv.pop(1)
    unittest.main()
