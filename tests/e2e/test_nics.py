"""NICs of containers in full: into a netns, on none, rates, changes while it runs, damage, addresses chosen and probed."""
import json
import subprocess
import time

from harness import kernel, netns, outside
from harness.runner import test
from test_links import throughput
from test_netns import make


def spec_of(daemon, box):
    return daemon.api.get(f"/v1/containers/{box}").json["spec"]


def nic_status(daemon, box, name="eth0"):
    return next(one for one in daemon.api.get(f"/v1/containers/{box}").json["status"]["nics"] if one["name"] == name)


def patch_nics(daemon, box, nics, status=200, query=""):
    answer = daemon.api.request("PATCH", f"/v1/containers/{box}{query}", {"nics": nics})
    assert answer.status == status, answer
    return answer


def running(daemon, lab, nics, **more):
    box = lab.name("c")
    daemon.container(box, nics=nics, **more)
    daemon.start_container(box)
    return box, kernel.Netns(daemon.pid_of(box))


@test("L12-nic-into-a-netns-and-one-on-none", seconds=60)
def ends(lab):
    daemon, ns = lab.new_daemon(), lab.name("ns")
    make(daemon, ns)
    nics = [{"name": "eth0", "netns": ns, "addresses": ["10.40.0.2/24"], "gateway": "10.40.0.1", "peer": {"name": "c0", "addresses": ["10.40.0.1/24"]}},
            {"name": "eth1", "none": True, "addresses": ["10.41.0.2/24"]}]
    box, inside = running(daemon, lab, nics)
    assert inside.addresses("eth0") == {"10.40.0.2/24"} and inside.addresses("eth1") == {"10.41.0.2/24"}
    assert netns.addresses(ns, "c0") == {"10.40.0.1/24"}
    netns.inside(ns, "ping", "-c", "1", "-W", "2", "10.40.0.2")
    assert any(route["dst"] == "default" and route["gateway"] == "10.40.0.1" for route in inside.routes()), inside.routes()
    loose = json.loads(daemon.net.run("ip", "-j", "link", "show", nic_status(daemon, box, "eth1")["host_name"]).stdout)[0]
    assert "master" not in loose and "UP" not in loose["flags"], loose
    assert daemon.api.delete(f"/v1/netns/{ns}").status == 409
    index = inside.link("eth0")["ifindex"]
    # Damage of every kind, on both sides.
    for hurt in (lambda: inside.run("ip", "addr", "flush", "dev", "eth0"), lambda: netns.inside(ns, "ip", "addr", "flush", "dev", "c0"),
                 lambda: netns.inside(ns, "ip", "link", "set", "c0", "down"), lambda: inside.run("ip", "link", "set", "eth0", "address", "4a:49:43:00:00:77")):
        hurt()
        kernel.wait_until(lambda: inside.addresses("eth0") == {"10.40.0.2/24"} and netns.addresses(ns, "c0") == {"10.40.0.1/24"}
                          and inside.link("eth0")["address"] == nic_status(daemon, box)["mac"] != "4a:49:43:00:00:77", "as it was", 3)
        kernel.wait_until(lambda: any(route["dst"] == "default" for route in inside.routes()), "the default route", 3)
        kernel.wait_until(lambda: netns.inside(ns, "ping", "-c", "1", "-W", "1", "10.40.0.2", check=False).returncode == 0, "packets again", 4)
        assert inside.link("eth0")["ifindex"] == index
    netns.inside(ns, "ip", "link", "del", "c0")
    kernel.wait_until(lambda: inside.addresses("eth0") == {"10.40.0.2/24"}, "another one", 3)
    daemon.kill()
    daemon.start()
    inside.run("ip", "addr", "flush", "dev", "eth0")
    kernel.wait_until(lambda: inside.addresses("eth0") == {"10.40.0.2/24"}, "still looked after by the next daemon", 3)
    assert daemon.set_state(box, "stopped", force=True).status == 200
    assert "c0" not in netns.links(ns)
    assert daemon.api.delete(f"/v1/containers/{box}").status == 204 and daemon.api.delete(f"/v1/netns/{ns}").status == 204


