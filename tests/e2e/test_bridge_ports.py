"""A NIC of the host in a bridge: a veth end stands for the NIC, a namespace behind it for the LAN with its router."""
import contextlib
import json
import os
import signal
import subprocess
import time

from harness import kernel, outside
from harness.runner import test

NIC = "lan0"


@contextlib.contextmanager
def lan(daemon):
    """The daemon's host at 198.51.100.5 on a LAN whose router is 198.51.100.1 and knows 203.0.113.0/24."""
    with outside.namespace() as router:
        outside.connect(daemon.net, NIC, ["198.51.100.5/24", "2001:db8:5::5/64"], router, "eth0", ["198.51.100.1/24", "2001:db8:5::1/64"])
        router.run("ip", "addr", "add", "203.0.113.1/32", "dev", "lo")
        daemon.net.run("ip", "route", "add", "default", "via", "198.51.100.1", "dev", NIC, "metric", "7")
        daemon.net.run("ip", "-6", "route", "add", "default", "via", "2001:db8:5::1", "dev", NIC, "metric", "9")
        daemon.net.run("ip", "route", "add", "10.99.0.0/16", "via", "198.51.100.1", "dev", NIC, "mtu", "1400")
        try:
            yield router
        finally:
            daemon.net.run("ip", "link", "del", NIC, check=False)


