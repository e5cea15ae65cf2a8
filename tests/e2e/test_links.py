"""Links in full: containers, rates, changes in place, bad input, and a topology that is damaged again and again."""
import random
import subprocess
import time

from harness import kernel, netns
from harness.runner import test
from test_netns import join, make, pair, status


@test("L11-link-into-a-container-survives-100-restarts", seconds=300)
def restarts(lab):
    daemon, ns, box, link = lab.daemon, lab.name("ns"), lab.name("c"), lab.name("l")
    make(daemon, ns)
    daemon.container(box)
    join(daemon, link, {"container": box, "name": "eth5", "addresses": ["10.20.0.2/24"]}, {"netns": ns, "name": "e0", "addresses": ["10.20.0.1/24", "fd20::1/64"]})
    index = netns.links(ns)["e0"]["ifindex"]
    for round_number in range(100):
        daemon.start_container(box)
        if round_number % 10 == 0:
            inside = kernel.Netns(daemon.pid_of(box))
            assert inside.addresses("eth5") == {"10.20.0.2/24"}, inside.links()
            netns.inside(ns, "ping", "-c", "1", "-W", "2", "10.20.0.2")
        assert daemon.set_state(box, "stopped", force=True).status == 200
        assert netns.links(ns)["e0"]["ifindex"] == index, f"another link after round {round_number}"
    assert netns.addresses(ns, "e0") == {"10.20.0.1/24", "fd20::1/64"}
    assert status(daemon, "links", link)["endpoints"][0]["parked"]
    assert daemon.api.delete(f"/v1/containers/{box}").status == 409
    assert daemon.api.delete(f"/v1/containers/{box}?cascade=true").status == 204
    assert "e0" not in netns.links(ns)


@test("link-into-a-running-container-and-its-crash", seconds=120)
def running(lab):
    daemon = lab.new_daemon()
    ns, box, link = lab.name("ns"), lab.name("c"), lab.name("l")
    make(daemon, ns)
    daemon.container(box, start=True)
    join(daemon, link, {"netns": ns, "name": "e0", "addresses": ["10.20.0.1/24"]}, {"container": box, "name": "eth5", "addresses": ["10.20.0.2/24"]})
    netns.inside(ns, "ping", "-c", "1", "-W", "2", "10.20.0.2")
    index = netns.links(ns)["e0"]["ifindex"]
    kernel.Netns(daemon.pid_of(box)).run("ip", "addr", "flush", "dev", "eth5")
    kernel.wait_until(lambda: kernel.Netns(daemon.pid_of(box)).addresses("eth5") == {"10.20.0.2/24"}, "the address inside again", 3)
    # The container ends while no daemon is there to look after its link.
    pid = daemon.pid_of(box)
    daemon.kill()
    subprocess.run(["kill", "-9", str(pid)], check=True)
    kernel.wait_until(lambda: not kernel.process_exists(pid), "its end")
    daemon.start()
    kernel.wait_until(lambda: daemon.state_of(box) != "running", "the daemon knows")
    assert netns.links(ns)["e0"]["ifindex"] == index
    daemon.start_container(box)
    netns.inside(ns, "ping", "-c", "1", "-W", "2", "10.20.0.2")
    assert netns.links(ns)["e0"]["ifindex"] == index


def throughput(sender, receiver, address, seconds=3.0):
    """Bits of TCP payload a second that come through."""
    take = f"import socket as s, time\nl = s.socket(); l.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1); l.bind(('{address}', 5201)); l.listen(); c = l.accept()[0]\n" \
           f"c.recv(65536); start = time.monotonic(); total = 0\nwhile time.monotonic() - start < {seconds}:\n    d = c.recv(65536)\n    total += len(d)\n    if not d: break\n" \
           "print(total * 8 / (time.monotonic() - start))"
    give = f"import socket as s\nc = s.create_connection(('{address}', 5201))\ntry:\n    while True: c.send(bytes(65536))\nexcept OSError: pass"
    sink = subprocess.Popen(["ip", "netns", "exec", receiver, "python3", "-c", take], stdout=subprocess.PIPE, text=True)
    source = None
    try:
        kernel.wait_until(lambda: ":5201" in netns.inside(receiver, "ss", "-ntl").stdout, "the receiver")
        source = subprocess.Popen(["ip", "netns", "exec", sender, "python3", "-c", give])
        return float(sink.communicate(timeout=60)[0])
    finally:
        for process in (sink, source):
            if process:
                process.kill()
                process.wait(10)