@test("L27-nic-rates-of-10-Mbit-in-both-directions", seconds=120)
def rates(lab):
    daemon, bridge, other = lab.daemon, lab.name("br"), lab.name("ns")
    daemon.bridge(bridge, "10.42.0.1/24")
    make(daemon, other)
    link = {"endpoints": [{"netns": other, "name": "e0", "addresses": ["10.42.0.3/24"]}, {"bridge": bridge, "name": lab.name("p")}]}
    assert daemon.api.put(f"/v1/links/{lab.name('l')}", link).status == 201
    box, inside = running(daemon, lab, [{"bridge": bridge, "addresses": ["10.42.0.2/24"], "rate": {"egress": 10_000_000, "ingress": 10_000_000}}])
    assert nic_status(daemon, box)["rate"] == {"egress": 10_000_000, "ingress": 10_000_000}
    name = lab.name("n")   # so that its namespace has a name for `ip netns exec`
    kernel.run("ip", "netns", "attach", name, inside.pid)
    try:
        for sender, receiver, address in ((other, name, "10.42.0.2"), (name, other, "10.42.0.3")):
            measured = throughput(sender, receiver, address)
            assert 9_000_000 <= measured <= 11_000_000, f"{measured / 1e6:.2f} Mbit/s from {sender}"
            print(f"     {measured / 1e6:.2f} Mbit/s of payload")
    finally:
        kernel.run("ip", "netns", "delete", name)
    host_end = nic_status(daemon, box)["host_name"]
    for where, device in ((inside.run, "eth0"), (daemon.net.run, host_end)):
        where("tc", "qdisc", "del", "dev", device, "root")
        kernel.wait_until(lambda: "rate 10Mbit" in where("tc", "qdisc", "show", "dev", device).stdout, f"the rate of {device} again", 3)
    patch_nics(daemon, box, [{**spec_of(daemon, box)["nics"][0], "rate": {"ingress": 8_000_000}}])
    assert "tbf" not in inside.run("tc", "qdisc", "show", "dev", "eth0").stdout
    assert "rate 8Mbit" in daemon.net.run("tc", "qdisc", "show", "dev", host_end).stdout


@test("nics-added-changed-and-removed-while-it-runs", seconds=90)
def hot(lab):
    daemon, one, two, ns = lab.daemon, lab.name("br"), lab.name("br"), lab.name("ns")
    daemon.bridge(one, "10.43.1.1/24")
    daemon.bridge(two, "10.43.2.1/24")
    make(daemon, ns)
    box, inside = running(daemon, lab, [{"name": "eth0", "bridge": one, "addresses": ["10.43.1.2/24"], "gateway": "10.43.1.1"}])
    first, base = inside.link("eth0"), spec_of(daemon, box)["nics"][0]
    # Added: on the other bridge and into a namespace. The one that is there stays what it is.
    second = {"name": "eth1", "bridge": two, "addresses": ["10.43.2.2/24", "fd43:2::2/64"]}
    third = {"name": "eth2", "netns": ns, "addresses": ["10.43.3.2/24"], "peer": {"addresses": ["10.43.3.1/24"]}}
    steps = patch_nics(daemon, box, [base, second, third], query="?dry_run=true").json["steps"]
    assert [step["disruptive"] for step in steps if "plug" in step["description"]] == [False, False] and not inside.link("eth1"), steps
    patch_nics(daemon, box, [base, second, third])
    assert inside.addresses("eth1") == {"10.43.2.2/24", "fd43:2::2/64"} and inside.addresses("eth2") == {"10.43.3.2/24"}
    for address in ("10.43.2.1", "10.43.3.1"):
        inside.run("ping", "-c", "1", "-W", "2", address)
    # Changed in place: mac, mtu, addresses, gateway.
    changed = {**base, "mac": "4a:49:43:00:43:01", "mtu": 1400, "addresses": ["10.43.1.7/24", "fd43:1::7/64"], "gateway": None}
    inside.run("ip", "addr", "add", "192.0.2.9/32", "dev", "eth0")   # the container's own: it stays
    patch_nics(daemon, box, [changed, second, third])
    now = inside.link("eth0")
    assert (now["ifindex"], now["mtu"], now["address"]) == (first["ifindex"], 1400, "4a:49:43:00:43:01"), now
    assert inside.addresses("eth0") == {"10.43.1.7/24", "fd43:1::7/64", "192.0.2.9/32"}, inside.addresses("eth0")
    assert not any(route["dst"] == "default" for route in inside.routes())
    patch_nics(daemon, box, [{**changed, "gateway": "10.43.1.1"}, second, third])
    assert any(route["dst"] == "default" and route["gateway"] == "10.43.1.1" for route in inside.routes())
    assert "10.43.1.7" in daemon.api.post(f"/v1/containers/{box}/exec", {"command": ["cat", "/etc/hosts"]}).json["stdout"]
    # To another bridge: still the same interface. Into a namespace: another one, and the plan says so.
    patch_nics(daemon, box, [{**changed, "bridge": two, "addresses": ["10.43.2.7/24"]}, second, third])
    assert inside.link("eth0")["ifindex"] == first["ifindex"]
    inside.run("ping", "-c", "1", "-W", "2", "-I", "eth0", "10.43.2.1")
    moved = {"name": "eth0", "netns": ns, "addresses": ["10.43.4.2/24"]}
    steps = patch_nics(daemon, box, [moved, second, third], query="?dry_run=true").json["steps"]
    assert any(step["disruptive"] for step in steps), steps
    patch_nics(daemon, box, [moved, second, third])
    assert inside.addresses("eth0") == {"10.43.4.2/24"}
    # Removed from the front: what is behind keeps its interface and its host's end.
    keep = nic_status(daemon, box, "eth1")
    patch_nics(daemon, box, [second])
    assert set(inside.links()) == {"lo", "eth1"} and nic_status(daemon, box, "eth1")["host_name"] == keep["host_name"]
    assert inside.link("eth1")["ifindex"] == keep["ifindex"] and set(netns.links(ns)) == {"lo"}
    # One that cannot be: nothing of the change stays.
    before = inside.links().keys()
    inside.run("ip", "link", "add", "eth9", "type", "bridge")
    answer = patch_nics(daemon, box, [{**second, "mtu": 1300, "addresses": ["10.43.2.9/24"]}, {"name": "eth8", "bridge": one}, {"name": "eth9", "bridge": two}], status=409)
    assert set(inside.links()) == set(before) | {"eth9"}, answer
    assert inside.addresses("eth1") == {"10.43.2.2/24", "fd43:2::2/64"} and inside.link("eth1")["mtu"] == 1500
    assert [nic["name"] for nic in spec_of(daemon, box)["nics"]] == ["eth1"]