@contextlib.contextmanager
def dhcp_server(router):
    process = subprocess.Popen(["nsenter", "-t", str(router.pid), "-n", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--pid-file",
                                "--interface=eth0", "--bind-dynamic", "--no-ping", "--dhcp-authoritative", "--dhcp-leasefile=/dev/null", "--leasefile-ro",
                                "--dhcp-range=198.51.100.50,198.51.100.90,255.255.255.0,600", "--dhcp-option=option:router,198.51.100.1", "--user=root"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def belongings(net, link):
    """Addresses and routes of a link as iproute2 shows them, without what the kernel makes by itself."""
    routes = []
    for family in ("-4", "-6"):
        for route in json.loads(net.run("ip", "-j", family, "route", "show", "dev", link, check=False).stdout or "[]"):
            if not route["dst"].startswith("fe80"):
                routes.append(tuple(sorted((key, str(value)) for key, value in route.items() if key not in ("flags", "dev", "pref"))))
    return net.addresses(link), sorted(routes)


def is_port(daemon, bridge):
    return (daemon.net.link(NIC) or {}).get("master") == bridge


def reachable(daemon):
    return kernel.ping(daemon.holder.pid, "203.0.113.1")


@test("L20-host-nic-into-the-bridge-addresses-and-routes-move")
def moves(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    with lan(daemon) as router:
        assert reachable(daemon)
        before = belongings(daemon.net, NIC)
        daemon.ctl("bridge", "create", bridge, "--port", NIC, "--address-from", "port")
        assert is_port(daemon, bridge) and daemon.net.addresses(NIC) == set()
        assert belongings(daemon.net, bridge) == before, "the bridge has what the NIC had"
        assert daemon.net.link(bridge)["address"] == daemon.net.link(NIC)["address"], "neighbours must find the host at once"
        assert reachable(daemon)
        status = daemon.api.get(f"/v1/bridges/{bridge}").json["status"]
        assert {"name": NIC, "host": NIC} in status["ports"] and "198.51.100.5/24" in status["addresses"], status
        daemon.container("onlan", nics=[{"name": "eth0", "bridge": bridge, "addresses": ["198.51.100.20/24"], "gateway": "198.51.100.1"}], start=True)
        kernel.wait_until(lambda: kernel.ping(router.pid, "198.51.100.20"), "the container is on the LAN")
        daemon.set_state("onlan", "stopped", force=True)
        daemon.api.delete("/v1/containers/onlan")
        assert daemon.api.delete(f"/v1/bridges/{bridge}").status == 204
        assert belongings(daemon.net, NIC) == before and "master" not in daemon.net.link(NIC)
        assert reachable(daemon)


@test("L20-dhclient-on-the-bridge-and-containers-by-dhcp", 90)
def dhcp(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    with lan(daemon) as router, dhcp_server(router):
        before = belongings(daemon.net, NIC)
        daemon.ctl("bridge", "create", bridge, "--port", NIC, "--address-from", "dhcp")

        def leased(net, link):
            return [one for one in net.addresses(link) if 50 <= int(one.split(".")[3].split("/")[0]) <= 90]
        kernel.wait_until(lambda: leased(daemon.net, bridge), "the bridge has a leased address", 20)
        assert daemon.net.addresses(NIC) == set()
        assert reachable(daemon), "the default route came with the lease"
        daemon.container("guest", nics=[{"name": "eth0", "bridge": bridge, "dhcp": True}], start=True)
        inside = kernel.Netns(daemon.pid_of("guest"))
        kernel.wait_until(lambda: leased(inside, "eth0"), "the container has a leased address", 20)
        assert kernel.ping(inside.pid, "203.0.113.1")
        kernel.wait_until(lambda: leased(inside, "eth0")[0] in daemon.get_container("guest")["status"]["addresses"], "its status shows it")
        # Both clients outlive the daemon, and whoever kills one gets another.
        daemon.restart()
        clients = clients_of(daemon)
        assert len(clients) == 2, clients
        for pid in clients:
            os.kill(pid, signal.SIGKILL)
        kernel.wait_until(lambda: len(clients_of(daemon) - clients) == 2, "both clients are back", 5)
        kernel.wait_until(lambda: leased(inside, "eth0") and reachable(daemon), "and work", 20)
        daemon.set_state("guest", "stopped", force=True)
        daemon.api.delete("/v1/containers/guest")
        assert daemon.api.delete(f"/v1/bridges/{bridge}").status == 204
        assert clients_of(daemon) == set()
        assert belongings(daemon.net, NIC) == before


def clients_of(daemon):
    part = f"{daemon.run_dir}/helpers/dhcp-".encode()
    found = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as environ:
                if part in environ.read() and kernel.process_exists(int(entry)):
                    found.add(int(entry))
        except OSError:
            continue
    return found


@test("bridge-dhcp-leases-reach-containers-with-dhcp")
def own_server(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.50.1/24", dhcp={"enabled": True, "range": ["172.31.50.100", "172.31.50.120"]}, dns={"enabled": True})
    daemon.container("asker", nics=[{"name": "eth0", "bridge": bridge, "dhcp": True}], start=True)
    inside = kernel.Netns(daemon.pid_of("asker"))
    address = kernel.wait_until(lambda: next(iter(inside.addresses("eth0")), None), "it has a lease", 20)
    leases = daemon.api.get(f"/v1/bridges/{bridge}").json["status"]["leases"]
    assert [(one["address"], one["name"]) for one in leases] == [(address.split("/")[0], "asker")], leases
    assert kernel.ping(inside.pid, "172.31.50.1")
    assert daemon.execute("asker", "nslookup", "asker.sovirt", "172.31.50.1")["exit_code"] == 0, "a leased name resolves"


@test("L20-undone-unless-confirmed", 60)
def guard(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    with lan(daemon):
        before = belongings(daemon.net, NIC)
        spec = {"ports": [NIC], "address_from": "port"}
        answer = daemon.api.put(f"/v1/bridges/{bridge}?confirm_within=2", spec)
        assert answer.status == 201 and is_port(daemon, bridge), answer
        assert any(one["type"] == "Unconfirmed" for one in answer.json["status"]["conditions"]), answer
        kernel.wait_until(lambda: daemon.net.link(bridge) is None, "it is undone", 6)
        assert belongings(daemon.net, NIC) == before and reachable(daemon)
        assert daemon.api.put(f"/v1/bridges/{bridge}?confirm_within=2", spec).status == 201
        daemon.ctl("bridge", "confirm", bridge)
        answer = daemon.api.post(f"/v1/bridges/{bridge}/actions/confirm")
        assert answer.status == 409, answer
        time.sleep(2.5)
        assert is_port(daemon, bridge) and reachable(daemon)
        for wrong in ("0", "3601", "x", "-1", ""):
            assert daemon.api.put(f"/v1/bridges/{bridge}?confirm_within={wrong}", spec).status == 400, wrong
        assert daemon.api.post("/v1/bridges/absent/actions/confirm").status == 404


@test("L20-a-killed-daemon-is-no-confirmation", 60)
def guard_killed(lab):
    daemon = lab.new_daemon(image=False)
    with lan(daemon):
        before = belongings(daemon.net, NIC)
        assert daemon.api.put("/v1/bridges/brlan?confirm_within=1", {"ports": [NIC], "address_from": "port"}).status == 201
        daemon.kill()
        time.sleep(1.2)
        assert is_port(daemon, "brlan")
        daemon.start()
        kernel.wait_until(lambda: daemon.net.link("brlan") is None, "it is undone", 6)
        assert belongings(daemon.net, NIC) == before


@test("L20-a-crash-in-the-middle-leaves-the-nic-as-it-was", 90)
def crash(lab):
    daemon = lab.new_daemon(image=False, start=False)
    daemon.make_network()
    with lan(daemon):
        before = belongings(daemon.net, NIC)
        for point in ("step:uplink.join:before", "step:uplink.join:after", "step:link.change:after", "commit:before"):
            daemon.start(SOVIRT_FAILPOINT=f"{point}:kill")
            try:
                daemon.api.put("/v1/bridges/brlan", {"ports": [NIC], "address_from": "port"})
            except OSError:
                pass
            daemon.await_death()
            daemon.start()
            assert belongings(daemon.net, NIC) == before and daemon.net.link("brlan") is None, point
            daemon.kill()
        daemon.start(SOVIRT_FAILPOINT="step:uplink.join:after:error=EIO")
        answer = daemon.api.put("/v1/bridges/brlan", {"ports": [NIC], "address_from": "port"})
        assert answer.status >= 500, answer
        assert belongings(daemon.net, NIC) == before and daemon.net.link("brlan") is None


@test("a-port-taken-out-comes-back-and-a-late-nic-too", 60)
def drift(lab):
    daemon = lab.new_daemon(image=False)
    with lan(daemon) as router:
        daemon.api.put("/v1/bridges/brlan", {"ports": [NIC], "address_from": "port"})
        had = belongings(daemon.net, "brlan")
        started = time.monotonic()
        daemon.net.run("ip", "link", "set", NIC, "nomaster")
        kernel.wait_until(lambda: is_port(daemon, "brlan"), "it is a port again", 5)
        assert time.monotonic() - started < 2.0
        daemon.net.run("ip", "addr", "flush", "dev", "brlan", "scope", "global")
        kernel.wait_until(lambda: belongings(daemon.net, "brlan") == had, "flushed addresses are back", 5)
        daemon.net.run("ip", "link", "del", NIC)

        def ready():
            return [one["status"] for one in daemon.api.get("/v1/bridges/brlan").json["status"]["conditions"] if one["type"] == "Ready"]
        kernel.wait_until(lambda: ready() == [False], "the bridge says that its port is gone", 5)
        started = time.monotonic()
        outside.connect(daemon.net, NIC, [], router, "eth1", [])
        kernel.wait_until(lambda: is_port(daemon, "brlan"), "a NIC that appears is a port at once", 5)
        assert time.monotonic() - started < 2.0
        kernel.wait_until(lambda: ready() == [True], "and the bridge is ready", 5)


@test("bridge-ports-bad-input")
def bad_input(lab):
    daemon = lab.daemon
    name, other = lab.name("br"), lab.name("ot")
    with lan(daemon):
        before = belongings(daemon.net, NIC)
        daemon.net.run("ip", "link", "add", "foreign0", "type", "bridge")
        daemon.bridge(other, None)
        cases = [(["lo"], 422, "/ports/0"), ([name], 422, "/ports/0"), (["absent0"], 404, "/ports/0"), (["foreign0"], 422, "/ports/0"),
                 ([NIC, NIC], 422, "/ports/1"), (["a/b"], 422, "/ports/0"), (["sixteen-bytes-xx"], 422, "/ports/0"), ([""], 422, "/ports/0"),
                 ([7], 422, "/ports/0"), (NIC, 422, "/ports"), ([other], 409, None)]
        for ports, status, pointer in cases:
            answer = daemon.api.put(f"/v1/bridges/{name}", {"ports": ports})
            assert answer.status == status, (ports, answer)
            assert pointer is None or pointer in [one["pointer"] for one in answer.json["errors"]], (ports, answer)
        for body in ({"address_from": "port"}, {"address_from": "nowhere"}, {"address_from": 1}):
            assert daemon.api.put(f"/v1/bridges/{name}", body).status == 422
        daemon.net.run("ip", "link", "set", NIC, "master", "foreign0")
        assert daemon.api.put(f"/v1/bridges/{name}", {"ports": [NIC]}).status == 409
        daemon.net.run("ip", "link", "set", NIC, "nomaster")
        daemon.net.run("ip", "link", "del", "foreign0")
        assert belongings(daemon.net, NIC) == before and daemon.net.link(name) is None
        assert daemon.api.put(f"/v1/bridges/{name}", {"ports": [NIC]}).status == 201
        answer = daemon.api.put(f"/v1/bridges/{other}", {"ports": [NIC]})
        assert answer.status == 409 and answer.json["conflicts_with"] == [f"bridge/{name}"], answer
        assert daemon.api.delete(f"/v1/bridges/{name}").status == 204
