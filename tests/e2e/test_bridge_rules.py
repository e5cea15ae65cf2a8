"""nat, isolation and published ports of bridges: packets that pass, packets that do not."""
import contextlib

from harness import kernel, outside
from harness.runner import test


@contextlib.contextmanager
def world(lab, daemon):
    """Another host, on a wire to the daemon's; it knows no way to any bridge."""
    with outside.namespace() as other:
        outside.connect(daemon.net, "wire0", ["203.0.113.1/24", "2001:db8:f::1/64"], other, "eth0", ["203.0.113.2/24", "2001:db8:f::2/64"])
        try:
            yield other
        finally:
            daemon.net.run("ip", "link", "del", "wire0", check=False)


def nic(bridge, number, octet, **more):
    return {"name": "eth0", "bridge": bridge, "addresses": [f"172.31.{octet}.{number}/24", f"fd31:{octet}::{number}/64"],
            "gateway": f"172.31.{octet}.1", **more}


def make_bridge(daemon, name, octet, **more):
    return daemon.bridge(name, f"172.31.{octet}.1/24", **{"addresses": [f"172.31.{octet}.1/24", f"fd31:{octet}::1/64"], **more})


def container(daemon, name, *args, **more):
    daemon.container(name, nics=[nic(*args, **more)], start=True)
    pid = daemon.pid_of(name)
    kernel.run("nsenter", "-t", pid, "-n", "ip", "-6", "route", "replace", "default", "via", f"fd31:{args[2]}::1")
    net = kernel.Netns(pid)
    kernel.wait_until(lambda: "tentative" not in net.run("ip", "-6", "addr").stdout, "addresses are usable")
    return pid


