"""Images of containers, and containers and images as files."""
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile

from harness import kernel
from harness.runner import test
from test_copies import once


def operate(daemon, path, body):
    """The operation's document once it has ended; its result or its error is in it."""
    answer = daemon.api.post(path, body)
    assert answer.status == 202, answer
    return daemon.api.wait_operation(answer)


def members(path):
    """Names of an archive that a program of Debian can read."""
    return subprocess.run(["tar", "--zstd", "-tf", str(path)], capture_output=True, text=True, check=True).stdout.splitlines()


@test("container-becomes-an-image")
def publish(lab):
    daemon = lab.daemon
    daemon.container("box")
    once(daemon, "box", "echo one > /f; rm /etc/group; mkfifo /pipe; echo 0123456789abcdef0123456789abcdef > /etc/machine-id")
    daemon.ctl("image", "build", "app", "--container", "box")
    daemon.container("c1", image="app")
    assert once(daemon, "c1", "cat /f; [ -p /pipe ] && echo pipe; ls /etc/group 2>/dev/null || echo gone; wc -c < /etc/machine-id") == "one\npipe\ngone\n0\n"
    daemon.start_container("box")
    daemon.shell("box", "echo two > /f")
    daemon.ctl("image", "build", "live", "--container", "box")
    assert daemon.state_of("box") == "running"
    daemon.container("c2", image="live")
    assert once(daemon, "c2", "cat /f") == "two\n"
    for name in ("c1", "c2"):
        assert daemon.api.delete(f"/v1/containers/{name}").status == 204
    for name in ("app", "live"):
        assert daemon.api.delete(f"/v1/images/{name}").status == 204
    answer = daemon.api.put("/v1/images/none", {"source": {"type": "container", "container": "none"}})
    assert answer.status == 404, answer


