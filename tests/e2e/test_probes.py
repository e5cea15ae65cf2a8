"""Probes: each cause that can stop a packet is made, and must be named."""
import subprocess

from harness import kernel, netns
from harness.runner import Skip, test
from test_netns import join, make, pair


def probe(daemon, source, to, port=None, kind="netns", **more):
    body = {"type": "tcp" if port else "ping", "from": {kind: source} if kind != "host" else {"host": True}, "to": to, "timeout_ms": 300, **more}
    if port:
        body["port"] = port
    answer = daemon.api.post("/v1/probes", body)
    assert answer.status == 200, answer
    return answer.json


def blocked(daemon, source, to, code, where, port=None, **more):
    result = probe(daemon, source, to, port, **more)
    assert not result["reachable"] and result["rtt"] is None, result
    assert (result["blocked_by"]["code"], result["blocked_by"]["where"]) == (code, where), result
    return result["blocked_by"]["detail"]


def observe(daemon, link):
    """Lets the damage stay."""
    assert daemon.api.patch(f"/v1/links/{link}", {"policy": "observe"}).status == 200


def listener(name, address="0.0.0.0", port=9043):
    code = f"import socket as s, time; l = s.socket(); l.setsockopt(s.SOL_SOCKET, s.SO_REUSEADDR, 1); l.bind(('{address}', {port})); l.listen(); time.sleep(60)"
    process = subprocess.Popen(["ip", "netns", "exec", name, "python3", "-c", code])
    kernel.wait_until(lambda: f":{port}" in netns.inside(name, "ss", "-ntl").stdout, "the listener")
    return process


@test("N7-probe-comes-through")
def reachable(lab):
    daemon = lab.daemon
    server, client, _ = pair(lab, daemon)
    result = probe(daemon, client, "10.10.10.1")
    assert result["reachable"] and 0 < result["rtt"] < 300_000_000 and result["blocked_by"] is None, result
    process = listener(server)
    try:
        assert probe(daemon, client, "10.10.10.1", 9043)["reachable"]
    finally:
        process.kill()
        process.wait(10)
    said = daemon.ctl("probe", "ping", "10.10.10.1", "--from", f"netns/{client}")
    assert "is reachable in" in said.stdout, said.stdout


@test("N7-probe-names-no-listener")
def no_listener(lab):
    daemon = lab.daemon
    server, client, _ = pair(lab, daemon)
    blocked(daemon, client, "10.10.10.1", "no-listener", f"netns/{server}", 9043)
    process = listener(server, "127.0.0.1")
    try:
        blocked(daemon, client, "10.10.10.1", "no-listener", f"netns/{server}", 9043)
    finally:
        process.kill()
        process.wait(10)
    said = daemon.ctl("probe", "tcp", "10.10.10.1", "9043", "--from", f"netns/{client}", check=False)
    assert said.returncode == 1 and f"no-listener at netns/{server}" in said.stdout, said


@test("N7-probe-names-no-route")
def no_route(lab):
    daemon = lab.daemon
    server, client, _ = pair(lab, daemon)
    detail = blocked(daemon, client, "10.99.0.1", "no-route", f"netns/{client}")
    assert "10.99.0.1" in detail, detail