@test("nics-by-the-client-while-it-runs", seconds=60)
def client(lab):
    daemon, bridge, ns = lab.daemon, lab.name("br"), lab.name("ns")
    daemon.bridge(bridge, "10.44.0.1/24")
    make(daemon, ns)
    box, inside = running(daemon, lab, [])
    daemon.ctl("container", "nic", "add", box, f"bridge={bridge},name=eth0,address=auto,egress=10M,ingress=20M")
    daemon.ctl("container", "nic", "add", box, f"netns={ns},name=eth1,address=10.45.0.2/24,peer=p0,peer-address=10.45.0.1/24")
    assert inside.addresses("eth0") == {"10.44.0.2/24"} and netns.addresses(ns, "p0") == {"10.45.0.1/24"}
    shown = daemon.ctl("container", "nic", "ls", box).stdout
    for word in ("eth0", f"bridge/{bridge}", "10.44.0.2/24", "10M", "20M", "eth1", f"netns/{ns}"):
        assert word in shown, shown
    daemon.ctl("container", "nic", "set", box, "eth0", "mtu=1400,egress=none")
    assert inside.link("eth0")["mtu"] == 1400 and "tbf" not in inside.run("tc", "qdisc", "show", "dev", "eth0").stdout
    assert nic_status(daemon, box)["rate"] == {"egress": None, "ingress": 20_000_000}
    daemon.ctl("container", "nic", "rm", box, "eth1")
    assert set(inside.links()) == {"lo", "eth0"}


@test("nic-address-auto-is-free-and-kept", seconds=60)
def automatic(lab):
    daemon, bridge = lab.daemon, lab.name("br")
    daemon.bridge(bridge, "10.46.0.1/29", dhcp={"enabled": True, "range": ["10.46.0.2", "10.46.0.3"]})
    taken = []
    for _ in range(3):
        box = lab.name("c")
        daemon.container(box, nics=[{"bridge": bridge, "addresses": ["auto"], "gateway": "10.46.0.1"}])
        taken.append((box, nic_status(daemon, box)["chosen"]))
    assert [address for _, address in taken] == ["10.46.0.4/29", "10.46.0.5/29", "10.46.0.6/29"], taken
    answer = daemon.api.put(f"/v1/containers/{lab.name('c')}", {"image": "busybox", "nics": [{"bridge": bridge, "addresses": ["auto"]}]})
    assert answer.status == 409 and "10.46.0.0/29" in answer.json["detail"], answer
    box, address = taken[1]
    resource = daemon.api.get(f"/v1/containers/{box}").json
    assert resource["spec"]["nics"][0]["addresses"] == ["auto"]
    assert daemon.api.put(f"/v1/containers/{box}", resource["spec"]).json["revision"] == resource["revision"]
    for _ in range(2):
        daemon.start_container(box)
        assert kernel.Netns(daemon.pid_of(box)).addresses("eth0") == {address}
        assert daemon.set_state(box, "stopped", force=True).status == 200
    holders = {one["value"]: one["holder"] for one in daemon.api.get("/v1/addresses").json["items"]}
    assert holders[address.split("/")[0]] == f"container/{box}"


