"""What happens when a container ends by itself, and what it may do to the host."""
import os
import pathlib
import signal
import time

from harness import kernel
from harness.runner import test


@test("restart-policy-brings-it-back-with-growing-delays", seconds=90)
def policy(lab):
    daemon = lab.daemon
    daemon.container("failing", command=["/bin/sh", "-c", "exit 3"], restart={"policy": "on-failure", "max_retries": 3})
    daemon.set_state("failing", "running")
    kernel.wait_until(lambda: sum(event["type"] == "exited" for event in daemon.api.events(name="failing")) == 4, "it has failed four times", 30)
    time.sleep(1.5)
    seen = [event for event in daemon.api.events(name="failing") if event["type"] in ("started", "exited")]
    assert [event["type"] for event in seen] == ["started", "exited"] * 4, seen
    assert [event["data"].get("starts_again_in_ms") for event in seen if event["type"] == "exited"] == [100, 200, 400, None], seen
    assert seen[-1]["data"]["restarts_exhausted"] == 3 and daemon.state_of("failing") == "stopped"
    status = daemon.get_container("failing")["status"]
    assert status["exit"]["code"] == 3, status


@test("restart-policy-always-but-not-after-a-stop", seconds=60)
def always(lab):
    daemon = lab.daemon
    daemon.container("lasting", restart={"policy": "always"}, start=True)
    pid = daemon.pid_of("lasting")
    os.kill(pid, signal.SIGKILL)
    kernel.wait_until(lambda: daemon.state_of("lasting") == "running" and daemon.get_container("lasting")["status"]["pid"] != pid, "it runs again", 15)
    assert daemon.set_state("lasting", "stopped", force=True).status == 200
    time.sleep(0.5)
    assert daemon.state_of("lasting") == "stopped"
    # While it waits for its turn a stop calls it off, and a daemon that was away goes on with those that wait.
    daemon.start_container("lasting")
    os.kill(daemon.pid_of("lasting"), signal.SIGKILL)
    daemon.restart()
    kernel.wait_until(lambda: daemon.state_of("lasting") == "running", "the next daemon started it again", 15)
    assert daemon.api.delete("/v1/containers/lasting").status == 409


@test("reboot-and-poweroff-called-inside")
def reboot(lab):
    daemon = lab.daemon
    daemon.container("booting", restart={"policy": "always"}, command=["/bin/sh", "-c", "trap 'busybox reboot -f' HUP; trap 'busybox poweroff -f' TERM; while :; do sleep 0.1; done"], start=True)
    pid = daemon.pid_of("booting")
    time.sleep(0.3)
    daemon.api.post("/v1/containers/booting/actions/kill", {"signal": "HUP"})
    kernel.wait_until(lambda: daemon.state_of("booting") == "running" and daemon.get_container("booting")["status"]["pid"] != pid, "it has booted again", 15)
    started = [event["data"] for event in daemon.api.events(name="booting") if event["type"] == "started"]
    assert started[-1] == {"reason": "reboot"}, started
    time.sleep(0.3)
    daemon.api.post("/v1/containers/booting/actions/kill", {"signal": "TERM"})
    kernel.wait_until(lambda: daemon.state_of("booting") == "stopped", "it is off", 15)
    time.sleep(0.5)
    assert daemon.state_of("booting") == "stopped", "a container that was powered off was started again"


def needs_restart(container):
    return [one for one in container["status"]["conditions"] if one["type"] == "RestartNeeded" and one["status"]]


@test("security-fields-are-what-the-kernel-shows")
def security(lab):
    daemon = lab.daemon

    def of(name, field, who=None):
        status = pathlib.Path(f"/proc/{who or daemon.pid_of(name)}/status").read_text()
        return next(line.split()[1] for line in status.splitlines() if line.startswith(field + ":"))

    daemon.container("plain", start=True)
    assert of("plain", "Seccomp") == "2" and of("plain", "NoNewPrivs") == "0"
    assert int(of("plain", "CapBnd"), 16) & (1 << 25) == 0          # CAP_SYS_TIME
    refused = daemon.execute("plain", "/bin/sh", "-c", "busybox date -s 2000-01-01; busybox swapon /dev/null; busybox insmod /x.ko")
    assert "not permitted" in refused["stderr"], refused
    assert daemon.shell("plain", "grep Seccomp: /proc/self/status").split()[1] == "2", "an exec is not filtered"
    daemon.container("odd", start=True, security={"capabilities": {"add": ["sys_time"], "drop": ["CAP_NET_RAW"]}, "seccomp": "unconfined", "no_new_privileges": True})
    bounding = int(of("odd", "CapBnd"), 16)
    held = int(of("self", "CapBnd", daemon.process.pid), 16)
    assert of("odd", "Seccomp") == "0" and of("odd", "NoNewPrivs") == "1"
    assert bounding & (1 << 25) == held & (1 << 25) and bounding & (1 << 13) == 0
    daemon.container("god", start=True, security={"privileged": True})
    assert int(of("god", "CapBnd"), 16) == held and of("god", "Seccomp") == "0"
    daemon.shell("god", "echo x > /proc/sys/kernel/domainname || true; head -c 1 /proc/sys/kernel/ostype")
    changed = daemon.api.patch("/v1/containers/plain", {"security": {"seccomp": "unconfined"}}).json
    assert needs_restart(changed), changed["status"]
    assert daemon.api.post("/v1/containers/plain/actions/restart", {"timeout": 0}, timeout=60).status == 200
    assert of("plain", "Seccomp") == "0" and not needs_restart(daemon.get_container("plain"))


@test("L27-checkpoint-says-what-the-host-lacks")
def checkpoint(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    answer = daemon.api.post("/v1/containers/c1/actions/checkpoint", {})
    assert answer.status == 501 and "criu" in answer.json["detail"].lower(), answer
    assert daemon.state_of("c1") == "running"
