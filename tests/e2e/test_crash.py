"""kill -9 of the daemon at any time: nothing is lost, nothing is left half done."""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import kernel, netns, outside
from harness.http import UnixConnection
from harness.runner import Skip, test


def events(daemon, since=0):
    """All events after `since`, as documents, read from the event stream until it falls silent."""
    connection = UnixConnection(daemon.api.socket_path, 1.0)
    found = []
    try:
        connection.request("GET", f"/v1/events?since={since}")
        answer = connection.getresponse()
        while True:
            line = answer.fp.readline()
            if not line:
                break
            if line.startswith(b"data:"):
                found.append(json.loads(line[5:]))
    except (TimeoutError, OSError, http.client.HTTPException):
        pass   # the silence
    finally:
        connection.close()
    return found


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
    told = {(event["name"], event["type"]) for event in events(daemon, seq)}
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


# ---------------------------------------------------------------- failpoints ----

class Story:
    """The life that the sweep interrupts at every failpoint: each step, and how to see that it is whole or not there."""
    image = True     # does it need one?
    upkeep = False   # does the daemon go on by itself after a request, when it sees what has become possible?

    def __init__(self, bridge):
        self.bridge = bridge
        nic = {"name": "eth0", "bridge": bridge, "addresses": ["172.31.22.10/24"]}
        self.steps = [
            ("create bridge", "PUT", f"/v1/bridges/{bridge}", {"addresses": ["172.31.22.1/24"]}),
            ("create container", "PUT", "/v1/containers/c1", {"image": "busybox", "nics": [nic], "stop_timeout": 5}),
            ("start", "PUT", "/v1/containers/c1/state", {"desired": "running"}),
            ("stop", "PUT", "/v1/containers/c1/state", {"desired": "stopped"}),
            ("delete container", "DELETE", "/v1/containers/c1", None),
            ("delete bridge", "DELETE", f"/v1/bridges/{bridge}", None),
        ]

    def tidy(self, daemon):
        """Takes away what a run that failed has left."""
        daemon.remove_all()

    @staticmethod
    def again(step):
        """What the same request may answer once more."""
        return (200, 201, 204) if step[1] == "PUT" else (204, 404)

    @staticmethod
    def ask(daemon, step):
        """The answer's status; None when the daemon died meanwhile."""
        _, method, path, body = step
        try:
            answer = daemon.api.request(method, path, body, timeout=60)
            if answer.status == 202:
                document = daemon.api.wait_operation(answer)
                return 200 if document["state"] == "done" else (document.get("error") or {}).get("status", 500)
            return answer.status
        except (OSError, ValueError, AssertionError) as error:
            if daemon.process.poll() is None:
                try:
                    daemon.process.wait(5)
                except Exception:
                    raise error from None
            return None

    def check(self, daemon, what):
        """Kernel, disk and API tell the same, and nothing is there that no object owns."""
        bridges = {item["name"] for item in daemon.items("bridges")}
        containers = {item["name"]: item for item in daemon.items("containers")}
        links = daemon.net.links()
        assert (self.bridge in links) == (self.bridge in bridges), f"{what}: links {list(links)}, bridges {bridges}"
        if bridges:
            assert daemon.net.addresses(self.bridge) == {"172.31.22.1/24"}, what
        running = [item for item in containers.values() if item["status"]["state"] == "running"]
        nics = [name for name in links if re.fullmatch(r"v[a-z2-7]{12}\w", name)]
        assert len(nics) == len(running), f"{what}: host ends {nics}, running {len(running)}"
        foreign = set(links) - {"lo", self.bridge} - set(nics)
        assert not foreign, f"{what}: {foreign}"
        for item in running:
            assert kernel.process_exists(item["status"]["pid"]), what
            assert links[nics[0]].get("master") == self.bridge, what
            assert daemon.shell("c1", "hostname") == "c1\n", what
        groups = [group for group in daemon.cgroups() if re.search(r"/c1\.[a-z2-7]+$", group)]
        assert bool(groups) == bool(running), f"{what}: groups {groups}, running {len(running)}"
        own = kernel.namespace("self", "pid")
        if not running:
            kernel.wait_until(lambda: all(kernel.namespace(pid, "pid") == own for pid in kernel.cgroup_pids(daemon.cgroups())
                                          if kernel.process_exists(pid)), f"{what}: no process of a container is left", 5)
        directories = list((daemon.state_dir / "containers").glob("*"))
        assert len(directories) == len(containers), f"{what}: {directories}"
        assert not list((daemon.state_dir / "tmp").glob("*")), what
        if not running:
            assert not list((daemon.run_dir / "containers").glob("*")) or containers, what

    def state(self, daemon):
        bridges = {item["name"]: item["revision"] for item in daemon.items("bridges")}
        containers = {item["name"]: item["status"]["state"] for item in daemon.items("containers")}
        return bool(bridges), containers.get("c1", "absent")