@test("L27-bandwidth-of-10-Mbit-in-both-directions", seconds=120)
def bandwidth(lab):
    daemon, server, client = lab.daemon, lab.name("nss"), lab.name("nsc")
    make(daemon, server)
    make(daemon, client)
    join(daemon, lab.name("l"), {"netns": server, "name": "e0", "addresses": ["10.10.10.1/24"], "rate": {"egress": 10_000_000, "ingress": 10_000_000}},
         {"netns": client, "name": "e0", "addresses": ["10.10.10.2/24"]})
    for sender, receiver, address in ((server, client, "10.10.10.2"), (client, server, "10.10.10.1")):
        measured = throughput(sender, receiver, address)
        assert 9_000_000 <= measured <= 11_000_000, f"{measured / 1e6:.2f} Mbit/s from {sender}"
        print(f"     {measured / 1e6:.2f} Mbit/s of payload")


@test("link-changes-in-place")
def in_place(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    before = netns.links(server)["vethsrv"]
    spec = daemon.api.get(f"/v1/links/{link}").json["spec"]
    spec["endpoints"][0].update({"mtu": 1400, "mac": "4a:49:43:00:00:09", "addresses": ["10.10.11.1/24", "fd00:11::1/64"], "rate": {"egress": 8_000_000}})
    spec["endpoints"][1].update({"mtu": 1400, "up": False})
    assert daemon.api.put(f"/v1/links/{link}", spec).status == 200
    after = netns.links(server)["vethsrv"]
    assert (after["ifindex"], after["mtu"], after["address"]) == (before["ifindex"], 1400, "4a:49:43:00:00:09"), after
    assert netns.addresses(server, "vethsrv") == {"10.10.11.1/24", "fd00:11::1/64"}
    assert "UP" not in netns.links(client)["vethcli"]["flags"]
    assert "rate 8Mbit" in netns.inside(server, "tc", "qdisc", "show", "dev", "vethsrv").stdout
    netns.inside(server, "tc", "qdisc", "del", "dev", "vethsrv", "root")
    kernel.wait_until(lambda: "rate 8Mbit" in netns.inside(server, "tc", "qdisc", "show", "dev", "vethsrv").stdout, "the rate again", 3)
    spec["endpoints"][0]["rate"] = {}
    assert daemon.api.put(f"/v1/links/{link}", spec).status == 200
    assert "tbf" not in netns.inside(server, "tc", "qdisc", "show", "dev", "vethsrv").stdout


@test("link-name-taken-by-somebody-is-not-touched")
def taken(lab):
    daemon, server, client = lab.daemon, lab.name("nss"), lab.name("nsc")
    make(daemon, server)
    make(daemon, client)
    netns.inside(server, "ip", "link", "add", "theirs", "type", "bridge")
    for first, second in (("theirs", "e0"), ("e0", "theirs")):
        ends = [{"netns": server if first == "theirs" else client, "name": first}, {"netns": client if first == "theirs" else server, "name": second}]
        answer = daemon.api.put(f"/v1/links/{lab.name('l')}", {"endpoints": ends})
        assert answer.status == 409 and "theirs" in answer.json["detail"], answer
    assert netns.links(server)["theirs"]["linkinfo"]["info_kind"] == "bridge"
    assert set(netns.links(client)) == {"lo"}


@test("links-of-other-types-or-501")
def types(lab):
    daemon, ns = lab.daemon, lab.name("ns")
    make(daemon, ns)
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.60.1/24")
    for kind, more, option in (("dummy", {}, "CONFIG_DUMMY"), ("vxlan", {"vxlan": {"id": 42, "remote": "192.0.2.1"}}, "CONFIG_VXLAN"),
                               ("macvlan", {"parent": bridge, "mode": "bridge"}, "CONFIG_MACVLAN")):
        name = lab.name("l")
        answer = daemon.api.put(f"/v1/links/{name}", {"type": kind, "endpoints": [{"netns": ns, "name": kind, "addresses": ["10.30.0.1/24"]}], **more})
        if answer.status == 501:
            assert option in answer.json["detail"] and kind not in netns.links(ns), answer
            continue
        assert answer.status == 201, answer
        assert netns.links(ns)[kind]["linkinfo"]["info_kind"] == kind and netns.addresses(ns, kind) == {"10.30.0.1/24"}
        assert daemon.api.delete(f"/v1/links/{name}").status == 204
        assert kind not in netns.links(ns)


@test("netns-bad-input-names-its-field")
def bad_netns(lab):
    daemon = lab.daemon
    for spec, pointer in (({"sysctls": []}, "/sysctls"), ({"sysctls": {"kernel.hostname": "x"}}, "/sysctls/kernel.hostname"),
                          ({"sysctls": {"net.ipv4.../../kernel/hostname": "x"}}, "/sysctls/net.ipv4...~1..~1kernel~1hostname"),
                          ({"sysctls": {"net.ipv4.ip_forward": {}}}, "/sysctls/net.ipv4.ip_forward"), ({"sysctls": {"net.ipv4.nothing": "1"}}, "/sysctls/net.ipv4.nothing"),
                          ({"sysctls": {"net.ipv4.ip_forward": "maybe"}}, "/sysctls/net.ipv4.ip_forward"),
                          ({"routes": {}}, "/routes"), ({"routes": [{"via": "10.0.0.1"}]}, "/routes/0/to"), ({"routes": [{"to": "10.0.0.1/24", "dev": "e0"}]}, "/routes/0/to"),
                          ({"routes": [{"to": "default"}]}, "/routes/0/via"), ({"routes": [{"to": "10.0.0.0/8", "via": "fd00::1"}]}, "/routes/0/via"),
                          ({"routes": [{"to": "default", "dev": "../x"}]}, "/routes/0/dev"), ({"routes": [{"to": "default", "via": "10.0.0.1"}] * 2}, "/routes/1/to"),
                          ({"adopt": "yes"}, "/adopt"), ({"policy": "fight"}, "/policy"), ({"more": 1}, "/more")):
        name = lab.name("ns")
        answer = daemon.api.put(f"/v1/netns/{name}", spec)
        assert answer.status == 422 and pointer in [one["pointer"] for one in answer.json["errors"]], (spec, answer)
        assert name not in netns.pinned() and daemon.api.get(f"/v1/netns/{name}").status == 404
    for name in ("A", "a" * 64, "-a", "a_b", "..", "a%2Fb"):
        assert daemon.api.put(f"/v1/netns/{name}", {}).status in (400, 404), name


@test("link-bad-input-names-its-field")
def bad_link(lab):
    daemon, ns, bridge = lab.daemon, lab.name("ns"), lab.name("br")
    make(daemon, ns)
    daemon.bridge(bridge, "172.31.61.1/24")
    good = [{"netns": ns, "name": "e0"}, {"host": True, "name": "h0"}]

    def first(**change):
        return {"endpoints": [{**good[0], **change}, good[1]]}

    for spec, pointer in (({}, "/endpoints"), ({"endpoints": good[:1]}, "/endpoints"), ({"endpoints": good + good}, "/endpoints"), ({"endpoints": [good[0], 7]}, "/endpoints/1"),
                          (first(name="lo"), "/endpoints/0/name"), (first(name="a/b"), "/endpoints/0/name"), (first(name="a%d"), "/endpoints/0/name"),
                          (first(name="x" * 16), "/endpoints/0/name"), (first(name=""), "/endpoints/0/name"), (first(bridge=bridge), "/endpoints/0"),
                          (first(netns="A B"), "/endpoints/0/netns"), (first(mac="01:00:5e:00:00:01"), "/endpoints/0/mac"), (first(mac="nothing"), "/endpoints/0/mac"),
                          (first(addresses=["10.0.0.0/24"]), "/endpoints/0/addresses/0"), (first(addresses=["10.0.0.1"]), "/endpoints/0/addresses/0"),
                          (first(addresses=["10.0.0.1/24", "10.0.0.1/16"]), "/endpoints/0/addresses/1"), (first(mtu=67), "/endpoints/0/mtu"),
                          (first(mtu=65536), "/endpoints/0/mtu"), (first(mtu=1000, addresses=["fd00::1/64"]), "/endpoints/0/mtu"), (first(up="no"), "/endpoints/0/up"),
                          (first(rate={"egress": 0}), "/endpoints/0/rate/egress"), (first(rate={"egress": "10M"}), "/endpoints/0/rate/egress"),
                          (first(rate={"sideways": 1}), "/endpoints/0/rate/sideways"), (first(host=False, netns=None), "/endpoints/0/host"),
                          ({"endpoints": [{"bridge": bridge}, {"bridge": bridge}]}, "/endpoints/1/bridge"),
                          ({"endpoints": [good[0], {"netns": ns, "name": "e0"}]}, "/endpoints/1/name"),
                          ({"endpoints": [{"bridge": bridge, "addresses": ["10.0.0.1/24"]}, good[0]]}, "/endpoints/0/addresses"),
                          ({"type": "wire", "endpoints": good}, "/type"), ({"type": "vxlan", "endpoints": good[:1]}, "/vxlan"),
                          ({"type": "vxlan", "endpoints": good[:1], "vxlan": {"id": 16777216}}, "/vxlan/id"),
                          ({"type": "vxlan", "endpoints": good[:1], "vxlan": {"id": 1, "port": 65536}}, "/vxlan/port"),
                          ({"type": "dummy", "endpoints": [{**good[0], "rate": {"ingress": 1000000}}]}, "/endpoints/0/rate"),
                          ({"type": "macvlan", "endpoints": good[:1]}, "/parent"), ({"type": "macvlan", "endpoints": good[:1], "parent": "lo"}, "/parent"),
                          ({"endpoints": good, "parent": "eth0"}, "/parent"), ({"endpoints": good, "policy": "fight"}, "/policy"), ({"endpoints": good, "more": 1}, "/more")):
        name = lab.name("l")
        answer = daemon.api.put(f"/v1/links/{name}", spec)
        assert answer.status == 422 and pointer in [one["pointer"] for one in answer.json["errors"]], (spec, pointer, answer)
        assert set(netns.links(ns)) == {"lo"} and daemon.net.link("h0") is None
    for place in ("netns", "bridge", "container"):
        answer = daemon.api.put(f"/v1/links/{lab.name('l')}", {"endpoints": [{place: "nobody", "name": "e0"}, good[1]]})
        assert answer.status == 404 and answer.json["errors"][0]["pointer"] == f"/endpoints/0/{place}", answer
    assert daemon.api.put("/v1/links/abcdefghijklmnop", {"endpoints": good}).status == 400


def build(lab, daemon, namespaces, bridges):
    """A ring of namespaces, each also on one of the bridges: two links a namespace."""
    tag = lab.name("")[:4]
    names = [f"t{tag}n{i}" for i in range(namespaces)]
    switches = [f"t{tag}b{i}" for i in range(bridges)]
    for i, switch in enumerate(switches):
        daemon.bridge(switch, f"10.{100 + i}.0.1/16")
    for name in names:
        make(daemon, name)
    for i, name in enumerate(names):
        join(daemon, f"t{tag}r{i}", {"netns": name, "name": "right", "addresses": [f"10.60.{i}.1/30"]},
             {"netns": names[(i + 1) % namespaces], "name": "left", "addresses": [f"10.60.{i}.2/30"]})
        join(daemon, f"t{tag}s{i}", {"netns": name, "name": "eth0", "addresses": [f"10.{100 + i % bridges}.1.{i + 1}/16"]}, {"bridge": switches[i % bridges]})
    return names, switches


def fingerprint(name):
    """All that must be there, and nothing of which may differ."""
    out = {}
    for link in netns.links(name).values():
        local = {f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", []) if one["scope"] != "link"}
        out[link["ifname"]] = (link["mtu"], link["address"], "UP" in link["flags"], frozenset(local))
    return out


def damage(chooser, name):
    """One of the things people do; answers what it was."""
    link = chooser.choice(["right", "left", "eth0"])
    what = chooser.choice([("ip", "link", "del", link), ("ip", "addr", "flush", "dev", link), ("ip", "link", "set", link, "down"), ("ip", "link", "set", link, "mtu", "1280"),
                           ("ip", "link", "set", link, "address", "4a:00:00:00:00:01"), ("ip", "addr", "add", "10.250.0.1/24", "dev", link), "unpin", "delete"])
    if what == "unpin":
        kernel.run("umount", "-l", f"/run/netns/{name}")
    elif what == "delete":
        kernel.run("ip", "netns", "delete", name)
    else:
        netns.inside(name, *what)
    return what


def same(name, wanted):
    try:
        return fingerprint(name) == wanted
    except AssertionError:
        return False


@test("topology-of-100-namespaces-is-damaged-200-times", seconds=900)
def topology(lab):
    daemon = lab.new_daemon(image=False)
    started = time.monotonic()
    names, switches = build(lab, daemon, 100, 10)
    made = time.monotonic() - started
    assert len(daemon.items("netns")) == 100 and len(daemon.items("links")) == 200 and len(daemon.items("bridges")) == 10
    wanted = {name: fingerprint(name) for name in names}
    chooser = random.Random(7)
    slowest = 0.0
    for number in range(200):
        index = chooser.randrange(len(names))
        what = damage(chooser, names[index])
        began = time.monotonic()
        for name in (names[index - 1], names[index], names[(index + 1) % 100]):
            kernel.wait_until(lambda: same(name, wanted[name]), f"repair {number} of {what} in {names[index]}; {daemon.log_tail(5)}", 30)
        slowest = max(slowest, time.monotonic() - began)
    print(f"     made in {made:.1f} s, slowest repair seen after {slowest:.2f} s")
    daemon.remove_all()
    assert not set(names) & netns.pinned()
    assert not [link for link in daemon.net.links() if link != "lo"], daemon.net.links()