@test("N7-probe-names-link-down")
def link_down(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    observe(daemon, link)
    netns.inside(server, "ip", "link", "set", "vethsrv", "down")
    assert "vethsrv" in blocked(daemon, client, "10.10.10.1", "link-down", f"netns/{server}")
    netns.inside(server, "ip", "link", "set", "vethsrv", "up")
    netns.inside(client, "ip", "link", "set", "vethcli", "down")
    assert "vethcli" in blocked(daemon, client, "10.10.10.1", "link-down", f"netns/{client}")


@test("N7-probe-names-no-address")
def no_address(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    observe(daemon, link)
    netns.inside(server, "ip", "addr", "flush", "dev", "vethsrv")
    blocked(daemon, client, "10.10.10.1", "no-address", f"netns/{server}")
    netns.inside(client, "ip", "addr", "flush", "dev", "vethcli")
    blocked(daemon, client, "10.10.10.1", "no-address", f"netns/{client}")


@test("N7-probe-names-other-subnet")
def other_subnet(lab):
    daemon = lab.daemon
    server, client = lab.name("nss"), lab.name("nsc")
    make(daemon, server)
    make(daemon, client)
    join(daemon, lab.name("l"), {"netns": server, "name": "e0", "addresses": ["10.10.20.1/24"]}, {"netns": client, "name": "e0", "addresses": ["10.10.10.2/24"]})
    blocked(daemon, client, "10.10.20.1", "other-subnet", f"netns/{client}")


def chain(lab, daemon):
    """client - router - server; the router forwards."""
    server, client, router = lab.name("nss"), lab.name("nsc"), lab.name("nsr")
    make(daemon, server, routes=[{"to": "default", "via": "10.10.2.1"}])
    make(daemon, client, routes=[{"to": "default", "via": "10.10.1.1"}])
    make(daemon, router, sysctls={"net.ipv4.ip_forward": "1"}, policy="observe")
    join(daemon, lab.name("l"), {"netns": router, "name": "rc", "addresses": ["10.10.1.1/24"]}, {"netns": client, "name": "e0", "addresses": ["10.10.1.2/24"]})
    join(daemon, lab.name("l"), {"netns": router, "name": "rs", "addresses": ["10.10.2.1/24"]}, {"netns": server, "name": "e0", "addresses": ["10.10.2.2/24"]})
    kernel.wait_until(lambda: netns.inside(client, "ping", "-c", "1", "-W", "1", "10.10.2.2", check=False).returncode == 0, "the way through the router")
    return server, client, router


@test("N7-probe-names-forwarding-off-on-the-router")
def forwarding(lab):
    daemon = lab.daemon
    server, client, router = chain(lab, daemon)
    assert probe(daemon, client, "10.10.2.2")["reachable"]
    netns.inside(router, "sysctl", "-qw", "net.ipv4.ip_forward=0")
    assert "ip_forward" in blocked(daemon, client, "10.10.2.2", "forwarding-off", f"netns/{router}")


@test("N7-probe-names-no-route-of-the-router")
def router_route(lab):
    daemon = lab.daemon
    server, client, router = chain(lab, daemon)
    blocked(daemon, client, "10.99.9.9", "no-route", f"netns/{router}")


@test("N7-probe-names-rp-filter")
def rp_filter(lab):
    daemon = lab.daemon
    server, client, router = chain(lab, daemon)
    # The way back goes elsewhere, which a strict filter takes for a forgery.
    make(daemon, server, routes=[{"to": "default", "via": "10.10.2.1"}], policy="observe")
    netns.inside(server, "ip", "link", "add", "elsewhere", "type", "bridge")
    netns.inside(server, "ip", "link", "set", "elsewhere", "up")
    netns.inside(server, "ip", "route", "add", "10.10.1.0/24", "dev", "elsewhere")
    netns.inside(server, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    detail = blocked(daemon, client, "10.10.2.2", "rp-filter", f"netns/{server}")
    assert "rp_filter" in detail, detail


@test("N7-probe-names-the-firewall-chain")
def firewall(lab):
    if subprocess.run(["nft", "--version"], capture_output=True, check=False).returncode:
        raise Skip("no nft on this host")
    daemon = lab.daemon
    server, client, router = chain(lab, daemon)
    process = listener(server)
    try:
        rules = "table inet lab {{ chain {0} {{ type filter hook {0} priority 0; policy {1};{2}\n }}\n}}"
        for name, hook, policy, rule in ((server, "input", "drop", ""), (router, "forward", "drop", ""), (client, "output", "drop", ""),
                                         (server, "input", "accept", "tcp dport 9043 drop"), (router, "forward", "accept", "ip daddr 10.10.2.0/24 reject")):
            netns.inside(name, "nft", "-f", "-", input=rules.format(hook, policy, rule))
            detail = blocked(daemon, client, "10.10.2.2", "firewall", f"netns/{name}", 9043)
            assert f"inet lab {hook}" in detail, detail
            netns.inside(name, "nft", "delete", "table", "inet", "lab")
            assert probe(daemon, client, "10.10.2.2", 9043)["reachable"]
    finally:
        process.kill()
        process.wait(10)


@test("probe-bad-input-names-its-field")
def bad_input(lab):
    daemon = lab.daemon
    good = {"type": "ping", "from": {"host": True}, "to": "127.0.0.1"}
    for change, pointer in (({"type": "udp"}, "/type"), ({"type": None}, "/type"), ({"from": {}}, "/from"), ({"from": {"netns": "A b"}}, "/from/netns"),
                            ({"from": {"host": False}}, "/from/host"), ({"from": {"host": True, "netns": "x"}}, "/from"), ({"to": "10.1"}, "/to"),
                            ({"to": 7}, "/to"), ({"port": 80}, "/port"), ({"type": "tcp"}, "/port"), ({"type": "tcp", "port": 0}, "/port"),
                            ({"type": "tcp", "port": 65536}, "/port"), ({"timeout_ms": 0}, "/timeout_ms"), ({"more": 1}, "/more")):
        answer = daemon.api.post("/v1/probes", {**good, **change})
        assert answer.status == 422 and pointer in [one["pointer"] for one in answer.json["errors"]], (change, answer)
    assert daemon.api.post("/v1/probes", {**good, "from": {"netns": "nobody"}}).status == 404


@test("address-book-names-every-holder")
def addresses(lab):
    daemon = lab.daemon
    server, client, link = pair(lab, daemon)
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.50.1/24", mac="4a:49:43:00:50:01")
    items = {(one["type"], one["value"]): one["holder"] for one in daemon.api.get("/v1/addresses").json["items"]}
    assert items["address", "10.10.10.1"] == f"link/{link}" and items["address", "172.31.50.1"] == f"bridge/{bridge}", items
    assert items["mac", "4a:49:43:00:50:01"] == f"bridge/{bridge}"
    assert items["mac", netns.links(server)["vethsrv"]["address"]] == f"link/{link}"
    assert f"link/{link}" in daemon.ctl("address", "ls").stdout