class LayerStory(Story):
    """Copies and snapshots: who stands on which layer."""

    def __init__(self):
        self.bridge = None
        post = "/v1/containers/c1/actions"
        self.steps = [
            ("create container", "PUT", "/v1/containers/c1", {"image": "busybox"}),
            ("snapshot", "POST", f"{post}/snapshot", {"name": "s1"}),
            ("copy", "POST", f"{post}/copy", {"name": "c2"}),
            ("second snapshot", "POST", f"{post}/snapshot", {"name": "s2"}),
            ("third snapshot", "POST", f"{post}/snapshot", {"name": "s3"}),
            ("restore", "POST", f"{post}/restore", {"snapshot": "s1"}),
            ("restore back", "POST", f"{post}/restore", {"snapshot": "s3"}),
            ("delete snapshot", "DELETE", "/v1/containers/c1/snapshots/s2", None),
            ("rename", "POST", "/v1/containers/c2/actions/rename", {"name": "c3"}),
            ("delete container", "DELETE", "/v1/containers/c1", None),
            ("delete copy", "DELETE", "/v1/containers/c3", None),
        ]

    @staticmethod
    def again(step):
        return (200, 201, 204) if step[1] == "PUT" else (204, 404) if step[1] == "DELETE" else (200, 201, 404, 409)

    @staticmethod
    def ask(daemon, step):
        """Before each step c1 has written something, so that there is a layer to be made."""
        for directory in (daemon.state_dir / "containers").glob("*/upper"):
            if not any(directory.iterdir()) and step[1] != "DELETE":
                (directory / "written").write_text(step[0])
        return Story.ask(daemon, step)

    def check(self, daemon, what):
        containers = {item["name"]: item for item in daemon.items("containers")}
        assert len(list((daemon.state_dir / "containers").glob("*"))) == len(containers), what
        assert not list((daemon.state_dir / "tmp").glob("*")), what
        stored = {str(path) for path in (daemon.state_dir / "layers").glob("*")}
        named = set()
        for item in containers.values():
            rootfs = item["status"]["rootfs"]
            assert (pathlib.Path(rootfs["upper"])).is_dir(), f"{what}: {item['name']} has no upper directory"
            named |= set(rootfs["layers"])
        assert named <= stored, f"{what}: {named - stored} is gone"
        assert containers or not stored, f"{what}: {stored} is left"
        assert not [path for path in stored if "." in pathlib.Path(path).name], f"{what}: {stored}"

    def state(self, daemon):
        containers = {item["name"]: len(item["status"]["rootfs"]["layers"]) for item in daemon.items("containers")}
        listed = daemon.api.get("/v1/containers/c1/snapshots").json.get("items", [])
        return containers, [(one["name"], one["parent"], one["current"]) for one in listed]


