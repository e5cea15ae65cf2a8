"""Finds tests, runs each within its time, says how each ended, and cleans up after all."""
import importlib
import os
import pathlib
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time
import traceback

from . import images, kernel, netns
from .daemon import BIN, Daemon, end_helpers, kill_cgroups, remove_cgroups

PREFIX = "sovirt-e2e-"


class Skip(Exception):
    """This host cannot run the test; the text says why."""


class Test:
    def __init__(self, name, function, seconds):
        self.name, self.function, self.seconds = name, function, seconds


TESTS = []


def test(name, seconds=60):
    """Names the test; lab rows come first: "L11-no-network"."""
    def add(function):
        TESTS.append(Test(name, function, seconds))
        return function
    return add


class Lab:
    """What a test is given: a daemon that all share, and daemons of its own where it breaks things."""

    def __init__(self):
        base = os.environ.get("TMPDIR", "/tmp")
        self.base = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        self.base.chmod(0o711)   # dnsmasq gives up root, and reads its files again later
        (self.base / "owner").write_text(f"{os.getpid()} {start_time(os.getpid())}")
        self.tag = self.base.name[len(PREFIX):].replace("_", "x")
        # Where systemd is at work, in what it has delegated: SOVIRT_TEST_CGROUP_PARENT=/system.slice/a.service
        self.cgroup_parent = f"{os.environ.get('SOVIRT_TEST_CGROUP_PARENT', '').rstrip('/')}/{PREFIX}{self.tag}"
        (self.base / "cgroup").write_text(self.cgroup_parent)
        self.own, self.counter, self.shared_daemon = [], 0, None
        self.new_home()

    def new_home(self):
        """A folder for each test: what one has put there is never in the way of the next."""
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="t", dir=self.base))
        self.home.chmod(0o755)

    @property
    def daemon(self):
        if self.shared_daemon is None:
            self.shared_daemon = self.new_daemon(keep=True)
        return self.shared_daemon

    def new_daemon(self, keep=False, start=True, image=True, own_network=True, **environment):
        self.counter += 1
        daemon = Daemon(self.base / f"d{self.counter}", f"{self.cgroup_parent}/d{self.counter}", own_network)
        if not keep:
            self.own.append(daemon)
        if start:
            daemon.start(**environment)
            if image:
                images.load_busybox(daemon, self.base)
        return daemon

    def name(self, stem, longest=15):
        return f"{stem}{secrets.token_hex(3)}"[:longest]

    def after_test(self):
        for daemon in self.own:
            daemon.destroy()
        self.own.clear()
        shutil.rmtree(self.home, ignore_errors=True)
        self.new_home()
        shared = self.shared_daemon
        if shared is None:
            return
        try:
            if shared.process.poll() is not None:
                raise AssertionError(f"the daemon died: {shared.log_tail()}")
            shared.remove_all()
        except Exception:
            shared.destroy()
            self.shared_daemon = None
            raise

    def close(self):
        for daemon in [*self.own, self.shared_daemon]:
            if daemon:
                daemon.destroy()
        clean(self.base)


def start_time(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]


def clean(home):
    for run_dir in pathlib.Path(home).glob("*/run"):
        end_helpers(run_dir)
    for daemon in pathlib.Path(home).glob("d*"):
        netns.remove_pins(daemon / "state")
        netns.remove_kept(daemon / "run")
    part = pathlib.Path(home, "cgroup")
    if part.exists():
        kill_cgroups(part.read_text())
        remove_cgroups(part.read_text())
    shutil.rmtree(home, ignore_errors=True)


def reap():
    """Ends what an earlier run, killed before it could clean up, has left."""
    for home in [*pathlib.Path("/tmp").glob(f"{PREFIX}*"), *pathlib.Path("/tmp").glob(f"sovirt-tests.*/{PREFIX}*")]:
        try:
            pid, started = (home / "owner").read_text().split()
            alive = start_time(pid) == started
        except (OSError, ValueError):
            alive = False
        if alive:
            continue
        print(f"cleaning up after an earlier run in {home}")
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:   # the daemon itself and the namespace's holder are in no cgroup of the run
                if f"{home}/".encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
            except OSError:
                continue
        clean(home)


def on_alarm(_signal, _frame):
    raise TimeoutError("the test took too long")


def record(verdict, name, reason=""):
    path = os.environ.get("SOVIRT_TEST_RESULTS")
    if path:
        with open(path, "a", encoding="utf-8") as results:
            print(verdict, f"e2e/{name}", " ".join(reason.split())[:400], sep="\t", file=results)


def run_one(one, lab):
    started = time.monotonic()
    verdict, reason, trace = "PASS", "", ""
    signal.signal(signal.SIGALRM, on_alarm)
    try:
        signal.alarm(int(one.seconds * kernel.PATIENCE))
        one.function(lab)
    except Skip as skip:
        verdict, reason = "SKIP", str(skip)
    except Exception as error:
        verdict, reason, trace = "FAIL", f"{type(error).__name__}: {error}", traceback.format_exc(limit=-4)
    try:
        signal.alarm(int(60 * kernel.PATIENCE))
        lab.after_test()
    except Exception as error:
        verdict, reason = "FAIL", f"{reason} cleaning up: {type(error).__name__}: {error}".strip()
    finally:
        signal.alarm(0)
    print(f"{verdict} {one.name} ({time.monotonic() - started:.1f} s) {reason[:600]}", flush=True)
    if trace:
        print(trace, flush=True)
    record(verdict, one.name, reason)
    return verdict


def main(patterns):
    here = pathlib.Path(__file__).resolve().parents[1]
    for file in sorted(here.glob("test_*.py")):
        importlib.import_module(file.stem)
    chosen = [one for one in TESTS if not patterns or any(re.search(text, one.name) for text in patterns)]
    if "--list" in patterns:
        print("\n".join(one.name for one in TESTS))
        return 0
    if not chosen:
        print(f"no test matches {patterns}", file=sys.stderr)
        return 2
    if os.geteuid() != 0 or not (BIN / "sovirtd").exists():
        print(f"needs root, and {BIN}/sovirtd (cmake --build --preset dev)", file=sys.stderr)
        return 2
    reap()
    lab = Lab()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        verdicts = [run_one(one, lab) for one in chosen]
    finally:
        lab.close()
    print(f"{verdicts.count('PASS')} passed, {verdicts.count('FAIL')} failed, {verdicts.count('SKIP')} skipped")
    return 1 if "FAIL" in verdicts else 0
