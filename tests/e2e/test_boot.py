"""A new boot id: everything is back from the database. And several daemons on one host."""
import re
import subprocess

from harness import images, kernel
from harness.daemon import BIN
from harness.runner import test


def report_of(daemon):
    report = daemon.api.get("/v1/restore").json
    return report.get("status", report)


def await_restore(daemon, timeout=60):
    def finished():
        answer = daemon.api.get("/v1/restore")
        report = report_of(daemon)
        return answer.status == 200 and report.get("finished_at") and report
    return kernel.wait_until(finished, "restore has ended", timeout)


def results(report):
    return {(item["kind"], item["name"]): item for item in report["items"]}


@test("L13-boot-brings-all-back")
def boot(lab):
    daemon = lab.new_daemon()
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.16.2.1/24")
    nic = {"name": "eth0", "bridge": bridge, "mac": "4a:49:43:49:79:bf", "addresses": ["172.16.2.10/24"]}
    daemon.container("sodebian", nics=[nic], autostart="always", start=True)
    daemon.container("ran", autostart="last-state", start=True)
    daemon.container("rested", autostart="last-state")
    daemon.container("halted", autostart="last-state", start=True)
    daemon.set_state("halted", "stopped")
    daemon.container("manual", autostart="never", start=True)
    daemon.shell("sodebian", "echo kept > /root/file")
    daemon.power_cut()
    daemon.start()
    report = results(await_restore(daemon))
    assert report[("bridge", bridge)]["result"] == "restored", report
    assert report[("container", "sodebian")]["result"] == "restored", report
    states = {item["name"]: item["status"]["state"] for item in daemon.items("containers")}
    assert states["sodebian"] == states["ran"] == "running", states
    assert not {states["rested"], states["halted"], states["manual"]} & {"running", "frozen"}, states
    assert daemon.net.addresses(bridge) == {"172.16.2.1/24"}
    pid = daemon.pid_of("sodebian")
    assert kernel.Netns(pid).link("eth0")["address"] == "4a:49:43:49:79:bf"
    assert kernel.ping(pid, "172.16.2.1")
    assert daemon.shell("sodebian", "cat /root/file") == "kept\n"
    daemon.kill()
    daemon.start()
    assert daemon.pid_of("sodebian") == pid, "a restart in the same boot restarted it"


@test("boot-order-follows-priority")
def order(lab):
    daemon = lab.new_daemon()
    for name, priority in (("last", 20), ("first", -5), ("middle", 3)):
        daemon.container(name, autostart="always", boot_priority=priority, boot_delay=1 if name == "first" else 0)
    daemon.power_cut()
    daemon.start()
    await_restore(daemon)
    started = {name: daemon.get_container(name)["status"]["started_at"] for name in ("first", "middle", "last")}
    assert started["first"] < started["middle"] < started["last"], started
    seconds = [int(re.search(r":(\d\d)\.", started[name]).group(1)) for name in ("first", "middle")]
    assert (seconds[1] - seconds[0]) % 60 >= 1, f"no delay after the first: {started}"


@test("boot-independent-ones-start-at-once")
def together(lab):
    daemon = lab.new_daemon()
    for number in range(6):
        daemon.container(f"c{number}", autostart="always")
    daemon.power_cut()
    daemon.start()
    report = await_restore(daemon)
    assert {item["result"] for item in report["items"] if item["kind"] == "container"} == {"restored"}, report
    assert all(item["status"]["state"] == "running" for item in daemon.items("containers"))


@test("boot-what-fails-stays-and-is-tried-again")
def waits(lab):
    daemon = lab.new_daemon()
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.23.1/24")
    nic = {"name": "eth0", "bridge": bridge, "addresses": ["172.31.23.10/24"]}
    daemon.container("waiting", nics=[nic], autostart="always", start=True)
    daemon.container("free", autostart="always", start=True)
    daemon.power_cut()
    daemon.make_network()      # of the new boot, in which somebody else takes the name first
    daemon.net.run("ip", "link", "add", bridge, "type", "bridge")
    daemon.start()
    report = results(await_restore(daemon))
    assert report[("bridge", bridge)]["result"] == "failed" and report[("bridge", bridge)]["reason"], report
    assert report[("container", "free")]["result"] == "restored", report
    assert report[("container", "waiting")]["result"] == "waiting", report
    assert f"bridge/{bridge}" in report[("container", "waiting")]["waited_for"], report
    assert daemon.net.link(bridge)["address"], "the foreign one was touched"
    # Of no concern to the unit that starts containers: it would stop none of them at a shutdown if this failed.
    daemon.ctl("host", "start-containers")
    daemon.net.run("ip", "link", "del", bridge)
    kernel.wait_until(lambda: daemon.net.addresses(bridge) == {"172.31.23.1/24"}, "the bridge is made once the name is free", 15)
    kernel.wait_until(lambda: daemon.state_of("waiting") == "running", "the container follows its bridge", 15)


@test("boot-start-containers-names-what-failed")
def start_failed(lab):
    daemon = lab.new_daemon()
    source = lab.home / "gone"
    source.mkdir()
    daemon.container("bound", autostart="always", mounts=[{"source": str(source), "target": "/mnt"}], start=True)
    daemon.container("free", autostart="always", start=True)
    daemon.power_cut()
    source.rmdir()
    daemon.start()
    answer = daemon.ctl("host", "start-containers", check=False)
    assert answer.returncode == 1 and "container/bound" in answer.stderr and str(source) in answer.stderr, answer
    assert "container/free" not in answer.stderr and daemon.state_of("free") == "running", answer