class ServiceStory(Story):
    """The same with everything that a bridge does for its containers: rules, dnsmasq, a published port, a DHCP client."""

    def __init__(self, bridge):
        super().__init__(bridge)
        nics = self.steps[1][3]["nics"]
        nics[0].update(addresses=["fd31:22::10/64"], publish=[{"host_port": 18080, "port": 80}], dhcp=True)
        self.steps[0][3].update(nat=True, isolation=True, dhcp={"enabled": True}, dns={"enabled": True})

    def check(self, daemon, what):
        super().check(daemon, what)
        bridges, containers = daemon.items("bridges"), daemon.items("containers")
        running = [item for item in containers if item["status"]["state"] == "running"]
        assert bool(outside.tables(daemon.net)) == bool(bridges), f"{what}: {outside.tables(daemon.net)}"
        published = [one for one in outside.ruleset(daemon.net) if "dnat" in str(one.get("rule", ""))]
        assert bool(published) == bool(running), f"{what}: {published}"
        forward = daemon.net.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip()
        assert forward == ("1" if bridges else "0"), f"{what}: ip_forward {forward}"
        helpers = sorted(path.name.split("-")[0] for path in (daemon.run_dir / "helpers").glob("*"))
        assert helpers == ["dhcp"] * len(running) + ["dnsmasq"] * len(bridges), f"{what}: {helpers}"
        for path in (daemon.run_dir / "helpers").glob("*/identity.json"):
            assert kernel.process_exists(json.loads(path.read_text())["pid"]), f"{what}: {path.parent.name} does not run"


class NetworkStory(Story):
    """Namespaces and a link between them, one of whose ends is later in a container."""
    upkeep = True

    def __init__(self, tag):
        self.bridge = None
        self.names = [f"x{tag}", f"y{tag}"]
        self.link = f"l{tag}"
        first, second = self.names
        ends = [{"netns": first, "name": "e0", "addresses": ["10.70.0.1/24"]}, {"netns": second, "name": "e1", "addresses": ["10.70.0.2/24"]}]
        moved = [ends[0], {"container": "c1", "name": "e1", "addresses": ["10.70.0.2/24"]}]
        changed = [{**ends[0], "mtu": 1400, "rate": {"egress": 8000000}}, {**ends[1], "mtu": 1400}]
        self.steps = [
            ("create namespace", "PUT", f"/v1/netns/{first}", {"sysctls": {"net.ipv4.ip_forward": "1"}, "routes": [{"to": "10.71.0.0/16", "via": "10.70.0.2"}]}),
            ("create another", "PUT", f"/v1/netns/{second}", {}),
            ("create container", "PUT", "/v1/containers/c1", {"image": "busybox", "stop_timeout": 5}),
            ("create link", "PUT", f"/v1/links/{self.link}", {"endpoints": ends}),
            ("change link", "PUT", f"/v1/links/{self.link}", {"endpoints": changed}),
            ("move link", "PUT", f"/v1/links/{self.link}", {"endpoints": moved}),
            ("start", "PUT", "/v1/containers/c1/state", {"desired": "running"}),
            ("stop", "PUT", "/v1/containers/c1/state", {"desired": "stopped"}),
            ("delete link", "DELETE", f"/v1/links/{self.link}", None),
            ("delete container", "DELETE", "/v1/containers/c1", None),
            ("delete another", "DELETE", f"/v1/netns/{second}", None),
            ("delete namespace", "DELETE", f"/v1/netns/{first}", None),
        ]

    def check(self, daemon, what):
        named = {item["name"] for item in daemon.items("netns")}
        assert named == set(self.names) & netns.pinned(), f"{what}: named {named}, pinned {netns.pinned()}"
        links = {item["name"]: item for item in daemon.items("links")}
        running = daemon.api.get("/v1/containers/c1")
        running = running.status == 200 and running.json["status"]["state"] == "running"
        ends = [end for item in links.values() for end in item["spec"]["endpoints"]]
        for name in named:
            kernel.wait_until(lambda n=name: self.interfaces(n) == {end["name"] for end in ends if end.get("netns") == n}, f"{what}: {name} has what it should", 5)
        kept = {path.name for path in (daemon.run_dir / "netns").glob("*")} - {"parking"}
        assert bool(kept) == (running and any("container" in end for end in ends)), f"{what}: kept {kept}"
        assert not [link for link in daemon.net.links() if link != "lo"], what

    @staticmethod
    def interfaces(name):
        return set(netns.links(name)) - {"lo"}

    def state(self, daemon):
        return {item["name"]: item["spec"] for kind in ("netns", "links") for item in daemon.items(kind)}


