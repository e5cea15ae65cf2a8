"""Containers, as the kernel shows them."""
import os
import pathlib
import re
import subprocess
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor

from harness import images, kernel
from harness.runner import Skip, test

# The lab's script: who am I, what do I see?
SCRIPT = """echo hostname=$(hostname)
echo addresses=$(ip -o -4 addr show | while read -r _ dev _ address _; do echo -n "$dev:$address,"; done)
echo home=$(ls -A /home | tr '\\n' ',')
echo processes=$(ls -d /proc/[0-9]* | wc -l)
echo first=$(cat /proc/1/comm)
"""


def facts(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


@test("L9-script-sees-a-world-of-its-own")
def script(lab):
    daemon = lab.daemon
    secret = pathlib.Path(lab.home, "host-only-file")
    secret.touch()
    daemon.container("sobox", start=True)
    seen = facts(daemon.shell("sobox", SCRIPT))
    assert seen["hostname"] == "sobox" != os.uname().nodename, seen
    assert seen["home"] == "", seen
    assert int(seen["processes"]) < 8, seen
    assert daemon.shell("sobox", f"ls {secret} 2>&1 || true").find("No such file") > 0
    hidden = daemon.shell("sobox", "cat /proc/*/comm | sort -u")
    assert "sovirtd" not in hidden and "python3" not in hidden, hidden


@test("container-has-six-namespaces-of-its-own")
def six(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    pid = daemon.pid_of("c1")
    shared = [kind for kind in kernel.NAMESPACES if kernel.namespace(pid, kind) == kernel.namespace(daemon.process.pid, kind)]
    assert not shared, f"shared with the daemon: {shared}"
    inside = daemon.execute("c1", "/bin/sh", "-c", "for k in mnt pid net ipc uts cgroup; do readlink /proc/self/ns/$k; done")
    for kind, value in zip(kernel.NAMESPACES, inside["stdout"].split()):
        assert value == kernel.namespace(pid, kind), f"exec is in another {kind} namespace"
    assert daemon.get_container("c1")["status"]["state"] == "running"


@test("L11-no-network-means-lo-only")
def no_network(lab):
    daemon = lab.daemon
    daemon.container("alone", nics=[], start=True)
    net = kernel.Netns(daemon.pid_of("alone"))
    links = net.links()
    assert set(links) == {"lo"}, links
    assert "UP" in links["lo"]["flags"] and "127.0.0.1/8" in {
        f"{one['local']}/{one['prefixlen']}" for one in links["lo"]["addr_info"]}, links
    assert not kernel.ping(net.pid, "172.31.9.1")


@test("L12-L13-nic-on-a-bridge")
def nic(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.16.2.1/24")
    one = {"name": "eth0", "bridge": bridge, "mac": "4a:49:43:49:79:bf", "addresses": ["172.16.2.10/24"], "gateway": "172.16.2.1"}
    daemon.container("sodebian", nics=[one], start=True)
    pid = daemon.pid_of("sodebian")
    link = kernel.Netns(pid).link("eth0")
    assert link["address"] == "4a:49:43:49:79:bf" and "UP" in link["flags"], link
    assert kernel.Netns(pid).addresses("eth0") == {"172.16.2.10/24"}
    assert any(route["dst"] == "default" and route["gateway"] == "172.16.2.1" for route in kernel.Netns(pid).routes())
    ports = [name for name, port in daemon.net.links().items() if port.get("master") == bridge]
    assert len(ports) == 1 and re.fullmatch(r"v[a-z2-7]{12}0", ports[0]), ports
    assert kernel.ping(pid, "172.16.2.1") and kernel.ping(daemon.holder.pid, "172.16.2.10")
    status = daemon.get_container("sodebian")["status"]
    assert status["addresses"] == ["172.16.2.10/24"] and status["nics"][0]["mac"] == "4a:49:43:49:79:bf", status
    shown = daemon.api.get(f"/v1/bridges/{bridge}").json["status"]["ports"]
    assert [port.get("container") for port in shown] == ["sodebian"], shown
    hosts = daemon.shell("sodebian", "cat /etc/hosts")
    assert re.search(r"^172\.16\.2\.10\s+sodebian", hosts, re.M), hosts


@test("L12-two-containers-reach-each-other")
def two(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.10.1/24")
    for number in (10, 11):
        daemon.container(f"c{number}", nics=[{"name": "eth0", "bridge": bridge, "addresses": [f"172.31.10.{number}/24"]}], start=True)
    assert kernel.ping(daemon.pid_of("c10"), "172.31.10.11")
    macs = {kernel.Netns(daemon.pid_of(f"c{number}")).link("eth0")["address"] for number in (10, 11)}
    assert len(macs) == 2, macs


@test("L14-a-taken-address-is-refused-and-its-holder-named")
def taken(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.11.1/24")
    nic = {"name": "eth0", "bridge": bridge, "addresses": ["172.31.11.10/24"]}
    daemon.container("sodebian", nics=[nic], start=True)
    answer = daemon.api.put("/v1/containers/so1", {"image": "busybox", "nics": [nic]})
    assert answer.status == 409 and answer.json["conflicts_with"] == ["container/sodebian"], answer
    assert daemon.api.get("/v1/containers/so1").status == 404
    assert kernel.ping(daemon.holder.pid, "172.31.11.10")


@test("L21-second-create-copies-nothing")
def no_copy(lab):
    daemon = lab.daemon
    image = daemon.api.get("/v1/images/busybox").json["status"]
    seconds = []
    for number in range(5):
        started = time.monotonic()
        daemon.container(f"copy{number}")
        seconds.append(time.monotonic() - started)
        upper = pathlib.Path(daemon.get_container(f"copy{number}")["status"]["rootfs"]["upper"])
        held = sum(path.lstat().st_size for path in upper.rglob("*") if path.is_file())
        assert held < 65536, f"{held} bytes copied of an image of {image['size']}"
    assert sorted(seconds)[2] < 0.5, f"creating takes {seconds}"
    lower = {daemon.get_container(f"copy{number}")["status"]["rootfs"]["lower"] for number in range(5)}
    assert len(lower) == 1, lower


@test("L26-delete-leaves-nothing")
def delete(lab):
    daemon = lab.new_daemon()
    bridge = lab.name("br")
    mounts, groups = kernel.mount_lines(), None
    files = {path for path in daemon.home.rglob("*") if path.suffix != ".log"}
    groups = set(daemon.cgroups())
    daemon.bridge(bridge, "172.31.12.1/24")
    daemon.container("gone", nics=[{"name": "eth0", "bridge": bridge, "addresses": ["172.31.12.10/24"]}], start=True)
    pid = daemon.pid_of("gone")
    daemon.shell("gone", "echo kept > /root/file; mkdir /root/dir; mkfifo /root/pipe; chmod 0 /root/dir")
    assert set(kernel.mount_lines()) == set(mounts), "the host's mount table shows the container"
    assert daemon.set_state("gone", "stopped").status == 200
    assert not kernel.process_exists(pid)
    assert daemon.api.delete("/v1/containers/gone").status == 204
    assert daemon.api.delete(f"/v1/bridges/{bridge}").status == 204
    kernel.wait_until(lambda: set(daemon.net.links()) == {"lo"}, f"only lo is left of {list(daemon.net.links())}")
    left = set(daemon.cgroups()) - groups
    # The daemon's own: its monitors, and the one it keeps ready for the next start.
    own = re.compile(r"/monitors$|/spare\.[0-9-]+(/inside)?$")
    assert not [group for group in left if not own.search(group)], left
    others = [group for group in daemon.cgroups() if not own.search(group)]
    assert not kernel.cgroup_pids(others), "processes are left"
    new = {path for path in daemon.home.rglob("*") if path.suffix != ".log"} - files
    assert not [path for path in new if not re.search(r"sovirt\.db", path.name)], new
    assert daemon.api.get("/v1/containers/gone").status == 404


@test("container-stop-uses-the-inits-own-way")
def stop(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    started = time.monotonic()
    daemon.set_state("c1", "stopped")
    assert time.monotonic() - started < 5, "it was killed only after the timeout"
    assert "init: shutting down" in daemon.api.get("/v1/containers/c1/log").body.decode()
    daemon.container("deaf", command=["/bin/sh", "-c", "trap '' TERM PWR 37; while :; do sleep 1; done"], stop_timeout=1)
    daemon.start_container("deaf")
    pid = daemon.pid_of("deaf")
    started = time.monotonic()
    daemon.set_state("deaf", "stopped")
    assert 0.9 < time.monotonic() - started < 6 and not kernel.process_exists(pid)
    assert daemon.state_of("deaf") == "stopped"


@test("container-freeze-and-thaw")
def freeze(lab):
    daemon = lab.daemon
    daemon.container("c1", command=["/bin/sh", "-c", "while :; do echo x >> /count; sleep 0.05; done"], start=True)
    pid = daemon.pid_of("c1")
    counter = pathlib.Path(f"/proc/{pid}/root/count")
    kernel.wait_until(lambda: counter.exists() and counter.stat().st_size > 4, "it counts")
    assert daemon.set_state("c1", "frozen").status == 200 and daemon.state_of("c1") == "frozen"
    before = counter.stat().st_size
    time.sleep(0.4)
    assert counter.stat().st_size == before, "frozen, it goes on counting"
    assert daemon.set_state("c1", "running").status == 200
    kernel.wait_until(lambda: counter.stat().st_size > before, "thawed, it goes on counting")
    daemon.set_state("c1", "frozen")
    assert daemon.set_state("c1", "stopped", force=True).status == 200
    assert not kernel.process_exists(pid)


@test("container-limits-are-in-the-kernel")
def limits(lab):
    daemon = lab.daemon
    wanted = {"memory": {"max": 64 << 20}, "pids": {"max": 50}, "cpu": {"weight": 50}}
    answer = daemon.api.put("/v1/containers/c1", {"image": "busybox", "limits": wanted})
    if answer.status == 501:
        raise Skip(f"this host enforces no such limit: {answer.json['detail']}")
    assert answer.status == 201, answer
    daemon.start_container("c1")
    pid = daemon.pid_of("c1")
    groups = dict(line.split(":", 2)[1:] for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines())
    values = {}
    for point in kernel.cgroup_mounts():
        for path in groups.values():
            for file in ("memory.limit_in_bytes", "memory.max", "pids.max"):
                target = pathlib.Path(point, path.lstrip("/"), file)
                if path != "/" and target.exists():
                    values[file] = target.read_text().strip()
    assert str(64 << 20) in (values.get("memory.limit_in_bytes"), values.get("memory.max")), values
    assert values["pids.max"] == "50", values
    assert daemon.api.patch("/v1/containers/c1", {"limits": {"pids": {"max": 20}}}).status == 200
    result = daemon.execute("c1", "/bin/sh", "-c", "for i in $(seq 40); do sleep 5 & done 2>&1; wait", timeout=4)
    assert "fork" in result["stdout"] + result["stderr"], result


@test("container-exec-tells-all")
def execute(lab):
    daemon = lab.daemon
    daemon.container("c1", env={"FROM": "spec"}, start=True)
    result = daemon.execute("c1", "/bin/sh", "-c", "echo out; echo err >&2; echo $FROM $EXTRA $(pwd) $(id -u):$(id -g); exit 7",
                            env={"EXTRA": "exec"}, cwd="/tmp", user="65534:65534")
    assert result["exit_code"] == 7 and not result["signal"] and not result["truncated"], result
    assert result["stdout"] == "out\nspec exec /tmp 65534:65534\n" and result["stderr"] == "err\n", result
    assert daemon.execute("c1", "/bin/cat", stdin="hëllo\n")["stdout"] == "hëllo\n"
    killed = daemon.execute("c1", "/bin/sh", "-c", "kill -9 $$")
    assert killed["signal"] in (9, "KILL", "SIGKILL") and killed["exit_code"] is None, killed
    started = time.monotonic()
    late = daemon.api.post("/v1/containers/c1/exec", {"command": ["/bin/sleep", "60"], "timeout": 0.5})
    assert time.monotonic() - started < 5, late
    assert late.status in (200, 504), late
    assert daemon.shell("c1", "ps | grep -c '[s]leep 60' || true").strip() == "0", "it runs on"
    missing = daemon.api.post("/v1/containers/c1/exec", {"command": ["/no/such"]})
    assert missing.status in (404, 409, 422) and "/no/such" in missing.json["detail"], missing


@test("container-exec-in-parallel")
def parallel(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: daemon.shell("c1", f"sleep 0.2; echo {number}"), range(32)))
    assert answers == [f"{number}\n" for number in range(32)], answers


@test("container-log-and-true-exit-status")
def exit_status(lab):
    daemon = lab.daemon
    daemon.container("c1", command=["/bin/sh", "-c", "echo said on the console; exit 42"])
    daemon.set_state("c1", "running")
    kernel.wait_until(lambda: daemon.state_of("c1") == "stopped", "it has ended")
    status = daemon.get_container("c1")["status"]
    assert status["exit"]["code"] == 42 and status["pid"] is None, status
    assert "said on the console" in daemon.api.get("/v1/containers/c1/log").body.decode()
    assert not [group for group in daemon.cgroups() if "/c1." in group], "its group is left"
    daemon.container("c2", start=True)
    assert daemon.api.post("/v1/containers/c2/actions/kill", {"signal": "KILL"}).status in (200, 204)
    kernel.wait_until(lambda: daemon.state_of("c2") == "stopped", "it was killed")
    assert daemon.get_container("c2")["status"]["exit"]["signal"] in (9, "KILL", "SIGKILL")


@test("container-orphans-are-reaped-and-ended")
def orphans(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    daemon.shell("c1", "for i in 1 2 3; do setsid sleep 7777 </dev/null >/dev/null 2>&1 & done")
    inside = kernel.wait_until(lambda: kernel.cgroup_pids([group for group in daemon.cgroups() if "/c1." in group]), "they run")
    daemon.set_state("c1", "stopped", timeout=2)
    assert not [pid for pid in inside if kernel.process_exists(pid)]


@test("container-hostname-hosts-and-resolv-conf")
def identity(lab):
    daemon = lab.daemon
    daemon.container("c1", hostname="other-name", start=True)
    assert daemon.shell("c1", "hostname").strip() == "other-name"
    assert "other-name" in daemon.shell("c1", "cat /etc/hostname /etc/hosts")
    assert "nameserver" in daemon.shell("c1", "cat /etc/resolv.conf")
    lower = pathlib.Path(daemon.get_container("c1")["status"]["rootfs"]["lower"])
    assert not (lower / "etc/hostname").exists(), "written into the shared image"


@test("container-files-last-over-a-restart")
def persistence(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    daemon.shell("c1", "echo mine > /root/file")
    answer = daemon.api.post("/v1/containers/c1/actions/restart", {}, timeout=60)
    assert answer.status in (200, 202), answer
    daemon.api.wait_operation(answer)
    assert daemon.shell("c1", "cat /root/file") == "mine\n"
    daemon.container("c2", start=True)
    assert daemon.shell("c2", "cat /root/file 2>/dev/null || echo none") == "none\n"


@test("container-cannot-reach-the-host")
def confinement(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    probes = {"a host device": "test -e /dev/vda", "the host's kernel log": "dmesg >/dev/null 2>&1",
              "sysrq": "echo h > /proc/sysrq-trigger", "the host name of the kernel": "echo 1 > /proc/sys/kernel/panic",
              "a new device node": "mknod /tmp/k b 8 0 && cat /tmp/k", "a module": "modprobe dummy 2>/dev/null && test -d /sys/module/dummy-none",
              "mounting sysfs writable": "echo 1 > /sys/kernel/mm/ksm/run"}
    reached = [what for what, command in probes.items() if daemon.execute("c1", "/bin/sh", "-c", command)["exit_code"] == 0]
    assert not reached, f"reached: {reached}"
    status = pathlib.Path(f"/proc/{daemon.pid_of('c1')}/status").read_text()
    effective = int(re.search(r"CapEff:\s+(\w+)", status).group(1), 16)
    held = [name for name, bit in (("sys_module", 16), ("sys_rawio", 17), ("sys_time", 25)) if effective >> bit & 1]
    assert not held, f"a container holds {held}"
    descriptors = os.listdir(f"/proc/{daemon.pid_of('c1')}/fd")
    assert len(descriptors) <= 8, f"descriptors leaked into the container: {descriptors}"


@test("container-concurrent-life-of-many", seconds=120)
def many(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.13.1/24")

    def life(number):
        name = f"m{number}"
        daemon.container(name, nics=[{"name": "eth0", "bridge": bridge, "addresses": [f"172.31.13.{number + 10}/24"]}], start=True)
        assert daemon.shell(name, "hostname").strip() == name
        daemon.set_state(name, "stopped", force=True)
        answer = daemon.api.delete(f"/v1/containers/{name}")
        assert answer.status == 204, answer

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(life, range(24)))
    assert daemon.items("containers") == []
    kernel.wait_until(lambda: set(daemon.net.links()) == {"lo", bridge}, "no NIC is left")


@test("image-in-use-is-not-deleted")
def image_in_use(lab):
    daemon = lab.daemon
    daemon.container("user")
    answer = daemon.api.delete("/v1/images/busybox")
    assert answer.status == 409 and answer.json["conflicts_with"] == ["container/user"], answer


@test("image-tarball-writes-nothing-outside")
def evil_tarball(lab):
    daemon = lab.daemon
    target = lab.home / "outside"
    target.mkdir(exist_ok=True)
    path = lab.home / "evil.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("../escape1", "../../../../../../../../../../" + str(target).lstrip("/") + "/escape2", str(target / "escape3")):
            images.add_file(archive, name, b"x")
        images.add_link(archive, "out", str(target))
        images.add_file(archive, "out/escape4", b"x")
        images.add_link(archive, "up", "../../../../../../../../../.." + str(target))
        images.add_file(archive, "up/escape5", b"x")
        hard = tarfile.TarInfo("hard")
        hard.type, hard.linkname = tarfile.LNKTYPE, "/etc/shadow"
        archive.addfile(hard)
        images.add_file(archive, "fine", b"x")
    before = set(pathlib.Path(daemon.state_dir).glob("*"))
    answer = daemon.api.put("/v1/images/evil", {"source": {"type": "tarball", "path": str(path)}})
    if answer.status == 202:
        daemon.api.wait_operation(answer)
    assert list(target.iterdir()) == [], "written outside of the root"
    assert set(pathlib.Path(daemon.state_dir).glob("*")) == before
    for escaped in pathlib.Path(daemon.state_dir).rglob("escape[123]"):
        assert "rootfs" in escaped.parts, escaped
    if daemon.api.get("/v1/images/evil").status == 200:
        assert daemon.api.delete("/v1/images/evil").status == 204


@test("image-compressions-and-digest")
def compressions(lab):
    daemon = lab.daemon
    plain = lab.home / "small.tar"
    with tarfile.open(plain, "w") as archive:
        images.add_file(archive, "etc/inside", b"content\n", 0o640)
    digests = set()
    for tool, ending in (("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")):
        packed = pathlib.Path(f"{plain}.{ending}")
        packed.write_bytes(subprocess.run([tool, "-c", plain], capture_output=True, check=True).stdout)
        document = images.load(daemon, f"small-{tool}", {"type": "tarball", "path": str(packed)})
        digests.add(document["status"]["digest"])
        root = next(pathlib.Path(daemon.state_dir, "images").glob(f"*{document['status']['digest'].split(':')[-1]}*")) / "rootfs"
        assert (root / "etc/inside").read_bytes() == b"content\n" and (root / "etc/inside").stat().st_mode & 0o777 == 0o640
        broken = pathlib.Path(f"{plain}.broken.{ending}")
        broken.write_bytes(packed.read_bytes()[:-30])
        answer = daemon.api.put(f"/v1/images/broken-{tool}", {"source": {"type": "tarball", "path": str(broken)}})
        document = daemon.api.wait_operation(answer) if answer.status == 202 else answer.json
        assert document.get("state") == "failed" or answer.status >= 400, document
        assert daemon.api.get(f"/v1/images/broken-{tool}").status == 404
    assert len(digests) >= 1
    again = daemon.api.put("/v1/images/small-gzip", {"source": {"type": "tarball", "path": f"{plain}.gz"}}, headers={"Prefer": "wait=20"})
    assert again.status in (200, 202), again
    wrong = {"type": "tarball", "path": f"{plain}.gz", "digest": "sha256:" + "0" * 64}
    answer = daemon.api.put("/v1/images/wrong", {"source": wrong}, headers={"Prefer": "wait=20"})
    document = daemon.api.wait_operation(answer) if answer.status == 202 else answer.json
    assert document.get("state") == "failed" or answer.status >= 400, document
    for tool in ("gzip", "xz", "zstd"):
        assert daemon.api.delete(f"/v1/images/small-{tool}").status == 204
    assert not list(pathlib.Path(daemon.state_dir, "tmp").glob("*")), "temporary files are left"


@test("image-upload")
def upload(lab):
    daemon = lab.daemon
    path = images.busybox_tarball(lab.home / "busybox.tar.gz")
    answer = daemon.api.request("PUT", "/v1/images/uploaded/content", path.read_bytes(), {"Content-Type": "application/octet-stream"})
    assert answer.status in (200, 201, 202), answer
    document = daemon.api.wait_operation(answer)
    assert answer.status != 202 or document["state"] == "done", document
    daemon.container("c1", image="uploaded", start=True)
    assert daemon.shell("c1", "echo works") == "works\n"
    daemon.remove_all(("containers",))
    assert daemon.api.delete("/v1/images/uploaded").status == 204
