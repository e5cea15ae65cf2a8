"""Copies, names and snapshots of containers: what is shared, what is new, and what the disk holds."""
import pathlib
import re
import subprocess

from harness import kernel
from harness.runner import test


def nic(bridge, address=None, **more):
    return {"name": "eth0", "bridge": bridge, "addresses": [address] if address else [], **more}


def copy(daemon, name, to, **more):
    """The answer once it is done, whether it came at once or by an operation."""
    answer = daemon.api.post(f"/v1/containers/{name}/actions/copy", {"name": to, **more})
    if answer.status == 202:
        document = daemon.api.wait_operation(answer)
        answer.status = 201 if document["state"] == "done" else document["error"]["status"]
    return answer


def snapshot(daemon, name, snapshot_name):
    answer = daemon.api.post(f"/v1/containers/{name}/actions/snapshot", {"name": snapshot_name})
    if answer.status == 202:
        document = daemon.api.wait_operation(answer)
        assert document["state"] == "done", document
        return document["result"]
    assert answer.status == 201, answer
    return answer.json


def once(daemon, name, script):
    """Runs it inside and stops the container again."""
    daemon.start_container(name)
    output = daemon.shell(name, script)
    assert daemon.set_state(name, "stopped").status == 200
    return output


def disk(path):
    """Bytes of the disk that a directory holds, each file once."""
    return int(subprocess.run(["du", "-s", "--block-size=1", str(path)], capture_output=True, text=True, check=True).stdout.split()[0])


IDENTITY = "; ".join([
    "mkdir -p /etc/ssh /var/lib/dhcp", "echo 0123456789abcdef0123456789abcdef > /etc/machine-id",
    "echo secret > /etc/ssh/ssh_host_ed25519_key", "echo secret > /etc/ssh/ssh_host_rsa_key", "echo lease > /var/lib/dhcp/dhclient.eth0.leases",
    "echo data > /root/data"])