@test("L19-nat-reaches-the-outside-v4-v6")
def nat(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    switch = ("cat", "/proc/sys/net/ipv4/ip_forward")
    with world(lab, daemon) as other, outside.server(other.pid, 7000), outside.server(other.pid, 7001, "udp"):
        assert daemon.net.run(*switch).stdout == "0\n"
        make_bridge(daemon, bridge, 20)
        pid = container(daemon, "c1", bridge, 2, 20)
        assert outside.call(pid, "203.0.113.2", 7000, wait=1) == "", "without nat nothing can come back"
        assert daemon.net.run(*switch).stdout == "0\n", "forwarding was switched on for nothing"
        assert daemon.api.patch(f"/v1/bridges/{bridge}", {"nat": True}).status == 200
        assert outside.call(pid, "203.0.113.2", 7000) == "203.0.113.1"
        assert outside.call(pid, "2001:db8:f::2", 7000) == "2001:db8:f::1"
        assert outside.call(pid, "203.0.113.2", 7001, "udp") == "203.0.113.1"
        assert daemon.net.run(*switch).stdout == "1\n"
        assert daemon.api.patch(f"/v1/bridges/{bridge}", {"nat": False}).status == 200
        assert outside.tables(daemon.net) == set()
        assert daemon.net.run(*switch).stdout == "0\n", "forwarding stays on"


@test("bridge-isolation-between-bridges-and-between-ports")
def isolation(lab):
    daemon = lab.daemon
    first, second = lab.name("bra"), lab.name("brb")
    make_bridge(daemon, first, 21, nat=True)
    make_bridge(daemon, second, 22)
    one, two = container(daemon, "one", first, 2, 21), container(daemon, "two", first, 3, 21)
    three = container(daemon, "three", second, 2, 22)
    with world(lab, daemon) as other, outside.server(other.pid, 7000), outside.server(two, 7002), outside.server(three, 7003):
        assert outside.call(one, "172.31.21.3", 7002) == "172.31.21.2"
        assert outside.call(one, "172.31.22.2", 7003)
        assert daemon.api.patch(f"/v1/bridges/{first}", {"isolation": True}).status == 200
        for address in ("172.31.21.3", "fd31:21::3"):
            assert outside.call(one, address, 7002, wait=1) == "", f"{address} can be reached by its neighbour"
        for address in ("172.31.22.2", "fd31:22::2"):
            assert outside.call(one, address, 7003, wait=1) == "", f"{address} can be reached from the isolated bridge"
        assert outside.call(one, "203.0.113.2", 7000) == "203.0.113.1", "the outside must stay reachable"
        port = next(p for p in daemon.api.get(f"/v1/bridges/{first}").json["status"]["ports"] if p["container"] == "one")
        shown = daemon.net.link(port["name"])["linkinfo"]["info_slave_data"]
        assert shown["isolated"] is True, shown
        # Not by way of the host either.
        kernel.run("nsenter", "-t", one, "-n", "ip", "route", "add", "172.31.21.3/32", "via", "172.31.21.1")
        assert outside.call(one, "172.31.21.3", 7002, wait=1) == ""
        kernel.run("nsenter", "-t", one, "-n", "ip", "route", "del", "172.31.21.3/32")
        assert daemon.api.patch(f"/v1/bridges/{first}", {"isolation": False}).status == 200
        assert outside.call(one, "172.31.21.3", 7002) == "172.31.21.2"
        assert outside.call(one, "172.31.22.2", 7003)


@test("publish-from-outside-host-neighbour-and-localhost-v4-v6-tcp-udp", 90)
def publish(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    ports = [{"host_port": 18080, "port": 80}, {"host_port": 18053, "port": 53, "protocol": "udp"}]
    make_bridge(daemon, bridge, 23)
    web = container(daemon, "web", bridge, 2, 23, publish=ports)
    near = container(daemon, "near", bridge, 3, 23)
    here = daemon.holder.pid
    with world(lab, daemon) as other, outside.server(web, 80), outside.server(web, 53, "udp"):
        assert outside.call(other.pid, "203.0.113.1", 18080) == "203.0.113.2", "the caller's address must be seen"
        assert outside.call(other.pid, "2001:db8:f::1", 18080), "IPv6 from outside"
        assert outside.call(other.pid, "203.0.113.1", 18053, "udp") == "203.0.113.2"
        assert outside.call(here, "203.0.113.1", 18080), "from the host by its own address"
        assert outside.call(here, "127.0.0.1", 18080) == "172.31.23.1", "from the host by localhost"
        assert outside.call(here, "127.0.0.1", 18053, "udp") == "172.31.23.1"
        assert outside.call(near, "203.0.113.1", 18080) == "172.31.23.1", "from a neighbour on the bridge"
        assert outside.call(other.pid, "203.0.113.1", 18081, wait=1) == ""
        # What listens on the host's localhost only must not be reachable over the bridge now.
        with outside.server(here, 9999):
            kernel.run("nsenter", "-t", near, "-n", "ip", "route", "add", "127.0.0.1/32", "via", "172.31.23.1", check=False)
            assert outside.call(near, "127.0.0.1", 9999, wait=1) == ""
        daemon.set_state("web", "stopped", force=True)
        assert outside.call(other.pid, "203.0.113.1", 18080, wait=1) == ""
        assert outside.tables(daemon.net) == set()
        daemon.start_container("web")
        with outside.server(daemon.pid_of("web"), 80):
            assert outside.call(other.pid, "203.0.113.1", 18080)
            daemon.restart()
            assert outside.call(other.pid, "203.0.113.1", 18080), "it must survive the daemon's death"


@test("publish-conflict-names-the-holder")
def conflict(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 24)
    published = {"publish": [{"host_port": 18080, "port": 80}]}
    daemon.container("holder", nics=[nic(bridge, 2, 24, **published)])
    answer = daemon.api.put("/v1/containers/second", {"image": "busybox", "nics": [nic(bridge, 3, 24, **published)]})
    assert answer.status == 409 and answer.json["conflicts_with"] == ["container/holder"], answer
    result = daemon.ctl("container", "create", "second", "--image", "busybox",
                        "--nic", f"bridge={bridge},address=172.31.24.3/24,publish=18080:80/tcp", check=False)
    assert result.returncode != 0 and "container/holder" in result.stderr, result.stderr
    daemon.ctl("container", "create", "second", "--image", "busybox", "--nic", f"bridge={bridge},address=172.31.24.3/24,publish=18080:80/udp")
    spec = daemon.get_container("second")["spec"]["nics"][0]["publish"]
    assert spec == [{"host_port": 18080, "port": 80, "protocol": "udp"}], spec


@test("drift-of-the-packet-filter-is-repaired")
def repaired(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 25, nat=True)
    net = daemon.net
    table = next(iter(outside.tables(net)))
    assert table.startswith("inet sovirt-"), table
    whole = [one for one in outside.ruleset(net) if "rule" in one]
    assert whole

    def again():
        now = [one for one in outside.ruleset(net) if "rule" in one]
        return len(now) == len(whole) and net.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n"
    for damage in (("nft", "flush", "ruleset"), ("nft", "delete", "table", *table.split()), ("nft", "flush", "chain", *table.split(), "outbound"),
                   ("nft", "add", "rule", *table.split(), "crossing", "drop"), ("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")):
        net.run(*damage)
        kernel.wait_until(again, f"whole again after {' '.join(damage)}", timeout=5)

    def drifted():
        conditions = daemon.api.get(f"/v1/bridges/{bridge}").json["status"]["conditions"]
        return [one for one in conditions if one["type"] == "Drifted" and one["status"] is True]
    kernel.wait_until(lambda: not drifted(), "it is no longer said to differ", timeout=5)

@test("drift-of-the-packet-filter-is-reported-under-observe")
def observed(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 26, nat=True, policy="observe")
    daemon.net.run("nft", "flush", "ruleset")

    def drifted():
        return [one for one in daemon.api.get(f"/v1/bridges/{bridge}").json["status"]["conditions"] if one["type"] == "Drifted" and one["status"]]
    kernel.wait_until(drifted, "the drift is reported", timeout=3)
    assert outside.tables(daemon.net) == set(), "observe must not repair"


@test("a-forward-chain-that-drops-is-named")
def dropping(lab):
    daemon = lab.new_daemon(image=False)
    make_bridge(daemon, "brdrop", 27, nat=True)
    daemon.net.run("nft", "add", "table", "ip", "filter")
    daemon.net.run("nft", "add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0; policy drop; }")

    def blocked():
        return [one for one in daemon.api.get("/v1/bridges/brdrop").json["status"]["conditions"] if one["type"] == "ForwardingBlocked"]
    condition = kernel.wait_until(blocked, "the chain is named", timeout=3)[0]
    assert "FORWARD" in condition["message"] and "ip filter" in condition["message"], condition
    daemon.net.run("nft", "delete", "table", "ip", "filter")
    kernel.wait_until(lambda: not blocked(), "the condition goes with the chain", timeout=3)


@test("bridge-rules-bad-input")
def bad_input(lab):
    daemon = lab.daemon
    name = lab.name("br")
    for field, value in (("nat", 1), ("nat", "yes"), ("isolation", []), ("isolation", "true")):
        answer = daemon.api.put(f"/v1/bridges/{name}", {"addresses": ["172.31.28.1/24"], field: value})
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == f"/{field}", answer
    make_bridge(daemon, name, 28)
    for publish, pointer in (([{"host_port": 0}], "/nics/0/publish/0/host_port"), ([{"host_port": 65536}], "/nics/0/publish/0/host_port"),
                             ([{"host_port": "80"}], "/nics/0/publish/0/host_port"), ([{"host_port": 80, "port": -1}], "/nics/0/publish/0/port"),
                             ([{}], "/nics/0/publish/0/host_port"), ([{"host_port": 80, "protocol": "icmp"}], "/nics/0/publish/0/protocol"),
                             ({}, "/nics/0/publish"), ([{"host_port": 80}, {"host_port": 80}], "/nics/0/publish")):
        answer = daemon.api.put("/v1/containers/bad", {"image": "busybox", "nics": [nic(name, 2, 28, publish=publish)]})
        assert answer.status == 422 and pointer in [one["pointer"] for one in answer.json["errors"]], (publish, answer)
    assert outside.tables(daemon.net) == set()
