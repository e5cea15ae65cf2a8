"""The console: watched by several, typed at by one, and there again after the daemon has died."""
import json
import os
import re
import subprocess
import threading
import time

from harness import kernel, sessions
from harness.daemon import BIN
from harness.runner import test
from harness.sessions import RESIZE, SIGNAL, STDERR, STDIN, STDOUT, collect, connect, ctl_seat, receive, send, websocket
from test_debian import debian

SHELL = ["/bin/sh", "-i"]


def watch(daemon, name, **query):
    return connect(daemon, f"/v1/containers/{name}/console", **query)


def until(line, channel, text):
    seen = b""
    while text not in seen:
        got, data = receive(line)
        assert got != "close", (seen, data)
        if got == channel:
            seen += data
    return seen


@test("L7-console-several-watchers-one-keyboard")
def several(lab):
    daemon = lab.daemon
    daemon.container("box", command=SHELL, start=True)
    first, second = watch(daemon, "box", rows=30, cols=90), watch(daemon, "box")
    reader = watch(daemon, "box", read_only="true")
    until(second, STDERR, b"somebody else has the keyboard")
    send(first, STDIN, "stty size; echo one''two\n")
    for line in (first, second, reader):
        seen = until(line, STDOUT, b"onetwo")
        assert b"30 90" in seen, seen
    send(second, STDIN, "echo not''typed\n")
    until(second, STDERR, b"lost")
    send(reader, STDIN, "echo nor''this\n")
    until(reader, STDERR, b"lost: you only watch")
    # With the first one gone the next has the keyboard, and another may take it.
    first.close()
    until(second, STDERR, b"the keyboard of this console is yours now")
    send(second, STDIN, "echo now''typed\n")
    for line in (second, reader):
        seen = until(line, STDOUT, b"nowtyped")
        assert b"nottyped" not in seen and b"northis" not in seen, seen
    third = watch(daemon, "box", take="true")
    until(second, STDERR, b"taken the keyboard")
    send(third, RESIZE, json.dumps({"rows": 12, "cols": 34}))
    send(third, STDIN, "stty size; exit 3\n")
    for line in (second, third, reader):
        result = collect(line)
        assert b"12 34" in result.stdout and result.exit == {"code": 3, "signal": None} and result.close == 1000, vars(result)


@test("L7-console-scroll-back-and-since")
def scrollback(lab):
    daemon = lab.daemon
    daemon.container("box", command=["/bin/sh", "-c", "seq 1 20000; echo last; exec sh -i"], start=True)
    kernel.wait_until(lambda: "last" in daemon.ctl("logs", "box").stdout, "it has written")
    line = watch(daemon, "box", scrollback="true")
    begin = int(line.getheaders()["x-sovirt-log-begin"])
    seen = until(line, STDOUT, b"last")
    numbers = [int(word) for word in re.findall(rb"^(\d+)\r$", seen, re.M)]
    assert begin > 0 and 5000 < len(numbers) < 20000 and numbers == list(range(numbers[0], 20001)), (begin, numbers[:3], numbers[-3:])
    again = watch(daemon, "box", since=begin + 7)
    assert int(again.getheaders()["x-sovirt-log-begin"]) == begin + 7
    assert until(again, STDOUT, b"last").startswith(seen[7:50])
    fresh = watch(daemon, "box")
    send(line, STDIN, "echo ne''w\n")
    seen = until(fresh, STDOUT, b"new\r\n")
    assert b"last" not in seen and b"20000" not in seen, seen
    for path, status in (("nosuch", 404), ("box/x", 404)):
        try:
            connect(daemon, f"/v1/containers/{path}/console")
            raise AssertionError(path)
        except websocket.WebSocketBadStatusException as error:
            assert error.status_code == status
    daemon.container("still")
    daemon.container("rooted", isolation="chroot", start=True)   # which runs nothing of its own
    for name in ("still", "rooted"):
        try:
            watch(daemon, name)
            raise AssertionError(name)
        except websocket.WebSocketBadStatusException as error:
            assert error.status_code == 409