@test("L14-L17-containers-of-a-published-image-are-others", seconds=120)
def others(lab):
    daemon = lab.daemon
    daemon.container("box")
    once(daemon, "box", "mkdir -p /etc/ssh /var/lib/dhcp; echo 0123456789abcdef0123456789abcdef > /etc/machine-id; echo secret > /etc/ssh/ssh_host_rsa_key;"
                        "echo secret > /etc/ssh/ssh_host_ed25519_key; echo lease > /var/lib/dhcp/dhclient.eth0.leases")
    # One that says nothing of where it comes from, too.
    tar = lab.home / "keys.tar"
    upper = pathlib.Path(daemon.get_container("box")["status"]["rootfs"]["upper"])
    subprocess.run(["tar", "-C", str(upper), "-cf", str(tar), "etc", "var"], check=True)
    daemon.ctl("image", "build", "raw", "--tarball", tar)
    daemon.ctl("image", "build", "app", "--container", "box")
    for image in ("app", "raw"):
        keys = {}
        for name in ("c1", "c2"):
            daemon.container(name, image=image)
            own = pathlib.Path(daemon.get_container(name)["status"]["rootfs"]["upper"])
            keys[name] = (own / "etc/ssh/ssh_host_ed25519_key").read_text()
            shown = subprocess.run(["ssh-keygen", "-y", "-f", str(own / "etc/ssh/ssh_host_ed25519_key")], capture_output=True, text=True, check=True).stdout
            assert shown.split()[:2] == (own / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
            below = pathlib.Path(daemon.get_container(name)["status"]["rootfs"]["lower"])
            for file, gone in (("etc/ssh/ssh_host_rsa_key", True), ("var/lib/dhcp/dhclient.eth0.leases", True), ("etc/machine-id", False)):
                if not (below / file).exists():
                    continue   # the image has lost it already
                if gone:
                    assert not os.path.lexists(own / file) or (own / file).stat().st_rdev == 0, file
                else:
                    assert not (own / file).exists() or (own / file).stat().st_size == 0, file
        assert keys["c1"] != keys["c2"] and "secret\n" not in keys.values(), image
        for name in ("c1", "c2"):
            assert daemon.api.delete(f"/v1/containers/{name}").status == 204
        assert daemon.api.delete(f"/v1/images/{image}").status == 204
    plan = daemon.api.put("/v1/containers/plain?dry_run=true", {"image": "busybox"}).json
    assert "rootfs.identity" not in [step["action"] for step in plan["steps"]], plan


@test("image-export-comes-back-the-same")
def image_export(lab):
    daemon = lab.daemon
    file = lab.home / f"{lab.name('image')}.tar.zst"
    written = json.loads(daemon.ctl("image", "export", "busybox", file, "-o", "json").stdout)
    assert written["digest"] == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest(), written
    assert file.stat().st_size == written["size"] and file.stat().st_mode & 0o777 == 0o600
    assert "bin/busybox" in members(file)
    daemon.ctl("image", "build", "again", "--tarball", file)
    digests = {daemon.api.get(f"/v1/images/{name}").json["status"]["digest"] for name in ("busybox", "again")}
    assert len(digests) == 1, digests
    assert daemon.api.delete("/v1/images/again").status == 204
    document = operate(daemon, "/v1/images/busybox/export", {"path": str(file)})
    assert document["state"] == "failed" and document["error"]["status"] == 409, document   # the file is there


@test("container-export-and-import", seconds=120)
def container_export(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.43.1/24")
    daemon.container("box", nics=[{"name": "eth0", "bridge": bridge, "addresses": ["172.31.43.10/24"]}], labels={"a": "b"}, env={"K": "v"})
    once(daemon, "box", "echo one > /f; ln /f /g; truncate -s 1099511627776 /sparse; echo end >> /sparse; chmod 4711 /f; rm /etc/group; ln -s /f /link")
    file = lab.home / f"{lab.name('box')}.tar.zst"
    daemon.ctl("container", "export", "box", file)
    assert file.stat().st_size < 8 << 20, "a hole of a terabyte is no data"
    assert members(file)[0] == "sovirt.json" and "rootfs/bin/busybox" in members(file)
    refused = operate(daemon, "/v1/containers/so1/import", {"path": str(file)})
    assert refused["error"]["status"] == 409 and refused["error"]["conflicts_with"] == ["container/box"], refused
    assert daemon.api.get("/v1/images/so1").status == 404, "what was unpacked is left"
    daemon.ctl("container", "import", "so1", file, "--identity", "regenerate")
    made = daemon.get_container("so1")
    assert made["labels"] == {"a": "b"} and made["spec"]["env"] == {"K": "v"} and made["spec"]["nics"][0]["addresses"] == ["172.31.43.11/24"], made
    shown = once(daemon, "so1", "cat /f; stat -c '%a %h' /g; stat -c %s /sparse; readlink /link; ls /etc/group 2>/dev/null || echo gone")
    assert shown == f"one\n4711 2\n{(1 << 40) + 4}\n/f\ngone\n", shown
    wrong = operate(daemon, "/v1/containers/so2/import", {"path": str(file), "digest": "sha256:" + "0" * 64})
    assert wrong["error"]["status"] == 422, wrong
    assert daemon.api.delete("/v1/containers/so1").status == 204
    assert daemon.api.delete("/v1/images/so1").status == 204
    assert not [path for path in (daemon.state_dir / "tmp").iterdir()]


def archive(path, entries, document=None):
    spec = {"format": 1, "kind": "container", "name": "x", "labels": {}, "spec": {"image": "x"}}
    with tarfile.open(path, "w:gz") as out:
        for name, content in [("sovirt.json", json.dumps(document or spec).encode())]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
        for entry, content in entries:
            out.addfile(entry, io.BytesIO(content) if content is not None else None)
    return path


def entry(name, kind=tarfile.REGTYPE, target="", content=b"evil"):
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, target
    one.size = len(content) if kind == tarfile.REGTYPE else 0
    return one, content if kind == tarfile.REGTYPE else None


@test("input-archives-that-would-leave-the-root", seconds=120)
def attacks(lab):
    daemon = lab.daemon
    outside = lab.home / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "kept").write_text("kept")
    up = "../" * 20 + str(outside).lstrip("/")
    cases = {
        "name-outside-rootfs": [entry("etc/passwd")],
        "second-document": [entry("sovirt.json")],
        "dots": [entry(f"rootfs/{up}/new")],
        "dots-before": [entry(f"rootfs/../{outside.name}/new")],
        "absolute": [entry(f"{outside}/new")],
        "through-link": [entry("rootfs/l", tarfile.SYMTYPE, str(outside)), entry("rootfs/l/new")],
        "through-relative-link": [entry("rootfs/l", tarfile.SYMTYPE, up), entry("rootfs/l/new")],
        "hard-link-outside": [entry("rootfs/h", tarfile.LNKTYPE, str(outside / "kept"))],
        "hard-link-dots": [entry("rootfs/h", tarfile.LNKTYPE, f"rootfs/{up}/kept"), entry("rootfs/h")],
        "hard-link-to-document": [entry("rootfs/h", tarfile.LNKTYPE, "sovirt.json")],
    }
    for name, entries in cases.items():
        path = archive(lab.home / f"{name}.tar.gz", entries)
        document = operate(daemon, "/v1/containers/evil/import", {"path": str(path)})
        assert document["state"] == "failed" and document["error"]["status"] == 422, f"{name}: {document}"
        assert sorted(os.listdir(outside)) == ["kept"] and (outside / "kept").read_text() == "kept", name
        assert daemon.api.get("/v1/containers/evil").status == 404 and daemon.api.get("/v1/images/evil").status == 404, name
    assert not list((daemon.state_dir / "tmp").iterdir())
    plain = lab.home / "plain.tar.gz"
    with tarfile.open(plain, "w:gz") as out:
        out.addfile(*[one for one in [entry("bin/sh")]][0][:1], io.BytesIO(b"evil"))
    post = "/v1/containers/evil/import"
    wrong = [({"path": str(plain)}, 422), ({"path": "/dev/zero"}, 422), ({"path": str(lab.home / "absent")}, 422), ({"path": "relative"}, 422),
             ({"path": "/a/../b"}, 422), ({}, 422), ({"path": str(plain), "digest": "x"}, 422), ({"path": str(plain), "identity": "keep"}, 422),
             ({"path": str(archive(lab.home / "doc.tar.gz", [], {"format": 99, "spec": {"image": "x"}}))}, 422),
             ({"path": str(archive(lab.home / "doc2.tar.gz", [], {"format": 1, "spec": {"image": "x", "what": 1}}))}, 422)]
    for body, status in wrong:
        answer = daemon.api.post(post, body)
        assert answer.status == status, f"{body}: {answer}"
    for body in ({}, {"path": "x"}, {"path": 1}, {"path": "/x/", "to": 1}):
        assert daemon.api.post("/v1/images/busybox/export", body).status == 422, body
    document = operate(daemon, "/v1/images/busybox/export", {"path": "/proc/none/x"})
    assert document["error"]["status"] == 422, document
    kernel.wait_until(lambda: daemon.api.get("/healthz").status == 200, "the daemon lives")