class PartsStory(Story):
    """What is bound, mounted and given to a container while it runs, and the volume that outlives it."""

    def __init__(self, folder):
        self.bridge = None
        folder.mkdir(exist_ok=True)
        mounts = [{"type": "volume", "source": "data", "target": "/data"}, {"source": str(folder), "target": "/mnt/so", "read_only": True},
                  {"type": "tmpfs", "target": "/scratch"}]
        patch = ("PATCH", "/v1/containers/c1")
        self.steps = [
            ("create volume", "PUT", "/v1/volumes/data", {}),
            ("create container", "PUT", "/v1/containers/c1", {"image": "busybox", "stop_timeout": 5}),
            ("start", "PUT", "/v1/containers/c1/state", {"desired": "running"}),
            ("mount", *patch, {"mounts": mounts, "devices": [{"path": "/dev/fuse"}] if os.path.exists("/dev/fuse") else []}),
            ("host name", *patch, {"hostname": "other"}),
            ("unmount one", *patch, {"mounts": mounts[1:]}),
            ("unmount all", *patch, {"mounts": [], "devices": [], "hostname": None}),
            ("stop", "PUT", "/v1/containers/c1/state", {"desired": "stopped"}),
            ("delete container", "DELETE", "/v1/containers/c1", None),
            ("delete volume", "DELETE", "/v1/volumes/data", None),
        ]

    @staticmethod
    def again(step):
        return (204, 404) if step[1] == "DELETE" else (200, 201)

    def check(self, daemon, what):
        volumes, containers = daemon.items("volumes"), daemon.items("containers")
        assert len(list((daemon.state_dir / "volumes").glob("*"))) == len(volumes), what
        assert len(list((daemon.state_dir / "containers").glob("*"))) == len(containers), what
        assert not list((daemon.state_dir / "tmp").glob("*")), what
        for item in containers:
            if item["status"]["state"] != "running":
                continue
            inside = set(kernel.mount_points(item["status"]["pid"])) & {"/data", "/mnt/so", "/scratch"}
            assert inside == {mount["target"] for mount in item["spec"]["mounts"]}, f"{what}: {inside}"
            assert daemon.shell("c1", "hostname").strip() == (item["spec"]["hostname"] or "c1"), what
            node = daemon.execute("c1", "/bin/sh", "-c", "[ -c /dev/fuse ]")["exit_code"] == 0
            assert node == bool(item["spec"]["devices"]), f"{what}: /dev/fuse is {node}"

    def state(self, daemon):
        containers = {item["name"]: (item["status"]["state"], str(item["spec"]["mounts"]), str(item["spec"]["devices"]), item["spec"]["hostname"])
                      for item in daemon.items("containers")}
        return [item["name"] for item in daemon.items("volumes")], containers