@test("boot-orderly-stop-is-remembered")
def orderly(lab):
    daemon = lab.new_daemon()
    for name, priority in (("a", 1), ("b", 2), ("c", 3)):
        daemon.container(name, autostart="last-state", boot_priority=priority, start=True)
    daemon.container("off", autostart="last-state")
    seq = daemon.api.get("/v1/containers").json["seq"]
    daemon.ctl("host", "stop-containers")
    assert {item["status"]["state"] for item in daemon.items("containers") if item["name"] != "off"} == {"stopped"}
    stopped = [event["name"] for event in daemon.api.events(since=seq) if event["type"] == "stopped"]
    assert stopped == ["c", "b", "a"], f"reverse order expected: {stopped}"
    daemon.stop()
    daemon.power_cut()
    daemon.start()
    await_restore(daemon)
    states = {item["name"]: item["status"]["state"] for item in daemon.items("containers")}
    assert [states[name] for name in "abc"] == ["running"] * 3 and states["off"] != "running", states


@test("boot-restore-wait-of-the-client")
def client(lab):
    daemon = lab.new_daemon()
    daemon.bridge(lab.name("br"), "172.31.24.1/24")
    daemon.power_cut()
    daemon.start()
    daemon.ctl("restore", "wait", "--kind", "bridge", "--timeout", "30")
    daemon.ctl("restore", "wait", "--timeout", "30")


@test("several-daemons-see-nothing-of-each-other")
def side_by_side(lab):
    first = lab.new_daemon()
    second = lab.new_daemon(start=False)
    second.holder = first.holder     # one network for both, as on one host
    second.start()
    images.load_busybox(second, lab.home)
    one, two = lab.name("br"), lab.name("br")
    first.bridge(one, "172.31.25.1/24")
    second.bridge(two, "172.31.26.1/24")
    first.container("same", nics=[{"name": "eth0", "bridge": one, "addresses": ["172.31.25.10/24"]}], start=True)
    second.container("same", nics=[{"name": "eth0", "bridge": two, "addresses": ["172.31.26.10/24"]}], start=True)
    assert [item["name"] for item in first.items("bridges")] == [one]
    assert [item["name"] for item in second.items("bridges")] == [two]
    first_pid, second_pid = first.pid_of("same"), second.pid_of("same")
    assert first_pid != second_pid
    answer = second.api.put(f"/v1/bridges/{one}", {"addresses": ["172.31.27.1/24"]})
    assert answer.status == 409, answer
    first.restart()    # collects orphans, but only its own
    second.restart()
    assert first.pid_of("same") == first_pid and second.pid_of("same") == second_pid
    assert set(first.net.links()) >= {one, two}
    first.remove_all()
    assert second.pid_of("same") == second_pid and two in first.net.links() and one not in first.net.links()
    second.remove_all()
    second.holder = None


@test("one-state-directory-has-one-daemon")
def twice(lab):
    daemon = lab.new_daemon(image=False)
    other = subprocess.run(["nsenter", "-t", str(daemon.holder.pid), "-n", str(BIN / "sovirtd"),
                            "--state-dir", str(daemon.state_dir), "--run-dir", str(daemon.home / "run2")],
                           capture_output=True, text=True, timeout=20)
    assert other.returncode != 0 and other.stderr.strip(), f"a second daemon took the same state directory: {other}"
    assert daemon.api.get("/healthz").status == 200


# Everything of the host, but below a folder that is no mount point: the place of a chroot built by hand.
FOLDER_AS_ROOT = """
set -e
root=$1; shift
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$root$entry"
  elif [ -d "$entry" ]; then mkdir "$root$entry"; mount --rbind "$entry" "$root$entry"
  fi
done
exec chroot "$root" "$@"
"""


@test("host-in-a-chroot-that-is-no-mount-point")
def in_a_chroot(lab):
    daemon = lab.new_daemon(start=False)
    root = daemon.home / "root"
    root.mkdir(parents=True)
    daemon.wrapper = ["unshare", "-m", "--propagation", "private", "sh", "-c", FOLDER_AS_ROOT, "sh", str(root)]
    daemon.start()
    images.load(daemon, "busybox", {"type": "tarball", "path": str(images.busybox_tarball(daemon.home / "busybox.tar.gz"))})
    daemon.bridge("brchroot", "172.31.77.1/24")
    nic = {"name": "eth0", "bridge": "brchroot", "addresses": ["172.31.77.2/24"]}
    daemon.container("box", nics=[nic], start=True)
    pid = daemon.pid_of("box")
    assert daemon.shell("box", "ls /root | wc -l") == "0\n"
    # The root of the mount namespace is the container's own: entering it leads nowhere else.
    inside = kernel.run("nsenter", "-t", pid, "-m", "/bin/busybox", "ls", "/").stdout.split()
    assert "boot" not in inside and "bin" in inside, inside
    assert kernel.ping(pid, "172.31.77.1")
    daemon.container("chrooted", isolation="chroot", start=True)
    assert daemon.shell("chrooted", "pwd") == "/\n"
    assert daemon.api.put("/v1/netns/nschroot", {}).status == 201
    answer = daemon.api.post("/v1/netns/nschroot/exec", {"command": ["ls", "/sys/class/net"]})
    assert answer.status == 200 and answer.json["stdout"] == "lo\n", answer
    assert daemon.api.delete("/v1/netns/nschroot").status == 204
    for name in ("box", "chrooted"):
        assert daemon.set_state(name, "stopped", force=True).status == 200
