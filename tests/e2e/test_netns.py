"""Network namespaces and links, as `ip netns` and the kernel show them."""
import os
import signal
import subprocess
import time

from harness import kernel, netns
from harness.runner import test


def make(daemon, name, **spec):
    answer = daemon.api.put(f"/v1/netns/{name}", spec)
    assert answer.status in (200, 201), answer
    return answer.json


def join(daemon, name, first, second, **more):
    answer = daemon.api.put(f"/v1/links/{name}", {"type": "veth", "endpoints": [first, second], **more})
    assert answer.status in (200, 201), f"{answer} {daemon.log_tail(3)}"
    return answer.json


def pair(lab, daemon):
    """The lab's two namespaces with a link between them."""
    server, client, link = lab.name("nss"), lab.name("nsc"), lab.name("l")
    make(daemon, server)
    make(daemon, client)
    join(daemon, link, {"netns": server, "name": "vethsrv", "addresses": ["10.10.10.1/24"]},
         {"netns": client, "name": "vethcli", "addresses": ["10.10.10.2/24"]})
    return server, client, link


def status(daemon, kind, name):
    return daemon.api.get(f"/v1/{kind}/{name}").json["status"]


@test("N2-namespaces-as-ip-netns-has-them")
def namespaces(lab):
    daemon, name = lab.daemon, lab.name("ns")
    document = make(daemon, name)
    assert name in netns.pinned()
    assert document["status"]["inode"] == os.stat(f"/run/netns/{name}").st_ino, document["status"]
    assert [one["name"] for one in document["status"]["interfaces"]] == ["lo"]
    assert "UP" in netns.links(name)["lo"]["flags"]
    assert daemon.api.put(f"/v1/netns/{name}", {}).status == 200
    assert daemon.api.delete(f"/v1/netns/{name}").status == 204
    assert name not in netns.pinned() and not os.path.exists(f"/run/netns/{name}")