class NicStory(Story):
    """Interfaces that a running container gets, has changed and loses, on a bridge, in a namespace and on none."""
    upkeep = True

    def __init__(self, tag):
        self.bridge, self.netns = f"br{tag}", f"ns{tag}"
        patch = ("PATCH", "/v1/containers/c1")
        first = {"name": "eth0", "bridge": self.bridge, "addresses": ["172.31.23.10/24"], "gateway": "172.31.23.1"}
        second = {"name": "eth1", "netns": self.netns, "addresses": ["172.31.24.10/24"], "peer": {"name": "c0", "addresses": ["172.31.24.1/24"]}}
        changed = {**first, "addresses": ["172.31.23.11/24"], "gateway": None, "mtu": 1400, "rate": {"egress": 8000000, "ingress": 8000000}}
        self.steps = [
            ("create bridge", "PUT", f"/v1/bridges/{self.bridge}", {"addresses": ["172.31.23.1/24"]}),
            ("create namespace", "PUT", f"/v1/netns/{self.netns}", {}),
            ("create container", "PUT", "/v1/containers/c1", {"image": "busybox", "nics": [first], "stop_timeout": 5}),
            ("start", "PUT", "/v1/containers/c1/state", {"desired": "running"}),
            ("add", *patch, {"nics": [first, second, {"name": "eth2", "none": True}]}),
            ("change", *patch, {"nics": [changed, second]}),
            ("remove and move", *patch, {"nics": [{**second, "netns": None, "peer": None, "bridge": self.bridge}]}),
            ("move back", *patch, {"nics": [second]}),
            ("stop", "PUT", "/v1/containers/c1/state", {"desired": "stopped"}),
            ("delete container", "DELETE", "/v1/containers/c1", None),
            ("delete namespace", "DELETE", f"/v1/netns/{self.netns}", None),
            ("delete bridge", "DELETE", f"/v1/bridges/{self.bridge}", None),
        ]

    @staticmethod
    def again(step):
        return (204, 404) if step[1] == "DELETE" else (200, 201)

    def check(self, daemon, what):
        kernel.wait_until(lambda: not self.wrong(daemon), f"{what}: {self.wrong(daemon)}", 5)

    def wrong(self, daemon):
        """What the kernel shows otherwise than the objects say."""
        running = [item for item in daemon.items("containers") if item["status"]["state"] == "running"]
        nics = running[0]["spec"]["nics"] if running else []
        outer = {name for name in daemon.net.links() if re.fullmatch(r"v[a-z2-7]{12}\w", name)}
        if len(outer) != sum(nic["netns"] is None for nic in nics):
            return f"host ends {outer}"
        if daemon.items("netns"):
            there = set(netns.links(self.netns)) - {"lo"}
            if there != {"c0" for nic in nics if nic["netns"]}:
                return f"in the namespace {there}"
        elif self.netns in netns.pinned():
            return "the namespace is left"
        if not running:
            return ""
        inside = kernel.Netns(running[0]["status"]["pid"])
        links = inside.links()
        if set(links) != {"lo"} | {nic["name"] for nic in nics}:
            return f"inside {set(links)}"
        for nic in nics:
            if inside.addresses(nic["name"]) != set(nic["addresses"]) or links[nic["name"]]["mtu"] != (nic["mtu"] or 1500):
                return f"{nic['name']}: {links[nic['name']]}"
            if ("tbf" in inside.run("tc", "qdisc", "show", "dev", nic["name"]).stdout) != bool(nic["rate"]["egress"]):
                return f"rate of {nic['name']}"
        gateways = {route["gateway"] for route in inside.routes() if route["dst"] == "default"}
        return "" if gateways == {nic["gateway"] for nic in nics if nic["gateway"]} else f"gateways {gateways}"

    def state(self, daemon):
        containers = {item["name"]: (item["status"]["state"], str(item["spec"]["nics"])) for item in daemon.items("containers")}
        return [item["name"] for kind in ("bridges", "netns") for item in daemon.items(kind)], containers