@test("address-that-a-stranger-answers-for-is-refused", seconds=60)
def strangers(lab):
    daemon, bridge = lab.daemon, lab.name("br")
    assert daemon.api.put(f"/v1/bridges/{bridge}", {"addresses": ["10.47.0.1/24", "fd47::1/64"]}).status == 201
    port = lab.name("s")
    with outside.namespace() as foreign:
        outside.connect(daemon.net, port, [], foreign, "e0", [])
        foreign.run("ip", "link", "set", "e0", "address", "4a:49:43:00:47:99")
        foreign.run("ip", "addr", "add", "10.47.0.2/24", "dev", "e0")
        foreign.run("ip", "addr", "add", "fd47::9/64", "dev", "e0", "nodad")
        daemon.net.run("ip", "link", "set", port, "master", bridge, "up")
        box = lab.name("c")
        for address in ("10.47.0.2/24", "fd47::9/64"):
            start = time.monotonic()
            answer = kernel.wait_until(lambda: (lambda a: a if a.status == 409 else None)(
                daemon.api.put(f"/v1/containers/{box}?dry_run=true", {"image": "busybox", "nics": [{"bridge": bridge, "addresses": [address]}]})), f"{address} refused", 5)
            assert "4a:49:43:00:47:99" in answer.json["detail"] and answer.json["errors"][0]["pointer"] == "/nics/0/addresses", answer
            print(f"     {address}: {(time.monotonic() - start) * 1000:.0f} ms")
        assert daemon.api.get(f"/v1/containers/{box}").status == 404
        start = time.monotonic()
        daemon.container(box, nics=[{"bridge": bridge, "addresses": ["auto", "fd47::8/64"]}])
        print(f"     a free pair beside a stranger: {(time.monotonic() - start) * 1000:.0f} ms")
        assert nic_status(daemon, box)["chosen"] == "10.47.0.3/24"   # .2 answers, so it is not taken
        daemon.start_container(box)
        answer = patch_nics(daemon, box, [{"bridge": bridge, "addresses": ["10.47.0.2/24"]}], status=409)
        assert "4a:49:43:00:47:99" in answer.json["detail"]
        daemon.net.run("ip", "link", "del", port)


@test("published-port-that-the-host-listens-on-names-the-process", seconds=30)
def listeners(lab):
    daemon, bridge, box = lab.daemon, lab.name("br"), lab.name("c")
    daemon.bridge(bridge, "10.48.0.1/24")
    for kind, protocol in (("SOCK_STREAM", "tcp"), ("SOCK_DGRAM", "udp")):
        script = f"import socket, time\ns = socket.socket(socket.AF_INET, socket.{kind}); s.bind(('127.0.0.1', 0))\n" \
                 + ("s.listen()\n" if protocol == "tcp" else "") + "print(s.getsockname()[1], flush=True)\ntime.sleep(60)"
        with subprocess.Popen(["nsenter", "-t", str(daemon.holder.pid), "-n", "python3", "-c", script], stdout=subprocess.PIPE, text=True) as process:
            try:
                port = int(process.stdout.readline())
                nic = {"bridge": bridge, "addresses": ["10.48.0.2/24"], "publish": [{"host_port": port, "port": 80, "protocol": protocol}]}
                answer = daemon.api.put(f"/v1/containers/{box}", {"image": "busybox", "nics": [nic]})
                assert answer.status == 409 and "python3" in answer.json["detail"] and str(process.pid) in answer.json["detail"], answer
                assert answer.json["errors"][0]["pointer"] == "/nics/0/publish/0/host_port", answer
            finally:
                process.kill()
    assert daemon.api.get(f"/v1/containers/{box}").status == 404


