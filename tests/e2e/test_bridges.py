"""Bridges, as the kernel shows them."""
import time

from harness import kernel
from harness.runner import test


@test("L12-bridge-in-the-kernel")
def bridge(lab):
    daemon = lab.daemon
    name = lab.name("br")
    daemon.bridge(name, "172.31.6.1/24", mtu=1400, mac="4a:49:43:00:06:01", stp=True)
    link = daemon.net.link(name)
    assert link["linkinfo"]["info_kind"] == "bridge" and "UP" in link["flags"], link
    assert link["mtu"] == 1400 and link["address"] == "4a:49:43:00:06:01", link
    assert link["linkinfo"]["info_data"]["stp_state"] == 1, link
    assert daemon.net.addresses(name) == {"172.31.6.1/24"}
    status = daemon.api.get(f"/v1/bridges/{name}").json["status"]
    assert status["ifindex"] == link["ifindex"] and status["addresses"] == ["172.31.6.1/24"], status
    assert daemon.api.put(f"/v1/bridges/{name}", {"addresses": ["172.31.6.2/24", "fd31::1/64"]}).status == 200
    link = daemon.net.link(name)
    assert daemon.net.addresses(name) == {"172.31.6.2/24", "fd31::1/64"}, link
    assert link["mtu"] == 1500 and link["linkinfo"]["info_data"]["stp_state"] == 0, link
    assert daemon.api.delete(f"/v1/bridges/{name}").status == 204
    assert daemon.net.link(name) is None


@test("bridge-mark-is-an-altname")
def mark(lab):
    daemon = lab.daemon
    name = lab.name("br")
    document = daemon.bridge(name, "172.31.6.1/24")
    assert f"sovirt:{document['uid']}" in daemon.net.link(name)["altnames"]


@test("bridge-same-put-changes-nothing")
def idempotent(lab):
    daemon = lab.daemon
    name = lab.name("br")
    first = daemon.bridge(name, "172.31.6.1/24")
    index = daemon.net.link(name)["ifindex"]
    again = daemon.bridge(name, "172.31.6.1/24")
    assert (again["revision"], again["uid"]) == (first["revision"], first["uid"]), again
    assert daemon.net.link(name)["ifindex"] == index


def drifts(daemon, name):
    """Ways a bridge is damaged from outside, and how the kernel shows that it is whole again."""
    net = daemon.net
    yield ("addr", "flush", "dev", name), lambda: net.addresses(name) == {"172.31.7.1/24"}
    yield ("addr", "add", "172.31.7.77/24", "dev", name), lambda: net.addresses(name) == {"172.31.7.1/24"}
    yield ("link", "set", name, "down"), lambda: "UP" in net.link(name)["flags"]
    yield ("link", "set", name, "mtu", "1300"), lambda: net.link(name)["mtu"] == 1500
    yield ("link", "del", name), lambda: net.link(name) and net.addresses(name) == {"172.31.7.1/24"}


@test("drift-is-repaired-within-a-second")
def repair(lab):
    daemon = lab.daemon
    name = lab.name("br")
    nic = {"name": "eth0", "bridge": name, "addresses": ["172.31.7.10/24"]}
    daemon.bridge(name, "172.31.7.1/24")
    daemon.container("c1", nics=[nic], start=True)
    for command, whole in drifts(daemon, name):
        assert kernel.ping(daemon.holder.pid, "172.31.7.10"), f"no ping before {command}"
        started = time.monotonic()
        daemon.net.run("ip", *command)
        kernel.wait_until(whole, f"repaired after ip {' '.join(command)}", timeout=5)
        seconds = time.monotonic() - started
        assert seconds < 1.0, f"ip {' '.join(command)}: repaired only after {seconds:.2f} s"
    kernel.wait_until(lambda: kernel.ping(daemon.holder.pid, "172.31.7.10"), "the container is reachable again", 5)


@test("drift-is-reported-where-policy-says-observe")
def observe(lab):
    daemon = lab.daemon
    name = lab.name("br")
    daemon.bridge(name, "172.31.7.1/24", policy="observe")
    daemon.net.run("ip", "addr", "flush", "dev", name)

    def reported():
        conditions = daemon.api.get(f"/v1/bridges/{name}").json["status"]["conditions"]
        return [one for one in conditions if "drift" in one["type"].lower() and one["status"] in (True, "true", "True")]
    kernel.wait_until(reported, "a condition tells of the drift", timeout=2)
    time.sleep(1)
    assert daemon.net.addresses(name) == set(), "observe must not repair"


@test("bridge-in-use-is-not-deleted")
def in_use(lab):
    daemon = lab.daemon
    name = lab.name("br")
    daemon.bridge(name, "172.31.8.1/24")
    daemon.container("user", nics=[{"name": "eth0", "bridge": name}])
    answer = daemon.api.delete(f"/v1/bridges/{name}")
    assert answer.status == 409 and "container/user" in answer.json["conflicts_with"], answer
    assert daemon.net.link(name), "it was deleted all the same"