class ArchiveStory(Story):
    """Containers and images as files, and images of containers: files on the host are whole or not there."""

    def __init__(self, folder):
        self.bridge, self.folder = None, folder
        folder.mkdir(exist_ok=True)
        self.steps = [
            ("create container", "PUT", "/v1/containers/c1", {"image": "busybox"}),
            ("export", "POST", "/v1/containers/c1/export", {"path": str(folder / "c1.tar.zst")}),
            ("delete container", "DELETE", "/v1/containers/c1", None),
            ("import", "POST", "/v1/containers/c1/import", {"path": str(folder / "c1.tar.zst"), "image": "imported"}),
            ("start", "PUT", "/v1/containers/c1/state", {"desired": "running"}),
            ("copy while it runs", "POST", "/v1/containers/c1/actions/copy", {"name": "c2"}),
            ("publish", "PUT", "/v1/images/app", {"source": {"type": "container", "container": "c1"}}),
            ("stop", "PUT", "/v1/containers/c1/state", {"desired": "stopped"}),
            ("export image", "POST", "/v1/images/app/export", {"path": str(folder / "app.tar.zst")}),
            ("delete copy", "DELETE", "/v1/containers/c2", None),
            ("delete container again", "DELETE", "/v1/containers/c1", None),
            ("delete image", "DELETE", "/v1/images/app", None),
            ("delete imported", "DELETE", "/v1/images/imported", None),
        ]

    @staticmethod
    def again(step):
        return (204, 404) if step[1] == "DELETE" else (200, 201, 409) if step[1] == "POST" else (200, 201)

    def ask(self, daemon, step):
        if step[0] == "export":
            for directory in (daemon.state_dir / "containers").glob("*/upper"):
                (directory / "written").write_text("by c1")
        status = Story.ask(daemon, step)
        if step[0] == "delete imported" and status is not None:
            self.remove_files()
        return status

    def remove_files(self):
        for path in self.folder.glob("*"):
            path.unlink()

    def tidy(self, daemon):
        daemon.remove_all()
        for name in ("app", "imported"):
            daemon.api.delete(f"/v1/images/{name}")
        self.remove_files()

    def check(self, daemon, what):
        containers, images = daemon.items("containers"), daemon.items("images")
        assert len(list((daemon.state_dir / "containers").glob("*"))) == len(containers), what
        assert not list((daemon.state_dir / "tmp").glob("*")), f"{what}: {list((daemon.state_dir / 'tmp').glob('*'))}"
        digests = {item["status"]["digest"].split(":")[1] for item in images}
        stored = {path.name for path in (daemon.state_dir / "images").glob("*")}
        assert stored == digests, f"{what}: trees {stored}, images {digests}"
        for path in self.folder.glob("*"):
            assert path.name in ("c1.tar.zst", "app.tar.zst"), f"{what}: {path}"
            kernel.run("zstd", "-q", "-t", path)

    def state(self, daemon):
        return ({item["name"]: item["status"]["state"] for item in daemon.items("containers")}, [item["name"] for item in daemon.items("images")],
                sorted(path.name for path in self.folder.glob("*")))


def learn(daemon, story):
    """(step, failpoint) pairs in the order they are reached."""
    log = daemon.home / "failpoints"
    daemon.restart(SOVIRT_FAILPOINT_LOG=str(log))
    pairs = []
    for index, step in enumerate(story.steps):
        log.write_text("")
        status = story.ask(daemon, step)
        assert status in (200, 201, 204), f"{step[0]}: {status} {daemon.log_tail()}"
        names = list(dict.fromkeys(log.read_text().split()))
        # A launcher is made ready for the next start whenever there is time: its failpoints belong to start and stop.
        # One that a step before this one reaches would end that step instead.
        met = {name for _, name in pairs if name.startswith("launch:")}
        pairs += [(index, name) for name in names if name not in met and (step[0] in ("start", "stop") or not name.startswith("launch:"))]
    return pairs


def asked_to_its_death(daemon, story, step, name):
    """What `step` answers of a daemon that is killed at `name`; None: nothing, it was dead."""
    if not story.upkeep:
        daemon.restart(SOVIRT_FAILPOINT=f"{name}:kill")
        return story.ask(daemon, step)
    daemon.kill()
    daemon.start(wait=False, SOVIRT_FAILPOINT=f"{name}:kill")   # upkeep may come to it before anybody asks
    try:
        daemon.await_answer()
        story.ask(daemon, step)
        daemon.process.wait(2)
    except AssertionError:
        assert daemon.process.poll() == -signal.SIGKILL, daemon.log_tail()
    except subprocess.TimeoutExpired:
        return "but upkeep had nothing to do"
    story.reached.add(name)
    return None