@test("L14-L17-a-copy-is-another-system")
def identity(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.40.1/24")
    daemon.container("sodebian", nics=[nic(bridge)], hostname="sodebian")
    once(daemon, "sodebian", IDENTITY)
    answer = copy(daemon, "sodebian", "so1")
    assert answer.status == 201, answer
    for name in ("sodebian", "so1"):
        daemon.start_container(name)
    assert daemon.shell("so1", "hostname") == "so1\n" and daemon.shell("sodebian", "hostname") == "sodebian\n"
    assert re.search(r"\sso1$", daemon.shell("so1", "cat /etc/hosts"), re.M)
    assert daemon.shell("so1", "cat /root/data") == "data\n"
    assert daemon.shell("so1", "cat /etc/machine-id") == "" and len(daemon.shell("sodebian", "cat /etc/machine-id")) == 33
    keys = daemon.shell("so1", "ls /etc/ssh").split()
    assert keys == ["ssh_host_ecdsa_key", "ssh_host_ecdsa_key.pub", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"], keys
    assert daemon.shell("so1", "cat /etc/ssh/ssh_host_ed25519_key") != "secret\n" == daemon.shell("sodebian", "cat /etc/ssh/ssh_host_ed25519_key")
    assert daemon.shell("so1", "ls /var/lib/dhcp") == ""
    macs = {kernel.Netns(daemon.pid_of(name)).link("eth0")["address"] for name in ("sodebian", "so1")}
    assert len(macs) == 2, macs


@test("L14-L17-host-keys-of-a-copy-are-real")
def host_keys(lab):
    daemon = lab.daemon
    daemon.container("sodebian")
    once(daemon, "sodebian", IDENTITY)
    assert copy(daemon, "sodebian", "so1").status == 201
    upper = pathlib.Path(daemon.get_container("so1")["status"]["rootfs"]["upper"])
    for kind in ("ed25519", "ecdsa"):
        key = upper / f"etc/ssh/ssh_host_{kind}_key"
        assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_uid == 0
        shown = subprocess.run(["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True).stdout
        assert shown.split()[:2] == key.with_suffix(".pub").read_text().split()[:2], kind


@test("L15-copy-of-a-fixed-address-is-refused-regenerated-or-kept")
def fixed(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.41.1/24")
    daemon.container("sodebian", nics=[nic(bridge, "172.31.41.10/24", mac="4a:49:43:49:79:bf")])
    daemon.container("other", nics=[nic(bridge, "172.31.41.11/24")])
    refused = daemon.ctl("copy", "sodebian", "so1", check=False)
    assert refused.returncode and "container/sodebian" in refused.stderr, refused.stderr
    assert daemon.api.get("/v1/containers/so1").status == 404
    daemon.ctl("copy", "sodebian", "so1", "--identity", "regenerate")
    assert daemon.get_container("so1")["spec"]["nics"][0]["addresses"] == ["172.31.41.12/24"]
    kept = daemon.ctl("copy", "sodebian", "so2", "--identity", "keep")
    assert "172.31.41.10" in kept.stderr and "only one of them" in kept.stderr, kept.stderr
    for name in ("sodebian", "so1"):
        daemon.start_container(name)
    assert kernel.ping(daemon.pid_of("so1"), "172.31.41.10") and kernel.ping(daemon.holder.pid, "172.31.41.12")
    answer = daemon.set_state("so2", "running")
    assert answer.status == 409 and answer.json["conflicts_with"] == ["container/sodebian"], answer
    assert daemon.set_state("sodebian", "stopped").status == 200
    daemon.start_container("so2")
    assert kernel.Netns(daemon.pid_of("so2")).link("eth0")["address"] == "4a:49:43:49:79:bf"
    answer = daemon.set_state("sodebian", "running")
    assert answer.status == 409 and answer.json["conflicts_with"] == ["container/so2"], answer


@test("copy-costs-no-copied-bytes", seconds=120)
def no_bytes(lab):
    daemon = lab.new_daemon()
    daemon.container("big")
    once(daemon, "big", "dd if=/dev/urandom of=/root/data bs=1M count=40 2>/dev/null; sha256sum /root/data > /root/sum")
    before = disk(daemon.state_dir)
    for number in range(5):
        assert copy(daemon, "big", f"c{number}").status == 201
    grown = (disk(daemon.state_dir) - before) // 5
    assert grown < 100 * 1024, f"each copy of 40 MiB takes {grown} bytes"
    assert len(list((daemon.state_dir / "layers").iterdir())) == 1
    assert once(daemon, "c3", "cd /root; sha256sum -c sum") == "/root/data: OK\n"
    for name in ("big", "c0", "c1", "c2", "c3", "c4"):
        assert daemon.api.delete(f"/v1/containers/{name}").status == 204
    assert not list((daemon.state_dir / "layers").iterdir()) and not list((daemon.state_dir / "tmp").iterdir())


@test("copy-of-a-running-container-is-of-one-moment", seconds=120)
def running(lab):
    """Two files are always written one after the other: in a copy neither may be more than one step ahead."""
    daemon = lab.daemon
    daemon.container("live", command=["/bin/sh", "-c", "n=0; while :; do n=$((n+1)); echo $n > /a; echo $n > /b; done"], start=True)
    pid = daemon.pid_of("live")
    for number in range(4):
        assert copy(daemon, "live", f"c{number}").status == 201
        layer = pathlib.Path(daemon.get_container(f"c{number}")["status"]["rootfs"]["layers"][0])
        a, b = ((layer / name).read_text() for name in ("a", "b"))
        a, b = int(a or 0), int(b or 0)
        assert (a == 0 or b == 0) or 0 <= a - b <= 1, (a, b)
    assert daemon.pid_of("live") == pid and daemon.state_of("live") == "running"
    value = int(pathlib.Path(f"/proc/{pid}/root/b").read_text() or 0)
    kernel.wait_until(lambda: int(pathlib.Path(f"/proc/{pid}/root/b").read_text() or 0) > value, "it goes on")
    daemon.set_state("live", "frozen")
    assert copy(daemon, "live", "c9").status == 201
    assert daemon.state_of("live") == "frozen"


@test("snapshot-restore-and-delete")
def snapshots(lab):
    daemon = lab.daemon
    daemon.container("box")
    once(daemon, "box", "echo one > /f; mkdir -p /d/e; echo x > /d/e/f; mkfifo /d/pipe; ln -s /f /d/link; chmod 4711 /bin/busybox")
    daemon.ctl("snapshot", "create", "box", "first")
    once(daemon, "box", "echo two > /f; rm -r /d; mkdir /d; echo new > /d/new; rm /etc/group")
    daemon.ctl("snapshot", "create", "box", "second")
    listed = daemon.ctl("snapshot", "ls", "box").stdout
    assert re.search(r"^first\b.*\n└─ second\b.*yes", listed, re.M), listed
    assert once(daemon, "box", "cat /f; ls /d; ls /etc/group 2>/dev/null || true") == "two\nnew\n"
    daemon.ctl("snapshot", "restore", "box", "first")
    shown = once(daemon, "box", "cat /f /d/e/f; ls /etc/group; stat -c %a /bin/busybox; [ -p /d/pipe ] && readlink /d/link")
    assert shown == "one\nx\n/etc/group\n4711\n/f\n", shown
    daemon.ctl("snapshot", "restore", "box", "second")
    daemon.ctl("snapshot", "rm", "box", "first")   # merged into what stands on it
    assert once(daemon, "box", "cat /f; ls /d; ls /etc/group 2>/dev/null || true") == "two\nnew\n"
    daemon.ctl("snapshot", "restore", "box", "second")
    assert once(daemon, "box", "cat /f; ls -A /d; ls /etc/group 2>/dev/null || true") == "two\nnew\n"
    assert [one["name"] for one in daemon.api.get("/v1/containers/box/snapshots").json["items"]] == ["second"]
    daemon.ctl("snapshot", "rm", "box", "second")
    assert "No snapshots" in daemon.ctl("snapshot", "ls", "box").stderr


@test("snapshot-of-a-running-container")
def live_snapshot(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    daemon.shell("box", "echo one > /f; rm /etc/group")
    made = snapshot(daemon, "box", "live")
    assert made["name"] == "live" and made["size"] > 0, made
    daemon.shell("box", "echo two > /f")
    answer = daemon.api.post("/v1/containers/box/actions/restore", {"snapshot": "live"})
    assert answer.status == 409, answer
    assert daemon.set_state("box", "stopped").status == 200
    assert daemon.api.post("/v1/containers/box/actions/restore", {"snapshot": "live"}).status == 200
    assert once(daemon, "box", "cat /f; ls /etc/group 2>/dev/null || true") == "one\n"


@test("rename-shows-everywhere")
def rename(lab):
    daemon = lab.daemon
    daemon.container("old", labels={"a": "b"}, start=True)
    daemon.shell("old", "echo kept > /f")
    answer = daemon.api.post("/v1/containers/old/actions/rename", {"name": "new"})
    assert answer.status == 409 and "stop" in answer.json["hint"], answer
    assert daemon.set_state("old", "stopped").status == 200
    uid = daemon.get_container("old")["uid"]
    daemon.ctl("rename", "old", "new")
    assert daemon.api.get("/v1/containers/old").status == 404
    assert daemon.get_container("new")["uid"] == uid and daemon.get_container("new")["labels"] == {"a": "b"}
    daemon.start_container("new")
    assert daemon.shell("new", "cat /f; hostname") == "kept\nnew\n"
    groups = " ".join(daemon.cgroups())
    assert re.search(r"/new\.[a-z2-7]{12}", groups) and not re.search(r"/old\.", groups), groups
    daemon.container("old")


@test("copies-and-snapshots-survive-a-power-cut")
def power_cut(lab):
    daemon = lab.new_daemon()
    daemon.container("box")
    once(daemon, "box", "echo one > /f")
    daemon.ctl("snapshot", "create", "box", "first")
    assert copy(daemon, "box", "clone").status == 201
    daemon.power_cut()
    daemon.start()
    assert [one["name"] for one in daemon.api.get("/v1/containers/box/snapshots").json["items"]] == ["first"]
    for name in ("box", "clone"):
        assert once(daemon, name, "cat /f") == "one\n"


@test("input-copies-and-snapshots")
def wrong(lab):
    daemon = lab.daemon
    daemon.container("box")
    snapshot(daemon, "box", "first")
    base = "/v1/containers/box/actions"
    cases = [
        ("copy", {}, 422, "/name"), ("copy", {"name": 1}, 422, "/name"), ("copy", {"name": "Bad"}, 422, "/name"),
        ("copy", {"name": "a" * 64}, 422, "/name"), ("copy", {"name": "../x"}, 422, "/name"), ("copy", {"name": "-x"}, 422, "/name"),
        ("copy", {"name": "c", "identity": "new"}, 422, "/identity"), ("copy", {"name": "c", "to": "d"}, 422, "/to"),
        ("copy", {"name": "box"}, 409, "/name"), ("rename", {"name": "box"}, 409, "/name"), ("rename", {}, 422, "/name"),
        ("rename", {"name": "%41"}, 422, "/name"), ("snapshot", {"name": "first"}, 409, "/name"), ("snapshot", {}, 422, "/name"),
        ("snapshot", {"name": ""}, 422, "/name"), ("snapshot", {"name": "x\u0000y"}, 400, None), ("restore", {"snapshot": "none"}, 404, None),
        ("restore", {"name": "first"}, 422, "/name"), ("restore", {}, 422, "/snapshot"), ("copy", [], 422, ""), ("snapshot", None, 400, None),
    ]
    before = daemon.get_container("box")
    for action, body, status, pointer in cases:
        answer = daemon.api.post(f"{base}/{action}", body)
        assert answer.status == status, f"{action} {body}: {answer}"
        pointers = [error["pointer"] for error in answer.json.get("errors", [])]
        assert pointer is None or pointer in pointers, f"{action} {body}: {answer}"
    assert daemon.get_container("box") == before
    assert len(daemon.items("containers")) == 1
    assert daemon.api.delete("/v1/containers/box/snapshots/none").status == 404
    assert daemon.api.post("/v1/containers/none/actions/copy", {"name": "c"}).status == 404
    assert daemon.api.get("/v1/containers/none/snapshots").status == 404
    plan = daemon.api.post(f"{base}/copy?dry_run=true", {"name": "c"})
    assert plan.status == 200 and [step["action"] for step in plan.json["steps"]][-1] == "rootfs.identity", plan
    assert len(daemon.items("containers")) == 1
