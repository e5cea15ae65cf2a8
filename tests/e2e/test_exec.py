"""Exec with streams and terminals over WebSockets."""
import hashlib
import json
import os
import threading
import time
from urllib.parse import urlencode

from harness import kernel
from harness.runner import test
from harness.sessions import EXIT, RESIZE, SIGNAL, STDIN, STDOUT, collect, open_exec, receive, send, websocket


UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c292aXJ0Y3RsLXNvdmlydA=="}


def refused(api, name, *words, headers=None, **query):
    """Status and problem of an upgrade that was refused."""
    query = urlencode([("command", word) for word in words] + list(query.items()))
    answer = api.get(f"/v1/containers/{name}/exec?{query}", headers={**UPGRADE, **(headers or {})})
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    return answer.status, answer.json


@test("C10-exec-websocket-streams-are-separate")
def streams(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    line = open_exec(daemon, "box", "/bin/sh", "-c", "cat; echo problem >&2; exit 7")
    assert line.getsubprotocol() == "sovirt.exec.v1"
    send(line, STDIN, b"some ")
    send(line, STDIN, b"words\x00\xff")
    send(line, STDIN)
    result = collect(line)
    assert result.stdout == b"some words\x00\xff" and result.stderr == b"problem\n", vars(result)
    assert result.exit == {"code": 7, "signal": None} and result.close == 1000, vars(result)
    killed = collect(open_exec(daemon, "box", "/bin/sh", "-c", "kill -KILL $$"))
    assert killed.exit == {"code": None, "signal": 9}, vars(killed)
    asked = collect(open_exec(daemon, "box", "/bin/sh", "-c", "echo $A $B; pwd; id -u", env=["A=1", "B=x=y"], cwd="/tmp", user="65534:65534"))
    assert asked.stdout == b"1 x=y\n/tmp\n65534\n", asked.stdout


@test("C10-exec-websocket-terminal")
def terminal(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    line = open_exec(daemon, "box", "/bin/sh", tty="true", rows=33, cols=101)
    send(line, STDIN, "tty; stty size; ls -l $(tty) | cut -c1-10; echo en''d\n")
    shown = collect(line, b"end").stdout.decode()
    assert "/dev/pts/" in shown and "33 101" in shown and "not a tty" not in shown, shown
    send(line, RESIZE, json.dumps({"rows": 50, "cols": 400}))
    send(line, STDIN, "stty size; echo aga''in\n")
    shown = collect(line, b"again").stdout
    assert b"50 400" in shown, shown
    # Job control: what runs in front is interrupted by a byte, the shell is not.
    send(line, STDIN, "sleep 4242\n")
    kernel.wait_until(lambda: "4242" in daemon.shell("box", "ps"), "the sleep runs")
    send(line, STDIN, b"\x03")
    kernel.wait_until(lambda: "4242" not in daemon.shell("box", "ps"), "the sleep is interrupted")
    send(line, STDIN, "echo sta''tus $?\n")
    assert b"status 130" in collect(line, b"status 130").stdout
    # Characters of several bytes, one of them erased whole: the terminal knows UTF-8.
    send(line, STDIN, "cat\n")
    kernel.wait_until(lambda: " cat" in daemon.shell("box", "ps"), "cat runs")
    send(line, STDIN, "gr\u00fc\u00dfe\u00e4\x7f\n\x04")
    collect(line, "\r\ngr\u00fc\u00dfe\r\n".encode())
    send(line, STDIN, b"exit 5\n")
    assert collect(line).exit == {"code": 5, "signal": None}


@test("exec-websocket-signals")
def signals(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    for said, number in (("TERM", 15), ('"SIGHUP"', 1), ("9", 9), ('{"signal":"USR1"}', 10)):
        line = open_exec(daemon, "box", "/bin/sh", "-c", "echo up; sleep 600; echo not reached")
        collect(line, b"up\n")
        send(line, SIGNAL, said)
        assert collect(line).exit == {"code": None, "signal": number}, said


@test("exec-websocket-bad-frames-close-it")
def bad_frames(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    # What is sent, and the code of the closing; sleep never reads, so that nothing else ends it.
    cases = [(lambda line: line.send("text"), 1003), (lambda line: line.send_binary(b""), 1008),
             (lambda line: send(line, 1, b"x"), 1008), (lambda line: send(line, 2, b"x"), 1008), (lambda line: send(line, 5, b"{}"), 1008),
             (lambda line: send(line, 6), 1008), (lambda line: send(line, 255), 1008),
             (lambda line: send(line, RESIZE, "{"), 1007), (lambda line: send(line, RESIZE, "[]"), 1007), (lambda line: send(line, RESIZE, "{}"), 1007),
             (lambda line: send(line, RESIZE, '{"rows":0,"cols":80}'), 1008), (lambda line: send(line, RESIZE, '{"rows":24,"cols":65536}'), 1008),
             (lambda line: send(line, RESIZE, '{"rows":-1,"cols":80}'), 1008), (lambda line: send(line, RESIZE, '{"rows":1.5,"cols":80}'), 1007),
             (lambda line: send(line, RESIZE, " " * 300), 1009), (lambda line: send(line, SIGNAL, "NOSUCH"), 1008), (lambda line: send(line, SIGNAL, "0"), 1008),
             (lambda line: send(line, SIGNAL, "65"), 1008), (lambda line: send(line, STDIN, bytes(1 << 20)), 1009)]
    for tty in ("false", "true"):
        for number, (say, code) in enumerate(cases):
            line = open_exec(daemon, "box", "sleep", "4343", tty=tty)
            say(line)
            result = collect(line)
            assert result.close == code and result.exit is None, (tty, number, vars(result))
            line.close()
    kernel.wait_until(lambda: "4343" not in daemon.shell("box", "ps"), "what a violation ended is dead")


@test("exec-websocket-refusals-are-problems")
def refusals(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    daemon.container("still")
    api = daemon.api
    for status, given in ((404, refused(api, "nosuch", "true")), (409, refused(api, "still", "true")),
                          (422, refused(api, "box", "/bin/nosuch")), (422, refused(api, "box")),
                          (422, refused(api, "box", "true", cwd="/nowhere")), (422, refused(api, "box", "true", cwd="relative")),
                          (400, refused(api, "box", "true", tty="true", rows=0)), (400, refused(api, "box", "true", cols=65536)),
                          (400, refused(api, "box", "true", tty="perhaps")), (400, refused(api, "box", "true", env="novalue")),
                          (400, refused(api, "box", "true", nosuch=1)), (422, refused(api, "box", "true", user="root")),
                          (400, refused(api, "box", "true", on_disconnect="maybe")), (403, refused(daemon.read_only, "box", "true")),
                          (400, refused(api, "box", "true", headers={"Sec-WebSocket-Protocol": "other.v1"})),
                          (400, refused(api, "box", "true", headers={"Sec-WebSocket-Key": "short"})),
                          (400, refused(api, "box", "true", headers={"Connection": "close"})),
                          (426, refused(api, "box", "true", headers={"Sec-WebSocket-Version": "12"})),
                          (426, refused(api, "box", "true", headers={"Upgrade": "h2c"}))):
        assert given[0] == status, (status, given)
    rows = daemon.api.get("/v1/audit").json["items"]
    assert any(row["status"] == 422 and row["action"].startswith("GET /v1/containers/box/exec?command=%2Fbin%2Fnosuch") for row in rows), rows[:3]


@test("exec-websocket-disconnect-ends-or-detaches")
def disconnect(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    for tty in ("false", "true"):
        line = open_exec(daemon, "box", "/bin/sh", "-c", "echo up; (setsid sleep 4444 &); sleep 4445", tty=tty)
        collect(line, b"up")
        line.sock.close()
        kernel.wait_until(lambda: "444" not in daemon.shell("box", "ps"), "a disconnect ends all that it started")
        line = open_exec(daemon, "box", "/bin/sh", "-c", "echo up; i=0; while [ $i -lt 20 ]; do i=$((i+1)); head -c 10000 /dev/zero; sleep 0.05; done; touch /tmp/done-" + tty,
                         tty=tty, on_disconnect="detach")
        collect(line, b"up")
        line.sock.close()
        kernel.wait_until(lambda: f"done-{tty}" in daemon.shell("box", "ls /tmp"), "it goes on by itself, and ends")


@test("exec-websocket-64-MiB-there-and-back", seconds=180)
def volume(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    block = os.urandom(1 << 20)[:-1]
    count = int(os.environ.get("SOVIRT_ECHO_MIB", "64"))
    line = open_exec(daemon, "box", "cat", timeout=120)

    def feed():
        for _ in range(count):
            send(line, STDIN, block)
        send(line, STDIN)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    digest, size = hashlib.sha256(), 0
    while True:
        channel, data = receive(line)
        if channel == EXIT:
            break
        assert channel == STDOUT, (channel, data)
        digest.update(data)
        size += len(data)
    feeder.join(10)
    expected = hashlib.sha256()
    for _ in range(count):
        expected.update(block)
    assert size == count * len(block) and digest.digest() == expected.digest(), size


@test("exec-websocket-slow-reader-costs-no-memory")
def slow(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    before = kernel.resident(daemon.process.pid)
    lines = [open_exec(daemon, "box", "/bin/sh", "-c", "yes") for _ in range(8)]
    stuffed = open_exec(daemon, "box", "sleep", "600")
    stuffed.sock.settimeout(1)
    try:
        while True:
            send(stuffed, STDIN, bytes(60000))
    except (websocket.WebSocketTimeoutException, OSError):
        pass   # nobody reads: the socket has filled up
    time.sleep(1)
    after = kernel.resident(daemon.process.pid)
    assert after - before < 8 << 20, f"{before} -> {after} bytes"
    assert daemon.api.get("/v1/containers/box").status == 200
    for line in (*lines, stuffed):
        line.sock.close()
    kernel.wait_until(lambda: "yes" not in daemon.shell("box", "ps") and "600" not in daemon.shell("box", "ps | grep -v 3600"), "they are ended with their readers")


@test("C10-exec-websocket-chroot-terminal")
def in_chroot(lab):
    daemon = lab.daemon
    daemon.container("root", isolation="chroot", start=True)
    line = open_exec(daemon, "root", "/bin/sh", tty="true")
    send(line, STDIN, "tty; ls /bin/busybox; exit\n")
    result = collect(line)
    assert b"/dev/pts/" in result.stdout and b"/bin/busybox" in result.stdout and result.exit["code"] == 0, vars(result)


@test("exec-websocket-terminal-output-is-whole")
def whole(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    expected = "".join(f"{i}\r\n" for i in range(1, 2001)).encode()
    for _ in range(30):
        assert collect(open_exec(daemon, "box", "seq", "1", "2000", tty="true")).stdout == expected