def met_by_upkeep(daemon, story, name):
    """The whole story, up to where the daemon's own work comes to `name`, whichever request that is for."""
    daemon.restart(SOVIRT_FAILPOINT=f"{name}:kill")
    for index, step in enumerate(story.steps):
        if story.ask(daemon, step) is None:
            break
        time.sleep(0.2)   # a moment for what it does on its own
        if daemon.process.poll() is not None:
            break
    assert daemon.process.poll() == -signal.SIGKILL, f"{name} is never reached"
    daemon.restart()
    story.check(daemon, f"killed at {name} by upkeep after {step[0]}")
    for step in story.steps[index:]:
        assert story.ask(daemon, step) in (200, 201, 204, 404, *story.again(step)), f"after {name}, {step[0]} fails: {daemon.log_tail(3)}"
    story.check(daemon, f"killed at {name} by upkeep, and all taken down")


def interrupted(daemon, story, index, name):
    """One run of the story in which the daemon, or the launcher, is killed at `name` during step `index`."""
    what = f"killed at {name} during {story.steps[index][0]}"
    of_launcher = name.startswith("launch:")
    if of_launcher:   # a launcher has the environment of the daemon that started it, some steps earlier
        daemon.restart(SOVIRT_FAILPOINT=f"{name}:kill")
    for at, step in enumerate(story.steps[:index]):
        before = story.state(daemon)
        status = story.ask(daemon, step)
        if status in (200, 201, 204):
            continue
        assert of_launcher, f"{what}: before it, {step[0]} fails"
        index = at   # a launcher is made ready whenever there is time: this one met its end sooner
        break
    else:
        before = story.state(daemon)
        status = asked_to_its_death(daemon, story, story.steps[index], name) if not of_launcher else story.ask(daemon, story.steps[index])
    if of_launcher:   # the daemon lives, and takes down what is left
        assert status is not None, f"{what}: the daemon died with its launcher: {daemon.log_tail(4)}"
        story.check(daemon, f"{what}, before a restart")
    elif not story.upkeep:
        assert status is None, f"{what}: it answered {status}, the failpoint was not reached"
    daemon.restart()
    found = story.state(daemon)
    story.check(daemon, what)
    status = story.ask(daemon, story.steps[index])
    assert status in story.again(story.steps[index]), f"{what}: the same request again answers {status}; {before} -> {found}; {daemon.log_tail(4)}"
    story.check(daemon, f"{what}, and asked again")
    for step in story.steps[index + 1:]:
        assert story.ask(daemon, step) in (200, 201, 204), f"{what}: after it, {step[0]} fails"
    story.check(daemon, f"{what}, and all taken down")


@test("crash-failpoint-sweep", seconds=900)
def sweep(lab):
    run_sweep(lab, Story(lab.name("br")))


@test("crash-failpoint-sweep-of-networks", seconds=900)
def sweep_networks(lab):
    run_sweep(lab, NetworkStory(lab.name("")))


@test("crash-failpoint-sweep-of-nics", seconds=900)
def sweep_nics(lab):
    run_sweep(lab, NicStory(lab.name("")))


@test("crash-failpoint-sweep-of-layers", seconds=900)
def sweep_layers(lab):
    run_sweep(lab, LayerStory())


@test("crash-failpoint-sweep-of-mounts-and-volumes", seconds=900)
def sweep_parts(lab):
    run_sweep(lab, PartsStory(lab.home / "bound"))


@test("crash-failpoint-sweep-of-archives", seconds=900)
def sweep_archives(lab):
    run_sweep(lab, ArchiveStory(lab.home / "archives"))


@test("crash-failpoint-sweep-of-bridge-services", seconds=900)
def sweep_services(lab):
    run_sweep(lab, ServiceStory(lab.name("br")))


