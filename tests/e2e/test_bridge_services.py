"""DHCP and DNS of bridges: leases, names, a dnsmasq that outlives the daemon and is replaced when it dies."""
import os
import pathlib
import signal
import time

from harness import kernel, outside
from harness.runner import test


def service_pids(daemon):
    """Processes whose command line names this daemon's helpers."""
    part = f"{daemon.run_dir}/helpers/".encode()
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if part in (entry / "cmdline").read_bytes() and kernel.process_exists(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def make_bridge(daemon, name, octet, **more):
    return daemon.bridge(name, f"172.31.{octet}.1/24", **{"dhcp": {"enabled": True, "range": [f"172.31.{octet}.100", f"172.31.{octet}.110"]},
                                                        "dns": {"enabled": True, "domain": "lab.test"}, **more})


def lease(net, interface="eth0", options=()):
    """What a DHCP client of another host gets; it configures nothing."""
    script = "/bin/true"
    result = net.run("busybox", "udhcpc", "-i", interface, "-n", "-q", "-f", "-t", "8", "-T", "1", "-s", script, *options, check=False, timeout=30)
    for line in (result.stdout + result.stderr).splitlines():
        if "lease of " in line:
            return line.split("lease of ")[1].split()[0].rstrip(",")
    return None


def client_on(daemon, bridge, other):
    """Another host with its wire in the bridge."""
    name = f"cl{os.urandom(3).hex()}"
    outside.connect(daemon.net, name, [], other, "eth0", [])
    daemon.net.run("ip", "link", "set", name, "master", bridge)
    return name


@test("L20-dhcp-of-a-bridge-leases-and-status")
def leases(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 40)
    with outside.namespace() as other:
        wire = client_on(daemon, bridge, other)
        got = lease(other)
        assert got and 100 <= int(got.split(".")[3]) <= 110, got
        shown = daemon.api.get(f"/v1/bridges/{bridge}").json["status"]["leases"]
        mac = other.link("eth0")["address"]
        assert [(one["address"], one["mac"]) for one in shown] == [(got, mac)], shown
        assert got in daemon.ctl("bridge", "show", bridge).stdout
        # An address that is leased to somebody else cannot become a container's.
        answer = daemon.api.put("/v1/containers/taker", {"image": "busybox", "nics": [{"name": "eth0", "bridge": bridge, "addresses": [f"{got}/24"]}]})
        assert answer.status == 409 and got in answer.json["detail"], answer
        daemon.net.run("ip", "link", "del", wire)


@test("a-fixed-address-is-never-leased")
def reserved(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 41, dhcp={"enabled": True, "range": ["172.31.41.100", "172.31.41.101"]})
    daemon.container("fixed", nics=[{"name": "eth0", "bridge": bridge, "addresses": ["172.31.41.100/24"]}])
    kernel.wait_until(lambda: any("172.31.41.100" in path.read_text() for path in (daemon.run_dir / "helpers").glob("*/reservations")), "dnsmasq is told")
    time.sleep(0.2)
    with outside.namespace() as other:
        wire = client_on(daemon, bridge, other)
        assert lease(other) == "172.31.41.101"
        daemon.net.run("ip", "link", "del", wire)


@test("names-of-containers-resolve-inside-and-on-the-host")
def names(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 42)
    nic = lambda number: {"name": "eth0", "bridge": bridge, "addresses": [f"172.31.42.{number}/24"], "gateway": "172.31.42.1"}  # noqa: E731
    daemon.container("asker", nics=[nic(10)], start=True)
    daemon.container("answerer", nics=[nic(11)], start=True)
    assert daemon.shell("asker", "cat /etc/resolv.conf").splitlines()[1:] == ["nameserver 172.31.42.1", "search lab.test"]
    for name in ("answerer", "answerer.lab.test"):
        kernel.wait_until(lambda: daemon.execute("asker", "ping", "-c", "1", "-W", "1", name)["exit_code"] == 0, f"{name} resolves and answers")
    daemon.set_state("answerer", "stopped", force=True)
    assert daemon.api.delete("/v1/containers/answerer").status == 204
    kernel.wait_until(lambda: daemon.execute("asker", "nslookup", "answerer.lab.test", "172.31.42.1")["exit_code"] != 0, "a name goes with its container")


@test("dnsmasq-killed-is-back-within-two-seconds")
def killed(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 43)
    first = kernel.wait_until(lambda: service_pids(daemon), "dnsmasq runs")
    os.kill(first[0], signal.SIGKILL)
    started = time.monotonic()
    kernel.wait_until(lambda: [pid for pid in service_pids(daemon) if pid not in first], "a new dnsmasq runs", 5)
    assert time.monotonic() - started < 2.0, "restarted too late"
    with outside.namespace() as other:
        wire = client_on(daemon, bridge, other)
        assert lease(other), "the new one does not answer"
        daemon.net.run("ip", "link", "del", wire)


@test("dnsmasq-killed-is-reported-under-observe")
def observed(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    make_bridge(daemon, bridge, 44, policy="observe")
    os.kill(kernel.wait_until(lambda: service_pids(daemon), "dnsmasq runs")[0], signal.SIGKILL)

    def drifted():
        return [one for one in daemon.api.get(f"/v1/bridges/{bridge}").json["status"]["conditions"] if one["type"] == "Drifted" and one["status"]]
    kernel.wait_until(drifted, "the drift is reported", 3)
    assert service_pids(daemon) == []


@test("dnsmasq-outlives-the-daemon-and-goes-with-the-bridge")
def adopted(lab):
    daemon = lab.new_daemon(image=False)
    make_bridge(daemon, "brdns", 45)
    pids = kernel.wait_until(lambda: service_pids(daemon), "dnsmasq runs")
    daemon.restart()
    time.sleep(0.5)
    assert service_pids(daemon) == pids, "it must be the same process"
    os.kill(pids[0], signal.SIGKILL)
    pids = kernel.wait_until(lambda: service_pids(daemon), "an adopted one is watched too", 5)
    assert daemon.api.patch("/v1/bridges/brdns", {"dhcp": {"lease_time": 600}}).status == 200
    again = service_pids(daemon)
    assert again and again != pids, "another configuration is another process"
    assert daemon.api.delete("/v1/bridges/brdns").status == 204
    assert service_pids(daemon) == [] and list((daemon.run_dir / "helpers").glob("*")) == []


@test("bridge-services-bad-input")
def bad_input(lab):
    daemon = lab.daemon
    name = lab.name("br")
    cases = [({"dhcp": {"enabled": True, "range": ["172.31.46.20", "172.31.46.10"]}}, "/dhcp/range"),
             ({"dhcp": {"enabled": True, "range": ["172.31.47.10", "172.31.47.20"]}}, "/dhcp/range"),
             ({"dhcp": {"enabled": True, "range": ["172.31.46.10", "172.31.47.20"]}}, "/dhcp/range"),
             ({"dhcp": {"enabled": True, "range": ["172.31.46.10"]}}, "/dhcp/range"),
             ({"dhcp": {"enabled": True, "range": ["172.31.46.10", "fd00::1"]}}, "/dhcp/range/1"),
             ({"dhcp": {"enabled": True, "range": ["172.31.46.0", "172.31.46.9"]}}, "/dhcp/range"),
             ({"dhcp": {"enabled": True, "range": ["172.31.46.1", "172.31.46.1"]}}, "/dhcp/range"),
             ({"dhcp": {"enabled": 1}}, "/dhcp/enabled"), ({"dhcp": []}, "/dhcp"), ({"dhcp": {"on": True}}, "/dhcp/on"),
             ({"dhcp": {"lease_time": 119}}, "/dhcp/lease_time"), ({"dhcp": {"lease_time": 31536001}}, "/dhcp/lease_time"),
             ({"addresses": [], "dhcp": {"enabled": True}}, "/dhcp/enabled"), ({"addresses": ["fd46::1/64"], "dhcp": {"enabled": True}}, "/dhcp/enabled"),
             ({"addresses": [], "dns": {"enabled": True}}, "/dns/enabled"), ({"dns": {"domain": "a..b"}}, "/dns/domain"),
             ({"dns": {"domain": "-x"}}, "/dns/domain"), ({"dns": {"domain": "x\naddress=/#/1.2.3.4"}}, "/dns/domain")]
    for body, pointer in cases:
        answer = daemon.api.put(f"/v1/bridges/{name}", {"addresses": ["172.31.46.1/24"], **body})
        assert answer.status == 422 and pointer in [one["pointer"] for one in answer.json["errors"]], (body, answer)
    assert daemon.net.link(name) is None and service_pids(daemon) == []
