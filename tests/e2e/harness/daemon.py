"""A daemon of one's own: own directories, own boot id, own network namespace, own cgroup."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import uuid

from . import kernel, netns
from .http import Api

ROOT = pathlib.Path(__file__).resolve().parents[3]
BIN = pathlib.Path(os.environ.get("SOVIRT_BIN", ROOT / "build/dev/bin"))


class Daemon:
    """`home` holds all of it. The network namespace is kept by a holder process, as the host's is by the host."""

    def __init__(self, home, cgroup_parent, own_network=True):
        self.home = pathlib.Path(home)
        self.state_dir, self.run_dir = self.home / "state", self.home / "run"
        self.boot_id_file = self.home / "boot_id"
        self.log_file = self.home / "sovirtd.log"
        self.cgroup_parent = cgroup_parent
        self.own_network = own_network  # False: only where a mirror must be reached; it makes no links then
        self.home.mkdir(parents=True, exist_ok=True)
        self.boot_id_file.write_text(f"{uuid.uuid4()}\n")
        self.process = self.holder = None
        self.environment = {}
        self.wrapper = []  # a command that executes the daemon, for one that lives in a special place
        self.api = Api(self.run_dir / "sovirt.sock")
        self.read_only = Api(self.run_dir / "sovirt-ro.sock")

    # -- life ------------------------------------------------------------------

    def make_network(self):
        if not self.own_network:
            return
        if self.holder is None or self.holder.poll() is not None:
            self.holder = subprocess.Popen(["unshare", "-n", "sleep", "infinity"], start_new_session=True,
                                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            kernel.wait_until(lambda: kernel.namespace(self.holder.pid, "net") != kernel.namespace("self", "net"),
                              "the holder has a network namespace")
            self.net.run("ip", "link", "set", "lo", "up")

    def start(self, wait=True, **environment):
        self.make_network()
        make_cgroups(self.cgroup_parent)
        hop = ["nsenter", "-t", str(self.holder.pid), "-n"] if self.own_network else []
        command = [*hop, *self.wrapper, str(BIN / "sovirtd"),
                   "--state-dir", str(self.state_dir), "--run-dir", str(self.run_dir),
                   "--boot-id-file", str(self.boot_id_file), "--cgroup-parent", self.cgroup_parent,
                   "--templates", str(ROOT / "packaging/templates")]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **self.environment, **environment})
        if wait:
            self.await_answer()
        return self

    def await_answer(self, timeout=20):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"sovirtd ended with {self.process.returncode}: {self.log_tail()}")
            try:
                return self.api.get("/healthz", timeout=5).status == 200
            except OSError:
                return False
        kernel.wait_until(answers, "sovirtd answers", timeout)

    def await_death(self, timeout=20):
        return self.process.wait(timeout)

    def kill(self):
        """kill -9"""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def stop(self):
        """SIGTERM; the seconds until it was gone. Containers run on."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"sovirtd did not end within 10 s of SIGTERM: {self.log_tail()}") from None
        assert code == 0, f"sovirtd ended with {code}: {self.log_tail()}"
        return time.monotonic() - started

    def restart(self, **environment):
        self.kill()
        return self.start(**environment)

    def power_cut(self):
        """The host loses power: every process and the whole network are gone, the disk stays."""
        self.kill()
        self.kill_group()
        self.end_holder()
        self.remove_namespaces()
        self.remove_cgroups()
        shutil.rmtree(self.run_dir, ignore_errors=True)   # a tmpfs, on a real host
        self.boot_id_file.write_text(f"{uuid.uuid4()}\n")

    def destroy(self):
        self.kill()
        self.kill_group()
        self.end_holder()
        self.remove_namespaces()
        self.remove_cgroups()
        shutil.rmtree(self.home, ignore_errors=True)

    def remove_namespaces(self):
        netns.remove_pins(self.state_dir)
        netns.remove_kept(self.run_dir)

    def end_holder(self):
        if self.holder:
            self.holder.kill()
            self.holder.wait(10)
            self.holder = None

    # -- what it made ------------------------------------------------------------

    def cgroups(self):
        return kernel.cgroup_directories(self.cgroup_parent)

    def kill_group(self):
        """Ends every process in the daemon's cgroups, containers and their monitors, and the helpers, which are in none."""
        end_helpers(self.run_dir)
        kill_cgroups(self.cgroup_parent)

    def remove_cgroups(self):
        remove_cgroups(self.cgroup_parent)

    @property
    def net(self):
        return kernel.Netns(self.holder.pid)

    def log_tail(self, lines=15):
        if not self.log_file.exists():
            return "no log"
        return " | ".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    # -- speaking to it ------------------------------------------------------------

    def ctl(self, *words, check=True, stdin=None, timeout=120):
        command = [str(BIN / "sovirtctl"), "--socket", str(self.run_dir / "sovirt.sock"), *map(str, words)]
        result = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=timeout)
        if check and result.returncode:
            raise AssertionError(f"sovirtctl {' '.join(map(str, words))}: status {result.returncode}: "
                                 f"{result.stderr.strip()} {result.stdout.strip()}")
        return result

    def bridge(self, name, address, **more):
        answer = self.api.put(f"/v1/bridges/{name}", {"addresses": [address] if address else [], **more})
        assert answer.status in (200, 201), answer
        return answer.json

    def container(self, name, image="busybox", start=False, **spec):
        answer = self.api.put(f"/v1/containers/{name}", {"image": image, **spec})
        assert answer.status in (200, 201), answer
        return self.start_container(name) if start else answer.json

    def start_container(self, name):
        answer = self.set_state(name, "running")
        assert answer.status == 200, f"{answer} {self.log_tail(3)}"
        return self.get_container(name)

    def set_state(self, name, desired, **more):
        answer = self.api.put(f"/v1/containers/{name}/state", {"desired": desired, **more}, timeout=120)
        if answer.status == 202:
            document = self.api.wait_operation(answer)
            assert document["state"] == "done", document
            answer.status = 200
        return answer

    def get_container(self, name):
        answer = self.api.get(f"/v1/containers/{name}")
        assert answer.status == 200, answer
        return answer.json

    def state_of(self, name):
        return self.get_container(name)["status"]["state"]

    def pid_of(self, name):
        pid = self.get_container(name)["status"]["pid"]
        assert pid and kernel.process_exists(pid), f"{name}: pid {pid} is not there"
        return pid

    def execute(self, name, *command, **more):
        answer = self.api.post(f"/v1/containers/{name}/exec", {"command": list(command), **more}, timeout=60)
        assert answer.status == 200, answer
        return answer.json

    def shell(self, name, script):
        result = self.execute(name, "/bin/sh", "-c", script)
        assert result["exit_code"] == 0, result
        return result["stdout"]

    def items(self, kind):
        return self.api.get(f"/v1/{kind}?limit=1000").json["items"]

    def remove_all(self, kinds=("links", "containers", "cgroups", "netns", "bridges", "volumes")):
        """Back to images only, so that the next test finds an empty host."""
        for kind in kinds:
            for item in self.items(kind):
                name = item["name"]
                if kind == "containers" and item["status"]["state"] not in ("created", "stopped", "failed"):
                    self.set_state(name, "stopped", force=True)
                answer = self.api.delete(f"/v1/{kind}/{name}")
                assert answer.status in (202, 204), answer
                if answer.status == 202:
                    self.api.wait_operation(answer)


