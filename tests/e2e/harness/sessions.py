"""Exec and console over WebSockets, by a client that is not ours (Debian's python3-websocket), and terminals to sit at."""
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import fcntl
import time
from urllib.parse import urlencode

try:
    import websocket
except ImportError:   # another Python than Debian's: the package is plain Python
    sys.path.append("/usr/lib/python3/dist-packages")
    import websocket

from . import kernel
from .daemon import BIN

STDIN, STDOUT, STDERR, RESIZE, SIGNAL, EXIT = range(6)


def connect(daemon, path, protocol="sovirt.exec.v1", timeout=20, **query):
    """The open WebSocket; a refusal is websocket.WebSocketBadStatusException."""
    end = socket.socket(socket.AF_UNIX)
    end.settimeout(timeout)
    end.connect(str(daemon.run_dir / "sovirt.sock"))
    words = [(key, item) for key, value in query.items() for item in (value if isinstance(value, (list, tuple)) else [value])]
    target = path + ("?" + urlencode(words) if words else "")
    try:
        return websocket.create_connection("ws://localhost" + target, socket=end, timeout=timeout,
                                           subprotocols=[protocol] if protocol else None)
    except Exception:
        end.close()
        raise


def open_exec(daemon, name, *command, kind="containers", **query):
    return connect(daemon, f"/v1/{kind}/{name}/exec", command=list(command), **query)


def send(line, channel, data=b""):
    line.send_binary(bytes([channel]) + (data if isinstance(data, bytes) else data.encode()))


def receive(line):
    """(channel, bytes), or ("close", code) at the end."""
    opcode, data = line.recv_data()
    if opcode == websocket.ABNF.OPCODE_CLOSE:
        return "close", struct.unpack(">H", data[:2])[0] if len(data) >= 2 else None
    assert opcode == websocket.ABNF.OPCODE_BINARY, (opcode, data[:100])
    return data[0], data[1:]


class Result:
    def __init__(self):
        self.stdout, self.stderr, self.exit, self.close = b"", b"", None, None


def collect(line, until=None):
    """What comes until the end, or until that text is in the standard output."""
    result = Result()
    while True:
        channel, data = receive(line)
        if channel == "close":
            result.close = data
            return result
        if channel == STDOUT:
            result.stdout += data
        elif channel == STDERR:
            result.stderr += data
        else:
            assert channel == EXIT, channel
            result.exit = json.loads(data)
        if until is not None and until in result.stdout:
            return result


class Seat:
    """A program at a terminal of its own, with somebody who types and reads."""

    def __init__(self, command, rows=24, cols=80, environment=None):
        self.master, self.terminal = pty.openpty()
        self.resize(rows, cols)
        self.before = termios.tcgetattr(self.terminal)
        self.seen = b""

        def sit():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(list(map(str, command)), stdin=self.terminal, stdout=self.terminal, stderr=self.terminal,
                                        preexec_fn=sit, env={**os.environ, "TERM": "xterm-256color", **(environment or {})})

    def resize(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def read(self, wait=0.1):
        while select.select([self.master], [], [], wait)[0]:
            data = os.read(self.master, 65536)
            self.seen += data
            wait = 0
        return self.seen

    def expect(self, text, timeout=20):
        """Waits for the text after what was expected before; gives what came up to its end."""
        text = text if isinstance(text, bytes) else text.encode()
        end = time.monotonic() + timeout
        while text not in self.seen:
            if time.monotonic() > end:
                raise AssertionError(f"{text!r} was not shown within {timeout} s, but: {self.seen[-2000:]!r}")
            self.read()
        at = self.seen.index(text) + len(text)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return shown.decode(errors="replace")

    def raw(self):
        return not termios.tcgetattr(self.terminal)[3] & termios.ICANON

    def restored(self):
        return termios.tcgetattr(self.terminal) == self.before

    def wait(self, timeout=20):
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)   # it may be waiting for us to read
        if self.process.poll() is None:
            raise AssertionError(f"{self.process.args} does not end; it showed {self.seen[-500:]!r}")
        self.read(0)
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
        os.close(self.master)
        os.close(self.terminal)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ctl_seat(daemon, *words, **more):
    return Seat([BIN / "sovirtctl", "--socket", daemon.run_dir / "sovirt.sock", *words], **more)


def gone(pid):
    kernel.wait_until(lambda: not kernel.process_exists(pid), f"process {pid} is gone")