@test("N2-namespace-of-ip-netns-is-adopted")
def adopted(lab):
    daemon, name = lab.daemon, lab.name("ns")
    kernel.run("ip", "netns", "add", name)
    try:
        inode = os.stat(f"/run/netns/{name}").st_ino
        refused = daemon.api.put(f"/v1/netns/{name}", {"adopt": False})
        assert refused.status == 409 and refused.json["code"] == "conflict", refused
        assert daemon.ctl("netns", "create", name, check=False).returncode != 0
        assert make(daemon, name)["status"]["inode"] == inode
        assert daemon.api.delete(f"/v1/netns/{name}").status == 204
        assert name not in netns.pinned()
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@test("N3-N7-a-pair-between-two-namespaces")
def veth(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    assert netns.addresses(server, "vethsrv") == {"10.10.10.1/24"}
    assert netns.addresses(client, "vethcli") == {"10.10.10.2/24"}
    assert set(netns.links(server)) == {"lo", "vethsrv"} and set(netns.links(client)) == {"lo", "vethcli"}
    netns.inside(client, "ping", "-c", "1", "-W", "2", "10.10.10.1")
    assert daemon.net.link("vethsrv") is None
    uid = daemon.api.get(f"/v1/links/{link}").json["uid"]
    assert f"sovirt:{uid}:0" in netns.links(server)["vethsrv"]["altnames"]


@test("N3-links-by-the-client")
def by_client(lab):
    daemon = lab.daemon
    server, client, link = lab.name("nss"), lab.name("nsc"), lab.name("l")
    daemon.ctl("netns", "create", server)
    daemon.ctl("netns", "create", client, "--route", "default via 10.10.10.1")
    daemon.ctl("link", "create", link, f"netns={server},name=vethsrv,address=10.10.10.1/24",
               f"netns={client},name=vethcli,address=10.10.10.2/24")
    netns.inside(client, "ping", "-c", "1", "-W", "2", "10.10.10.1")
    kernel.wait_until(lambda: any(r["dst"] == "default" for r in netns.routes(client)), "the route that waited for its interface")
    listed = daemon.ctl("link", "ls").stdout
    assert link in listed and "10.10.10.1/24" in listed, listed
    assert "vethcli" in daemon.ctl("netns", "show", client).stdout
    index = netns.links(server)["vethsrv"]["ifindex"]
    daemon.ctl("link", "set", link, "vethsrv", "--mtu", "1400", "--egress", "10M")
    changed = netns.links(server)["vethsrv"]
    assert (changed["ifindex"], changed["mtu"], changed["qdisc"]) == (index, 1400, "tbf"), changed
    refused = daemon.ctl("netns", "rm", server, check=False)
    assert refused.returncode != 0 and f"link/{link}" in refused.stderr, refused.stderr
    daemon.ctl("netns", "rm", server, "--cascade")
    assert server not in netns.pinned() and set(netns.links(client)) == {"lo"}


@test("N8-exec-in-a-namespace")
def execute(lab):
    daemon = lab.daemon
    server, client, _ = pair(lab, daemon)
    result = daemon.api.post(f"/v1/netns/{server}/exec", {"command": ["sh", "-c", "ls /sys/class/net; cat; echo err >&2; exit 3"], "stdin": "typed"}).json
    assert result["exit_code"] == 3 and result["stderr"] == "err\n", result
    assert result["stdout"].split() == ["lo", "vethsrv", "typed"], result
    listener = subprocess.Popen([str(lab_bin()), "--socket", str(daemon.run_dir / "sovirt.sock"), "netns", "exec", server, "-n", "--",
                                 "python3", "-c", "import socket as s; l = s.socket(); l.bind(('10.10.10.1', 9043)); l.listen(); print(l.accept()[0].recv(99).decode())"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        kernel.wait_until(lambda: ":9043" in netns.inside(server, "ss", "-ntl").stdout, "the listener")
        said = daemon.ctl("netns", "exec", client, "--", "python3", "-c",
                          "import socket as s, sys; c = s.create_connection(('10.10.10.1', 9043)); c.send(sys.stdin.read().encode())", stdin="hello")
        assert said.returncode == 0
        assert listener.communicate(timeout=20)[0] == "hello\n" and listener.returncode == 0
    finally:
        listener.kill()
        listener.wait(10)
    slow = daemon.api.post(f"/v1/netns/{server}/exec", {"command": ["sleep", "60"], "timeout": 0.2}).json
    assert slow["timed_out"] and slow["signal"] == signal.SIGKILL, slow
    assert daemon.api.post(f"/v1/netns/{server}/exec", {"command": ["/no/such"]}).status == 422


def lab_bin():
    from harness.daemon import BIN
    return BIN / "sovirtctl"


@test("N9-sockets-with-their-processes")
def sockets(lab):
    daemon = lab.daemon
    server, _, _ = pair(lab, daemon)
    code = ("import socket as s, time\nl = s.socket(); l.bind(('10.10.10.1', 9043)); l.listen()\n"
            "six = s.socket(s.AF_INET6); six.bind(('::1', 9044)); six.listen()\nu = s.socket(s.AF_INET, s.SOCK_DGRAM); u.bind(('10.10.10.1', 53))\ntime.sleep(60)")
    process = subprocess.Popen(["ip", "netns", "exec", server, "python3", "-c", code])
    try:
        kernel.wait_until(lambda: ":53" in netns.inside(server, "ss", "-nlu").stdout, "the sockets")
        items = daemon.api.get(f"/v1/netns/{server}/sockets").json["items"]
        shown = {(one["protocol"], one["state"], one["local"], one["process"]["pid"]) for one in items}
        assert shown == {("tcp", "listen", "10.10.10.1:9043", process.pid), ("tcp6", "listen", "[::1]:9044", process.pid),
                         ("udp", "unconnected", "10.10.10.1:53", process.pid)}, items
        assert all(one["process"]["name"].startswith("python3") for one in items)
        assert "9043" not in daemon.net.run("ss", "-nat").stdout
        assert "10.10.10.1:9043" in daemon.ctl("netns", "sockets", server).stdout
        processes = daemon.api.get(f"/v1/netns/{server}").json["status"]["processes"]
        refused = daemon.api.delete(f"/v1/netns/{server}?cascade=true")
        assert refused.status == 409 and any(str(process.pid) in holder for holder in refused.json["conflicts_with"]), (refused, processes)
    finally:
        process.kill()
        process.wait(10)


@test("N10-interfaces-with-addresses-and-counters")
def interfaces(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    netns.inside(client, "ping", "-c", "3", "-i", "0.2", "-W", "2", "10.10.10.1")
    shown = {one["name"]: one for one in status(daemon, "netns", client)["interfaces"]}
    assert set(shown) == {"lo", "vethcli"}, shown
    end = shown["vethcli"]
    assert end["addresses"] == ["10.10.10.2/24"] and end["up"] and end["mtu"] == 1500, end
    assert end["peer"]["link"] == link and end["peer"]["netns"] == server, end
    assert end["ifindex"] == netns.links(client)["vethcli"]["ifindex"]
    assert end["statistics"]["tx_packets"] >= 3, end


@test("netns-sysctls-and-routes")
def settings(lab):
    daemon, name, other = lab.daemon, lab.name("ns"), lab.name("ns")
    make(daemon, name, sysctls={"net.ipv4.ip_forward": 1}, routes=[{"to": "10.99.0.0/16", "via": "10.10.10.2"}])
    make(daemon, other)
    assert netns.inside(name, "cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n"
    waiting = status(daemon, "netns", name)["waiting"]
    assert waiting == ["route 10.99.0.0/16 via 10.10.10.2"], waiting
    link = lab.name("l")
    join(daemon, link, {"netns": name, "name": "e0", "addresses": ["10.10.10.1/24"]}, {"netns": other, "name": "e0", "addresses": ["10.10.10.2/24"]})
    there = lambda: any(one["dst"] == "10.99.0.0/16" and one["gateway"] == "10.10.10.2" for one in netns.routes(name))
    kernel.wait_until(there, "the route, once it can be", 2)
    netns.inside(name, "ip", "route", "del", "10.99.0.0/16")
    kernel.wait_until(there, "the route again", 2)
    netns.inside(name, "sysctl", "-qw", "net.ipv4.ip_forward=0")
    kernel.wait_until(lambda: netns.inside(name, "cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n", "the setting again", 2)
    assert daemon.api.put(f"/v1/netns/{name}", {}).status == 200
    assert not there() and netns.inside(name, "cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"


def damages(server, client, daemon, link):
    """What somebody does to the pair of the lab."""
    yield "link deleted", lambda: netns.inside(server, "ip", "link", "del", "vethsrv")
    yield "address removed", lambda: netns.inside(client, "ip", "addr", "flush", "dev", "vethcli")
    yield "address added", lambda: netns.inside(client, "ip", "addr", "add", "10.77.0.1/24", "dev", "vethcli")
    yield "end down", lambda: netns.inside(server, "ip", "link", "set", "vethsrv", "down")
    yield "mtu", lambda: netns.inside(server, "ip", "link", "set", "vethsrv", "mtu", "1300")
    yield "renamed", lambda: netns.inside(server, "ip", "link", "set", "vethsrv", "name", "other0")
    yield "pin unmounted", lambda: kernel.run("umount", "-l", f"/run/netns/{server}")
    yield "namespace deleted", lambda: kernel.run("ip", "netns", "delete", client)


def whole(server, client):
    return (netns.addresses(server, "vethsrv") == {"10.10.10.1/24"} and netns.addresses(client, "vethcli") == {"10.10.10.2/24"}
            and netns.links(server)["vethsrv"]["mtu"] == 1500
            and netns.inside(client, "ping", "-c", "1", "-W", "1", "10.10.10.1", check=False).returncode == 0)


def whole_or_not(server, client):
    try:
        return whole(server, client)
    except AssertionError:
        return False


@test("netns-and-link-drift-is-repaired", seconds=120)
def drift(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    for what, damage in damages(server, client, daemon, link):
        before = daemon.api.get("/v1/bridges?limit=1").json["seq"]
        time.sleep(0.15)   # what the repair before has caused is over
        damage()
        kernel.wait_until(lambda: whole_or_not(server, client), f"repair of: {what}; {daemon.log_tail(5)}", 5)
        events = kernel.wait_until(lambda: [one for one in daemon.api.events(since=before, silence=0.4) if one["type"] == "repaired"], f"an event about: {what}", 3)
        assert {one["kind"] for one in events} <= {"link", "netns"}, events


@test("observed-link-drift-is-a-condition")
def observed(lab):
    daemon = lab.daemon
    server, client = lab.name("nss"), lab.name("nsc")
    make(daemon, server)
    make(daemon, client)
    link = lab.name("l")
    join(daemon, link, {"netns": server, "name": "e0", "addresses": ["10.10.10.1/24"]}, {"netns": client, "name": "e0"}, policy="observe")
    netns.inside(server, "ip", "addr", "flush", "dev", "e0")
    kernel.wait_until(lambda: any(c["type"] == "Drifted" and c["status"] for c in status(daemon, "links", link)["conditions"]), "the condition", 2)
    assert netns.addresses(server, "e0") == set()
    assert daemon.api.put(f"/v1/links/{link}", daemon.api.get(f"/v1/links/{link}").json["spec"]).status == 200
    assert netns.addresses(server, "e0") == {"10.10.10.1/24"}


@test("link-ends-on-bridge-and-host")
def places(lab):
    daemon, ns, bridge = lab.daemon, lab.name("ns"), lab.name("br")
    make(daemon, ns)
    daemon.bridge(bridge, "172.31.40.1/24")
    one, two = lab.name("l"), lab.name("l")
    join(daemon, one, {"bridge": bridge}, {"netns": ns, "name": "eth0", "addresses": ["172.31.40.2/24"]})
    join(daemon, two, {"host": True, "name": two, "addresses": ["172.31.41.1/24"]}, {"netns": ns, "name": "eth1", "addresses": ["172.31.41.2/24"]})
    netns.inside(ns, "ping", "-c", "1", "-W", "2", "172.31.40.1")
    netns.inside(ns, "ping", "-c", "1", "-W", "2", "172.31.41.1")
    port = status(daemon, "links", one)["endpoints"][0]["name"]
    assert daemon.net.link(port)["master"] == bridge
    daemon.net.run("ip", "link", "set", port, "nomaster")
    kernel.wait_until(lambda: daemon.net.link(port).get("master") == bridge, "a port of its bridge again", 3)
    daemon.net.run("ip", "link", "del", bridge)
    kernel.wait_until(lambda: (daemon.net.link(port) or {}).get("master") == bridge, "a port of the bridge that was made again", 5)
    assert daemon.api.delete(f"/v1/bridges/{bridge}").status == 409
    assert daemon.api.delete(f"/v1/links/{one}").status == 204 and daemon.net.link(port) is None


@test("links-survive-daemon-and-host", seconds=120)
def survive(lab):
    daemon = lab.new_daemon(image=False)
    server, client, _ = pair(lab, daemon)
    index = netns.links(server)["vethsrv"]["ifindex"]
    daemon.restart()
    assert whole(server, client) and netns.links(server)["vethsrv"]["ifindex"] == index
    daemon.kill()
    netns.inside(client, "ip", "link", "del", "vethcli")
    daemon.start()
    kernel.wait_until(lambda: whole_or_not(server, client), "repair of what happened meanwhile", 5)
    daemon.power_cut()
    assert server not in netns.pinned()
    daemon.start()
    kernel.wait_until(lambda: whole_or_not(server, client), "all of it after a boot", 5)