def end_helpers(run_dir):
    """dnsmasq and DHCP clients, which outlive the daemon."""
    for path in pathlib.Path(run_dir, "helpers").glob("*/identity.json"):
        who = json.loads(path.read_text())
        try:
            started = pathlib.Path(f"/proc/{who['pid']}/stat").read_text().rsplit(")", 1)[1].split()[19]
            if int(started) == who["start_ticks"]:
                os.kill(who["pid"], signal.SIGKILL)
        except OSError:
            continue   # it has ended


def make_cgroups(part):
    """The parent as a unit would hand it over: in each hierarchy, with all that its own parent has."""
    for point in kernel.cgroup_mounts():
        path = pathlib.Path(point)
        for name in part.strip("/").split("/"):
            above, path = path, path / name
            controllers = above / "cgroup.controllers"
            if controllers.exists():
                for controller in controllers.read_text().split():
                    (above / "cgroup.subtree_control").write_text(f"+{controller}")
            path.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if (above / "cgroup.clone_children").exists() and (path / file).exists():
                    (path / file).write_text((above / file).read_text())


def kill_cgroups(part):
    for _ in range(100):
        pids = kernel.cgroup_pids(kernel.cgroup_directories(part))
        if not pids:
            return
        thaw(part)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)
    raise AssertionError(f"processes in cgroup {part} do not die: {pids}")


def thaw(part):
    """A frozen task of a v1 hierarchy takes no signal, not even SIGKILL."""
    for directory in kernel.cgroup_directories(part):
        for name, value in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            file = pathlib.Path(directory, name)
            if file.exists():
                try:
                    file.write_text(value)
                except OSError:
                    continue   # the root of a hierarchy, or a group that has just gone


def remove_cgroups(part):
    for _ in range(100):
        left = kernel.cgroup_directories(part)
        if not left:
            return
        for directory in left:
            try:
                os.rmdir(directory)
            except OSError:
                continue   # its last process is a zombie still
        time.sleep(0.02)
    raise AssertionError(f"cgroups that cannot be removed: {left}")