@test("nic-repaired-again-and-again-is-given-a-rest", seconds=60)
def fighting(lab):
    daemon, bridge = lab.daemon, lab.name("br")
    daemon.bridge(bridge, "10.49.0.1/24")
    box, inside = running(daemon, lab, [{"bridge": bridge, "addresses": ["10.49.0.2/24"]}])
    deadline, undone = time.monotonic() + 20, 0

    def contested():
        conditions = daemon.api.get(f"/v1/containers/{box}").json["status"].get("conditions", [])
        return next((one for one in conditions if one["type"] == "Contested" and one["status"]), None)

    while not contested() and time.monotonic() < deadline:
        if inside.addresses("eth0"):
            inside.run("ip", "addr", "flush", "dev", "eth0")
            undone += 1
        time.sleep(0.02)
    condition = contested()
    assert condition and "keeps changing" in condition["message"], f"{undone} times undone"
    time.sleep(1)
    assert not inside.addresses("eth0")   # it rests, and says so


@test("nic-bad-input-names-its-field")
def bad(lab):
    daemon, box = lab.daemon, lab.name("c")
    br = "brnone0"
    for nic, pointer in (({}, "/nics/0/bridge"), ({"bridge": br, "netns": "x"}, "/nics/0/netns"), ({"bridge": br, "none": True}, "/nics/0/none"), ({"netns": "x", "none": True}, "/nics/0/none"),
                         ({"none": "yes"}, "/nics/0/none"), ({"netns": "../x"}, "/nics/0/netns"), ({"netns": 7}, "/nics/0/netns"), ({"bridge": "Br"}, "/nics/0/bridge"),
                         ({"none": True, "addresses": ["auto"]}, "/nics/0/addresses/0"), ({"netns": "x", "addresses": ["auto"]}, "/nics/0/addresses/0"),
                         ({"bridge": br, "addresses": ["auto", "auto"]}, "/nics/0/addresses/1"), ({"bridge": br, "addresses": ["Auto"]}, "/nics/0/addresses/0"),
                         ({"bridge": br, "addresses": ["10.0.0.1"]}, "/nics/0/addresses/0"), ({"bridge": br, "addresses": ["10.0.0.0/24"]}, "/nics/0/addresses/0"),
                         ({"bridge": br, "addresses": ["auto"], "dhcp": True}, "/nics/0/dhcp"), ({"none": True, "dhcp": True}, "/nics/0/dhcp"),
                         ({"bridge": br, "rate": {"egress": 0}}, "/nics/0/rate/egress"), ({"bridge": br, "rate": {"ingress": "10M"}}, "/nics/0/rate/ingress"),
                         ({"bridge": br, "rate": {"ingress": 7999}}, "/nics/0/rate/ingress"), ({"bridge": br, "rate": 5}, "/nics/0/rate"), ({"bridge": br, "rate": {"up": 1}}, "/nics/0/rate/up"),
                         ({"bridge": br, "peer": {"name": "x"}}, "/nics/0/peer"), ({"netns": "x", "peer": {"name": "a/b"}}, "/nics/0/peer/name"),
                         ({"netns": "x", "peer": {"addresses": ["1.2.3.4/33"]}}, "/nics/0/peer/addresses/0"), ({"bridge": br, "mac": "01:00:5e:00:00:01"}, "/nics/0/mac"),
                         ({"bridge": br, "mac": "00:00:00:00:00:00"}, "/nics/0/mac"), ({"bridge": br, "mtu": 67}, "/nics/0/mtu"), ({"bridge": br, "mtu": 65536}, "/nics/0/mtu"),
                         ({"bridge": br, "name": "lo"}, "/nics/0/name"), ({"bridge": br, "name": "sixteen-letters-"}, "/nics/0/name"), ({"bridge": br, "gateway": "10.0.0.1"}, "/nics/0/gateway"),
                         ({"none": True, "addresses": ["10.0.0.2/24"], "publish": [{"host_port": 80}]}, "/nics/0/publish")):
        answer = daemon.api.put(f"/v1/containers/{box}", {"image": "busybox", "nics": [nic]})
        assert 400 <= answer.status < 500 and any(error["pointer"] == pointer for error in answer.json.get("errors", [])), (nic, answer)
    for nic, pointer in (({"netns": lab.name("nons")}, "/nics/0/netns"), ({"bridge": "brnone0", "addresses": ["auto"]}, "/nics/0/bridge")):
        answer = daemon.api.put(f"/v1/containers/{box}", {"image": "busybox", "nics": [nic]})
        assert answer.status == 404 and answer.json["errors"][0]["pointer"] == pointer, answer
    assert daemon.api.get(f"/v1/containers/{box}").status == 404