@test("log-since-a-time-and-followed")
def log_followed(lab):
    daemon = lab.daemon
    script = "echo early; while [ ! -e /go ]; do sleep 0.1; done; echo late; while [ ! -e /end ]; do sleep 0.1; done; echo last; exit 0"
    daemon.container("box", command=["/bin/sh", "-c", script], start=True)
    kernel.wait_until(lambda: "early" in daemon.ctl("logs", "box").stdout, "it has written")
    follower = subprocess.Popen([BIN / "sovirtctl", "--socket", daemon.run_dir / "sovirt.sock", "logs", "-f", "box"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert follower.stdout.readline() == b"early\r\n"
    time.sleep(2.1)   # what is told apart is told by the second
    between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    daemon.shell("box", "touch /go")
    assert follower.stdout.readline() == b"late\r\n"
    log = "/v1/containers/box/log"
    assert daemon.api.get(f"{log}?since={between}").body == b"late\r\n", daemon.api.get(f"{log}?since={between}")
    assert daemon.api.get(f"{log}?since=2001-01-01T00:00:00Z").body == b"early\r\nlate\r\n"
    assert daemon.ctl("logs", "box", "--since", between).stdout == "late\n" or daemon.ctl("logs", "box", "--since", between).stdout == "late\r\n"
    assert "early" in daemon.ctl("logs", "box", "--since", "1h").stdout
    answer = daemon.api.get(f"{log}?since=7")
    assert answer.headers["X-Sovirt-Log-Begin"] == "7" and answer.body == b"late\r\n", answer
    # A follower that goes is noticed although nothing is written; one that stays sees the end.
    before = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
    gone = subprocess.Popen([BIN / "sovirtctl", "--socket", daemon.run_dir / "sovirt.sock", "logs", "-f", "box"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    gone.stdout.readline()
    gone.kill()
    gone.wait(10)
    kernel.wait_until(lambda: len(os.listdir(f"/proc/{daemon.process.pid}/fd")) <= before, "the daemon has let go of it")
    daemon.shell("box", "touch /end")
    assert follower.stdout.read() == b"last\r\n" and follower.wait(10) == 0
    for query in ("since=yesterday", "since=-1", "since=2026-13-01T00:00:00Z", "follow=maybe", "follow=true&limit=3"):
        assert daemon.api.get(f"{log}?{query}").status == 400, query


@test("log-is-bounded-by-rotation")
def log_bounds(lab):
    daemon = lab.daemon
    daemon.container("box", command=["/bin/sh", "-c", "seq 1 800000; echo done; sleep 600"], start=True)
    folder = daemon.state_dir / "containers" / daemon.get_container("box")["uid"]
    kernel.wait_until(lambda: (folder / "console.log").exists() and b"done" in (folder / "console.log").read_bytes(), "it has written all", timeout=40)
    sizes = {path.name: path.stat().st_size for path in folder.glob("console.log*")}
    assert sizes["console.log"] <= 1 << 20 and sizes["console.log.1"] <= 1 << 20 and sum(sizes.values()) < 5 << 19, sizes
    answer = daemon.api.get("/v1/containers/box/log?since=0")
    assert int(answer.headers["X-Sovirt-Log-Begin"]) > 0 and len(answer.body) == 1 << 20, answer.headers
    whole = subprocess.run([BIN / "sovirtctl", "--socket", daemon.run_dir / "sovirt.sock", "logs", "box"], capture_output=True, check=True, timeout=60).stdout
    numbers = [int(word) for word in re.findall(rb"^(\d+)\r$", whole.split(b"\n", 1)[1], re.M)]
    assert numbers == list(range(numbers[0], 800001)), (numbers[:2], numbers[-2:])


@test("console-bad-frames-close-only-their-sender")
def bad_frames(lab):
    daemon = lab.daemon
    daemon.container("box", command=SHELL, start=True)
    good = watch(daemon, "box")
    for say, code in ((lambda line: line.send("text"), 1003), (lambda line: send(line, 9), 1008), (lambda line: send(line, 1, b"x"), 1008),
                      (lambda line: send(line, RESIZE, '{"rows":0,"cols":1}'), 1008), (lambda line: send(line, STDIN, bytes(1 << 20)), 1009)):
        line = watch(daemon, "box")
        say(line)
        assert collect(line).close == code
        line.close()
    line = watch(daemon, "box")
    send(line, SIGNAL, "TERM")
    until(line, STDERR, b"takes no signals")
    send(good, STDIN, "echo still''there\n")
    until(good, STDOUT, b"stillthere")


@test("console-slow-watchers-hold-nobody-up", seconds=120)
def slow(lab):
    daemon = lab.daemon
    daemon.container("box", command=["/bin/sh", "-c", "read go; seq 1 400000; echo finished; read end"], start=True)
    writer = watch(daemon, "box")
    stuck = [watch(daemon, "box") for _ in range(6)]   # they never read
    reader = watch(daemon, "box")
    before = kernel.resident(daemon.process.pid)
    send(writer, STDIN, "go\n")
    kernel.wait_until(lambda: "finished" in daemon.ctl("logs", "box").stdout, "the container is not held up", timeout=60)
    seen = until(reader, STDOUT, b"finished")
    assert b"400000\r\n" in seen
    assert kernel.resident(daemon.process.pid) - before < 12 << 20
    times = []
    for _ in range(50):
        began = time.monotonic()
        assert daemon.api.get("/v1/containers/box").status == 200
        times.append(time.monotonic() - began)
    # One that comes back to life is told what it has missed.
    collected = b""
    while b"were left out here" not in collected:
        channel, data = receive(stuck[0])
        if channel == STDERR:
            collected += data
    until(stuck[0], STDOUT, b"finished")


@test("L7-sovirtctl-console-leaves-with-ctrl-a-q")
def ctl_console(lab):
    daemon = lab.daemon
    daemon.container("box", command=SHELL, start=True)
    with ctl_seat(daemon, "console", "box", rows=40, cols=111) as seat:
        seat.expect("Ctrl-A Q")
        seat.type("stty size; echo he''re\n")
        assert "40 111" in seat.expect("here") and seat.raw()
        seat.resize(20, 60)
        time.sleep(0.2)
        seat.type("stty size; echo a''gain\n")
        assert "20 60" in seat.expect("again")
        seat.type("sleep 1234\n")
        kernel.wait_until(lambda: "sleep 1234" in daemon.shell("box", "ps"), "the sleep runs")
        seat.type(b"\x03")
        kernel.wait_until(lambda: "sleep 1234" not in daemon.shell("box", "ps"), "Ctrl-C goes inside")
        seat.type(b"\x01q")
        assert seat.wait() == 0 and seat.restored()
    assert daemon.state_of("box") == "running"
    with ctl_seat(daemon, "console", "box") as seat:
        seat.expect("again")   # the scroll-back
        seat.type("echo sec''ond\n")
        seat.expect("second")
        seat.type("exit\n")
        seat.expect("the container has ended")
        assert seat.wait() == 0 and seat.restored()
    assert daemon.ctl("console", "box", check=False, stdin="").returncode == 4


@test("console-survives-kill-9-of-the-daemon", seconds=120)
def survives(lab):
    daemon = lab.new_daemon()
    daemon.container("box", command=["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done"], start=True)
    with ctl_seat(daemon, "console", "box") as seat, ctl_seat(daemon, "console", "box", "--read-only") as other:
        for one in (seat, other):
            one.expect("line 20\r\n")
        for _ in range(2):
            daemon.kill()
            for one in (seat, other):
                one.expect("the daemon is gone")
            time.sleep(0.3)
            daemon.start()
            for one in (seat, other):
                one.expect("connected again")
        shown = seat.expect("line 400\r\n", timeout=40)
        other.expect("line 400\r\n", timeout=40)
        numbers = [int(n) for n in re.findall(r"line (\d+)\r\n", shown)]
        assert numbers == list(range(numbers[0], 401)), "lines are lost or come twice"
        for one in (seat, other):
            one.type(b"\x01Q")
            assert one.wait() == 0 and one.restored()


@test("console-eight-watchers-of-a-flood", seconds=180)
def flood(lab):
    """Figures only: what they are on a shared machine says nothing of ours."""
    daemon = lab.daemon
    daemon.container("box", command=["/bin/sh", "-c", "stty raw; read go; yes 0123456789012345678901234567890123456789012345678901234567890123456789"], start=True)
    lines = [watch(daemon, "box") for _ in range(8)]
    counts, stop = [0] * 8, threading.Event()
    for line in lines[1:]:
        line.sock.setblocking(True)
    readers = [subprocess.Popen(["cat"], stdin=line.sock.fileno(), stdout=subprocess.DEVNULL) for line in lines[1:]]

    def drain():
        while not stop.is_set():
            try:
                counts[0] += len(lines[0].sock.recv(1 << 18))
            except OSError:
                return
    send(lines[0], STDIN, "go\n")
    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    times, peak, began = [], 0, time.monotonic()
    while time.monotonic() - began < 5:
        asked = time.monotonic()
        assert daemon.api.get("/v1/containers/box").status == 200
        times.append(time.monotonic() - asked)
        peak = max(peak, kernel.resident(daemon.process.pid))
        time.sleep(0.01)
    stop.set()
    rate = counts[0] / 5e6
    for one in readers:
        one.kill()
        one.wait(10)
    print(f"flood: {rate:.1f} MB/s at a watcher, daemon {peak / 1e6:.1f} MB, median GET {sorted(times)[len(times) // 2] * 1e3:.2f} ms of {len(times)}")
    assert peak < 64 << 20, peak
    assert counts[0] > 1 << 20, counts


@test("L7-L8-debian-getty-login-with-a-password", seconds=300)
def login(lab):
    debian(lab)
    daemon = lab.daemon
    daemon.container("sodebian", image="debian")
    generated = daemon.ctl("passwd", "sodebian", "--generate", "-q").stdout.strip()   # not running yet
    assert len(generated) == 16, generated
    daemon.start_container("sodebian")
    with ctl_seat(daemon, "console", "sodebian") as seat:
        seat.expect("login: ", timeout=120)
        seat.type("root\n")
        seat.expect("Password: ")
        seat.type(generated + "\n")
        seat.expect("# ", timeout=60)
        seat.type("tty; id -un; echo wel''come\n")
        shown = seat.expect("welcome")
        assert "root" in shown and ("/dev/console" in shown or "/dev/pts/" in shown or "/dev/tty" in shown), shown
        assert daemon.ctl("passwd", "sodebian", stdin="changed while it runs\n").stdout
        seat.type("exit\n")
        seat.expect("login: ", timeout=60)
        seat.type("root\n")
        seat.expect("Password: ")
        seat.type("changed while it runs\n")
        seat.expect("# ", timeout=60)
        seat.type(b"\x01q")
        assert seat.wait() == 0
    bad = daemon.api.post("/v1/containers/sodebian/actions/passwd", {"user": "nosuch", "password": None})
    assert bad.status == 422 and bad.json["errors"][0]["pointer"] == "/user", bad
    for body, pointer in (({"password": "a\nroot::0"}, "/password"), ({"user": "a:b"}, "/user"), ({"password": ""}, "/password"), ({"passwort": "x"}, "/passwort")):
        answer = daemon.api.post("/v1/containers/sodebian/actions/passwd", body)
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == pointer, answer


@test("L6-L9-processes")
def processes(lab):
    daemon = lab.daemon
    daemon.container("box", start=True, limits={"memory": {"max": 64 << 20}})
    line = sessions.open_exec(daemon, "box", "/bin/sh", "-c", "echo up; exec sleep 4321", user="65534:65534")
    until(line, STDOUT, b"up")
    listed = lambda: daemon.api.get("/v1/containers/box/processes").json["items"]
    kernel.wait_until(lambda: any("4321" in item["command"] for item in listed()), "the shell has become the sleep")
    items = listed()
    sleeper = next(item for item in items if "4321" in item["command"])
    assert sleeper["user"] == "nobody" and sleeper["uid"] == 65534 and sleeper["command"] == ["sleep", "4321"], sleeper
    status = dict(row.split(":\t", 1) for row in open(f"/proc/{sleeper['pid']}/status").read().splitlines() if ":\t" in row)
    assert int(status["NSpid"].split()[-1]) == sleeper["inside_pid"] != sleeper["pid"], sleeper
    init = next(item for item in items if item["inside_pid"] == 1)
    assert init["pid"] == daemon.pid_of("box") and init["memory_bytes"] > 0, init
    assert not any("sovirt" in item["name"] for item in items), items
    shown = daemon.ctl("ps", "box").stdout
    assert re.search(rf"{sleeper['inside_pid']}\s+{sleeper['pid']}\s+nobody\s.*sleep 4321", shown), shown
    daemon.set_state("box", "stopped")
    assert daemon.api.get("/v1/containers/box/processes").status == 409
    listed = daemon.ctl("ls", "-o", "wide").stdout
    assert "MEMORY" in listed and "CPU" in listed and "AUTOSTART" in listed and "AGE" in listed, listed
