"""kill -9 of the daemon at any time: nothing is lost, nothing is left half done."""
import os
import pathlib
import signal
import time

from harness import kernel
from harness.runner import test


@test("crash-running-containers-are-adopted")
def adoption(lab):
    daemon = lab.new_daemon()
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.20.1/24")
    daemon.container("c1", nics=[{"name": "eth0", "bridge": bridge, "addresses": ["172.31.20.10/24"]}], start=True)
    daemon.container("frozen", start=True)
    daemon.set_state("frozen", "frozen")
    before, pid = daemon.get_container("c1"), daemon.pid_of("c1")
    link = daemon.net.link(bridge)["ifindex"]
    daemon.kill()
    assert kernel.process_exists(pid) and kernel.ping(daemon.holder.pid, "172.31.20.10"), "it did not live on"
    daemon.start()
    after = daemon.get_container("c1")
    assert after["status"]["state"] == "running" and after["status"]["pid"] == pid, after
    assert after["status"]["started_at"] == before["status"]["started_at"] and after["uid"] == before["uid"]
    assert daemon.state_of("frozen") == "frozen"
    assert daemon.net.link(bridge)["ifindex"] == link, "the bridge was made anew"
    assert daemon.shell("c1", "echo alive") == "alive\n"
    assert daemon.set_state("frozen", "running").status == 200
    for name in ("c1", "frozen"):
        assert daemon.set_state(name, "stopped").status == 200


@test("crash-exit-status-meanwhile-is-true")
def meanwhile(lab):
    daemon = lab.new_daemon()
    daemon.container("code", command=["/bin/sh", "-c", "echo before; while [ ! -e /go ]; do sleep 0.05; done; echo after; exit 37"])
    daemon.container("signal", start=True)
    daemon.start_container("code")
    root, victim = f"/proc/{daemon.pid_of('code')}/root", daemon.pid_of("signal")
    pid = daemon.pid_of("code")
    seq = daemon.api.get("/v1/containers").json["seq"]
    daemon.kill()
    pathlib.Path(root, "go").touch()
    os.kill(victim, signal.SIGKILL)
    kernel.wait_until(lambda: not kernel.process_exists(pid) and not kernel.process_exists(victim), "both have ended")
    daemon.start()
    kernel.wait_until(lambda: daemon.state_of("code") == "stopped" and daemon.state_of("signal") == "stopped", "seen as stopped")
    assert daemon.get_container("code")["status"]["exit"]["code"] == 37
    assert daemon.get_container("signal")["status"]["exit"]["signal"] in (9, "KILL", "SIGKILL")
    log = daemon.api.get("/v1/containers/code/log").body.decode()
    assert "before" in log and "after" in log, log
    told = {(event["name"], event["type"]) for event in daemon.api.events(since=seq)}
    assert {("code", "exited"), ("signal", "exited")} <= told, told
    assert daemon.start_container("signal")


@test("crash-sigterm-leaves-containers-and-is-quick")
def sigterm(lab):
    daemon = lab.new_daemon()
    daemon.container("c1", start=True)
    pid = daemon.pid_of("c1")
    seconds = daemon.stop()
    assert seconds < 1.0, f"it took {seconds:.2f} s"
    assert kernel.process_exists(pid)
    daemon.start()
    assert daemon.pid_of("c1") == pid


@test("crash-monitor-killed-leaves-no-stray")
def monitor(lab):
    """Nobody holds the container's console and exit status then; it must still be seen for what it is, and be stoppable."""
    daemon = lab.new_daemon()
    daemon.container("c1", start=True)
    pid = daemon.pid_of("c1")
    parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(parent, signal.SIGKILL)
    time.sleep(0.5)
    kernel.wait_until(lambda: (daemon.state_of("c1") == "running") == kernel.process_exists(pid), "the API tells the truth")
    if daemon.state_of("c1") == "running":
        assert daemon.set_state("c1", "stopped", force=True).status == 200
    assert not kernel.process_exists(pid), "a stray is left"
    assert daemon.start_container("c1")["status"]["state"] == "running"


@test("crash-drift-while-away-is-repaired")
def away(lab):
    daemon = lab.new_daemon()
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.21.1/24")
    daemon.kill()
    daemon.net.run("ip", "link", "del", bridge)
    daemon.start()
    kernel.wait_until(lambda: daemon.net.link(bridge) and daemon.net.addresses(bridge) == {"172.31.21.1/24"}, "the bridge is back")


@test("crash-damaged-database-answers-503-and-ends-nothing")
def damaged_database(lab):
    daemon = lab.new_daemon()
    daemon.container("kept", start=True)
    pid = daemon.pid_of("kept")
    daemon.stop()
    database = daemon.state_dir / "sovirt.db"
    whole = {path: path.read_bytes() for path in daemon.state_dir.glob("sovirt.db*")}
    for path in whole:
        path.unlink()
    junk = b"not a database any more " * 4096
    database.write_bytes(junk)
    daemon.start()
    assert daemon.api.get("/healthz").json["status"] == "degraded"
    for answer in (daemon.api.get("/v1/containers"), daemon.api.get("/v1/containers/kept"),
                   daemon.api.put("/v1/bridges/br0", {"addresses": []}), daemon.api.delete("/v1/containers/kept")):
        assert answer.status == 503 and answer.headers.get("retry-after") and answer.json["code"] == "unavailable", answer
    assert daemon.api.get("/v1/host").status == 200
    assert kernel.process_exists(pid), "the container was ended"
    daemon.stop()
    assert database.read_bytes() == junk, "what was damaged was written to"
    for path in daemon.state_dir.glob("sovirt.db*"):
        path.unlink()
    for path, content in whole.items():
        path.write_bytes(content)
    daemon.start()
    assert daemon.pid_of("kept") == pid
    assert daemon.shell("kept", "echo back") == "back\n"
