"""Lives of objects, step by step, for the sweeps that interrupt them: each knows how to see that it is whole or not there."""
import json
import os
import pathlib
import re

from . import kernel, netns, outside


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


class CgroupStory(Story):
    image = False

    def __init__(self):
        self.steps = [
            ("create outer", "PUT", "/v1/cgroups/outer", {"pids": {"max": 40}}),
            ("create inner", "PUT", "/v1/cgroups/inner", {"parent": "outer", "pids": {"max": 7}, "cpu": {"shares": 307}}),
            ("change inner", "PUT", "/v1/cgroups/inner", {"parent": "outer", "pids": {"max": 9}, "frozen": True}),
            ("delete inner", "DELETE", "/v1/cgroups/inner", None),
            ("delete outer", "DELETE", "/v1/cgroups/outer", None),
        ]

    def check(self, daemon, what):
        there = lambda: {pathlib.Path(path).name for path in daemon.cgroups()} & {"outer", "inner"}
        # What a deletion took away whose commit failed is still an object, and is made again once the daemon looks.
        kernel.wait_until(lambda: there() == {item["name"] for item in daemon.items("cgroups")}, f"{what}: groups {there()} are the objects")
        items = {item["name"]: item for item in daemon.items("cgroups")}
        for item in items.values():
            assert item["status"]["state"] == ("frozen" if item["spec"]["frozen"] else "ready"), f"{what}: {item}"
            for controller, limit in (("pids", "max"), ("cpu", "shares")):
                shown = item["status"]["controllers"].get(controller, {"limits": {}})["limits"].get(limit)
                asked = item["spec"][controller][limit]
                assert shown is None or shown["effective"] in (asked, 1024 if asked is None else asked + 1, asked and asked - 1), f"{what}: {shown}"

    def state(self, daemon):
        return {item["name"]: item["revision"] for item in daemon.items("cgroups")}

    def tidy(self, daemon):
        for cgroup in ("inner", "outer"):
            daemon.api.delete(f"/v1/cgroups/{cgroup}")