def run_sweep(lab, story):
    daemon = lab.new_daemon(image=story.image)
    log = daemon.home / "startup"
    daemon.restart(SOVIRT_FAILPOINT_LOG=str(log))
    startup = set(log.read_text().split()) if log.exists() else set()
    pairs = learn(daemon, story)
    if not pairs:
        raise Skip("this build has no failpoints (use the dev preset)")
    story.reached = set()
    print(f"  {len(pairs)} failpoints in {len(story.steps)} steps; {len(startup)} more while it starts")
    daemon.restart()
    started, wrong = time.monotonic(), []
    for index, name in pairs:
        if name not in startup:
            try:
                interrupted(daemon, story, index, name)
            except AssertionError as error:   # the others are worth knowing too
                wrong.append(str(error))
                daemon.restart()
                story.tidy(daemon)
    print(f"  swept in {time.monotonic() - started:.0f} s")
    for name in sorted({name for _, name in pairs if story.upkeep and not name.startswith("launch:")} - story.reached - startup):
        try:
            met_by_upkeep(daemon, story, name)
        except AssertionError as error:
            wrong.append(str(error))
            daemon.restart()
            story.tidy(daemon)
    assert not wrong, f"{len(wrong)} of {len(pairs)}: " + "; ".join(wrong)


def refused(daemon, story, index, name):
    """One run of the story in which step `index` meets a full disk at `name`."""
    what = f"ENOSPC at {name} during {story.steps[index][0]}"
    of_launcher = name.startswith("launch:")
    daemon.restart(**({"SOVIRT_FAILPOINT": f"{name}:error=ENOSPC"} if of_launcher else {}))
    for step in story.steps[:index]:
        assert story.ask(daemon, step) in (200, 201, 204), f"{what}: before it, {step[0]} fails"
    before = story.state(daemon)
    if not of_launcher:
        daemon.restart(SOVIRT_FAILPOINT=f"{name}:error=ENOSPC")
    status = story.ask(daemon, story.steps[index])
    assert daemon.process.poll() is None and status is not None, f"{what}: the daemon died: {daemon.log_tail(4)}"
    after = story.state(daemon)
    # A stop or deletion goes forward: what is gone cannot be brought back, so it may have been done all the same.
    forward = story.steps[index][0].startswith(("stop", "delete"))
    assert status < 400 or forward or after == before, f"{what}: answered {status}, but {before} became {after}"
    daemon.restart()
    story.check(daemon, what)
    for step in story.steps[index:]:
        assert story.ask(daemon, step) in (200, 201, 204, 404, *story.again(step)), f"{what}: after it, {step[0]} fails: {daemon.log_tail(3)}"
    story.check(daemon, f"{what}, and all taken down")


@test("crash-failpoint-errors-roll-back", seconds=900)
def errors(lab):
    run_errors(lab, Story(lab.name("br")))


@test("crash-failpoint-errors-roll-back-nics", seconds=900)
def nic_errors(lab):
    run_errors(lab, NicStory(lab.name("")))


@test("crash-failpoint-errors-roll-back-layers", seconds=900)
def layer_errors(lab):
    run_errors(lab, LayerStory())


@test("crash-failpoint-errors-roll-back-mounts-and-volumes", seconds=900)
def part_errors(lab):
    run_errors(lab, PartsStory(lab.home / "bound"))


@test("crash-failpoint-errors-roll-back-archives", seconds=900)
def archive_errors(lab):
    run_errors(lab, ArchiveStory(lab.home / "archives"))


def run_errors(lab, story):
    daemon = lab.new_daemon(image=story.image)
    pairs = learn(daemon, story)
    if not pairs:
        raise Skip("this build has no failpoints (use the dev preset)")
    wrong = []
    for index, name in pairs:
        try:
            refused(daemon, story, index, name)
        except AssertionError as error:
            wrong.append(str(error))
            story.tidy(daemon)
            daemon.destroy()
            daemon = lab.new_daemon(image=story.image)
    assert not wrong, f"{len(wrong)} of {len(pairs)}: " + "; ".join(wrong)


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
