"""Files in and out of containers, running and stopped, whatever lies on the way."""
import hashlib
import io
import os
import pathlib
import subprocess
import tarfile
import threading
import time
from urllib.parse import quote

from harness import kernel
from harness.daemon import BIN
from harness.http import UnixConnection
from harness.runner import test

MIB = 1 << 20


def url(name, path, **query):
    more = "".join(f"&{key}={value}" for key, value in query.items())
    return f"/v1/containers/{name}/files?path={quote(path)}{more}"


def root_of(daemon, name):
    return pathlib.Path(f"/proc/{daemon.pid_of(name)}/root")


def put(daemon, name, path, data, **headers):
    return daemon.api.put(url(name, path), data, headers={"Content-Type": "application/octet-stream",
                                                          **{key.replace("_", "-"): value for key, value in headers.items()}})


@test("C10-C11-push-a-script-and-run-it")
def push_and_run(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    script = pathlib.Path(lab.home, "script.sh")
    script.write_text("#!/bin/sh\necho pushed to $(hostname)\n")
    script.chmod(0o755)
    daemon.ctl("push", script, "c1:/root/", "-p")
    there = root_of(daemon, "c1") / "root/script.sh"
    assert there.read_text() == script.read_text() and there.stat().st_mode & 0o7777 == 0o755
    assert daemon.ctl("exec", "c1", "--", "/root/script.sh").stdout == "pushed to c1\n"
    daemon.ctl("push", "-", "c1:/root/in", stdin="from a pipe\n")
    assert (root_of(daemon, "c1") / "root/in").read_text() == "from a pipe\n"
    assert daemon.ctl("pull", "c1:/root/in", "-").stdout == "from a pipe\n"
    daemon.ctl("pull", "c1:/root/script.sh", lab.home / "back.sh")
    back = pathlib.Path(lab.home, "back.sh")
    assert back.read_bytes() == script.read_bytes() and back.stat().st_mode & 0o777 == 0o755


@test("files-of-a-stopped-container-are-those-of-its-next-start")
def stopped(lab):
    daemon = lab.daemon
    daemon.container("c1", command=["/bin/sh", "-c", "cat /greeting; sleep 1000"])
    mounts = len(kernel.mount_points())
    assert put(daemon, "c1", "/greeting", b"before its start\n", X_Sovirt_Mode="0600", X_Sovirt_Uid="7").status == 204
    answer = daemon.api.get(url("c1", "/greeting"))
    assert answer.body == b"before its start\n" and answer.headers["X-Sovirt-Mode"] == "0600", answer
    assert answer.headers["X-Sovirt-Uid"] == "7" and answer.headers["X-Sovirt-Gid"] == "0"
    assert len(kernel.mount_points()) == mounts
    daemon.start_container("c1")
    kernel.wait_until(lambda: b"before its start" in daemon.api.get("/v1/containers/c1/log").body, "it was there at its start")
    assert daemon.api.delete(url("c1", "/greeting")).status == 204
    assert not (root_of(daemon, "c1") / "greeting").exists()


@test("files-modes-owners-and-atomic-replacement")
def replacement(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    root = root_of(daemon, "c1")
    daemon.shell("c1", "echo old > /etc/one; chmod 640 /etc/one; chown 5:6 /etc/one; ln -s one /etc/link; ln -s nowhere /etc/dangling")
    inode = (root / "etc/one").stat().st_ino
    assert put(daemon, "c1", "/etc/link", b"new\n").status == 204
    one = (root / "etc/one").lstat()
    assert (one.st_mode & 0o7777, one.st_uid, one.st_gid) == (0o640, 5, 6) and one.st_ino != inode
    assert os.readlink(root / "etc/link") == "one" and (root / "etc/one").read_text() == "new\n"
    assert put(daemon, "c1", "/etc/dangling", b"x").status == 204
    assert not os.path.islink(root / "etc/dangling")
    assert put(daemon, "c1", "/a/b/c", b"x").status == 404
    assert daemon.api.put(url("c1", "/a/b/c", parents="true"), b"x").status == 204
    assert put(daemon, "c1", "/suid", b"x", X_Sovirt_Mode="4755").status == 204
    assert (root / "suid").stat().st_mode & 0o7777 == 0o4755
    # A client that goes away in the middle leaves what was there.
    connection = UnixConnection(daemon.api.socket_path, 10)
    connection.putrequest("PUT", url("c1", "/etc/one"))
    connection.putheader("Content-Length", "1000000")
    connection.endheaders()
    connection.send(b"half")
    connection.close()
    time.sleep(0.2)
    assert (root / "etc/one").read_text() == "new\n"
    assert not [name for name in os.listdir(root / "etc") if name.startswith(".sovirt")]


@test("files-lists-and-archives", seconds=90)
def archives(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    daemon.shell("c1", "mkdir -p /data/sub /data/empty; echo one > /data/a; ln /data/a /data/hard; ln -s a /data/soft;"
                       "mkfifo /data/fifo; chown 3:4 /data/sub; chmod 700 /data/sub; echo two > /data/sub/b")
    listed = daemon.api.get(url("c1", "/data")).json
    assert [(entry["name"], entry["type"]) for entry in listed["items"]] == [
        ("a", "file"), ("empty", "directory"), ("fifo", "fifo"), ("hard", "file"), ("soft", "link"), ("sub", "directory")], listed
    page = daemon.api.get(url("c1", "/data", limit=4)).json
    rest = daemon.api.get(url("c1", "/data", limit=4, cursor=page["next"])).json
    assert len(page["items"]) == 4 and [entry["name"] for entry in rest["items"]] == ["soft", "sub"] and rest["next"] is None
    answer = daemon.api.get(url("c1", "/data"), headers={"Accept": "application/x-tar"})
    assert answer.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        names = {os.path.normpath(member.name): member for member in tar}
        assert set(names) == {".", "a", "hard", "soft", "fifo", "sub", "sub/b", "empty"}, names
        assert names["hard"].islnk() or names["a"].islnk()
        assert names["sub"].uid == 3 and names["sub"].gid == 4 and names["sub"].mode == 0o700
        assert tar.extractfile("./sub/b").read() == b"two\n"
    answer = daemon.api.put(url("c1", "/copy", parents="true"), answer.body, headers={"Content-Type": "application/x-tar"})
    assert answer.status == 204, answer
    assert daemon.shell("c1", "cat /copy/sub/b; readlink /copy/soft; stat -c %u:%g:%a /copy/sub") == "two\na\n3:4:700\n"
    local = pathlib.Path(lab.home, "tree")
    daemon.ctl("pull", "c1:/data/sub", local)
    assert (local / "b").read_text() == "two\n"
    daemon.ctl("push", local, "c1:/pushed")
    daemon.ctl("push", local, "c1:/pushed")           # it is there now: into it
    assert daemon.shell("c1", "cat /pushed/b /pushed/tree/b") == "two\ntwo\n"
    assert "sub/" in daemon.ctl("container", "file", "ls", "c1:/data").stdout
    assert daemon.ctl("container", "file", "rm", "c1:/data", check=False).returncode != 0
    daemon.ctl("container", "file", "rm", "-r", "c1:/data")
    assert daemon.api.get(url("c1", "/data")).status == 404


@test("files-bad-input-changes-nothing")
def bad(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    daemon.shell("c1", "mkfifo /fifo; ln -s /loop /loop; mkdir /dir; echo x > /dir/x; ln -s /proc/1/root /magic")
    for path in ("", "etc/passwd", "../etc", "/../etc", "/etc/..", "/a/../b", "/" + "x" * 5000, "/a%00b"):
        for method in ("GET", "PUT", "DELETE"):
            answer = daemon.api.request(method, f"/v1/containers/c1/files?path={path}", b"x" if method == "PUT" else None)
            assert answer.status == 400, (path, method, answer)
    for path, status in (("/fifo", 409), ("/loop", 409), ("/dev/null", 409), ("/dev/console", 409), ("/magic/etc/hostname", 409),
                         ("/absent", 404), ("/etc/passwd/below", 404), ("/" + "y" * 300, 400)):
        answer = daemon.api.get(url("c1", path), timeout=10)
        assert answer.status == status, (path, answer)
    for path, status in (("/fifo", 409), ("/dir", 409), ("/", 409), ("/dev/null", 409), ("/proc/x", 409), ("/proc/sys/kernel/hostname", 409),
                         ("/sys/x", 409), ("/absent/x", 404), ("/loop", 409), ("/loop/x", 409)):
        answer = put(daemon, "c1", path, b"x")
        assert answer.status == status or (path.startswith("/proc/x") and answer.status == 404), (path, answer)
    for path, status in (("/dir", 409), ("/", 409), ("/proc", 409), ("/absent", 404), ("/dev/pts", 409)):
        assert daemon.api.delete(url("c1", path)).status == status, path
    assert daemon.api.delete(url("c1", "/dev", recursive="true")).status == 409   # a mount is not removed through
    for header, value in (("X-Sovirt-Mode", "999"), ("X-Sovirt-Mode", "77777"), ("X-Sovirt-Uid", "-1"), ("X-Sovirt-Gid", "4294967295"),
                          ("X-Sovirt-Uid", "x" * 20000)):
        answer = daemon.api.put(url("c1", "/new"), b"x", headers={header: value})
        assert answer.status in (400, 431), (header, answer)
    assert daemon.api.put(url("c1", "/dir"), b"no archive", headers={"Content-Type": "application/x-tar"}).status == 422
    assert daemon.api.get(url("c1", "/dir") + "&colour=red").status == 400
    assert daemon.read_only.get(url("c1", "/etc/hostname")).status == 403
    assert daemon.api.get(url("nobody", "/")).status == 404
    assert daemon.shell("c1", "ls / /dir") == daemon.shell("c1", "ls / /dir") and not (root_of(daemon, "c1") / "new").exists()


@test("files-archives-stay-inside")
def outside(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    daemon.shell("c1", "mkdir /into; ln -s /etc /into/link")
    secret = pathlib.Path(lab.home, "outside")

    def archive(name, kind=tarfile.REGTYPE, link=""):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            member.size = 3 if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(b"bad"))
        return data.getvalue()

    for data in (archive("../escaped"), archive(str(secret)), archive("link/escaped"), archive("hard", tarfile.LNKTYPE, "../../etc/hostname")):
        answer = daemon.api.put(url("c1", "/into"), data, headers={"Content-Type": "application/x-tar"})
        assert answer.status == 422, answer
    assert not secret.exists() and daemon.shell("c1", "ls -A /into") == "link\n"
    # A device in an archive is none afterwards.
    daemon.api.put(url("c1", "/into"), archive("node", tarfile.CHRTYPE), headers={"Content-Type": "application/x-tar"})
    assert daemon.shell("c1", "ls -A /into") == "link\n"


@test("files-large-and-sparse-in-bounded-memory", seconds=120)
def large(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    block = os.urandom(MIB)
    blocks = 200
    digest = hashlib.sha256(block * blocks).hexdigest()

    def resident():
        status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    before = resident()
    push = subprocess.Popen([BIN / "sovirtctl", "--socket", daemon.api.socket_path, "push", "-", "c1:/big"], stdin=subprocess.PIPE)
    for _ in range(blocks):
        push.stdin.write(block)
    push.stdin.close()
    assert push.wait(60) == 0
    with subprocess.Popen([BIN / "sovirtctl", "--socket", daemon.api.socket_path, "pull", "c1:/big", "-"], stdout=subprocess.PIPE) as pull:
        back = hashlib.sha256()
        while part := pull.stdout.read(MIB):
            back.update(part)
    assert pull.returncode == 0 and back.hexdigest() == digest
    with open(root_of(daemon, "c1") / "sparse", "wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"in the middle")
    archive = daemon.api.get(url("c1", "/sparse"), headers={"Accept": "application/x-tar"}, timeout=100)
    assert archive.status == 200 and len(archive.body) < MIB and b"in the middle" in archive.body, len(archive.body)
    # As bytes it is a terabyte: it comes as fast as it is read, and ends when the reader does.
    connection = UnixConnection(daemon.api.socket_path, 10)
    connection.request("GET", url("c1", "/sparse"))
    answer = connection.getresponse()
    assert answer.getheader("Content-Length") == str(1 << 40) and answer.read(4 * MIB) == bytes(4 * MIB)
    connection.close()
    assert resident() - before < 24, f"the daemon grew from {before} to {resident()} MiB"
    assert daemon.api.get("/healthz").status == 200


@test("files-transfers-end-with-the-mount")
def ends(lab):
    daemon = lab.daemon
    daemon.container("c1", command=["/bin/sleep", "1000"])
    put(daemon, "c1", "/big", bytes(8 * MIB))
    connection = UnixConnection(daemon.api.socket_path, 20)
    connection.request("GET", url("c1", "/big"))
    answer = connection.getresponse()
    daemon.start_container("c1")          # does not wait for the slow reader
    try:
        got = len(answer.read())
    except OSError:
        got = 0
    except Exception as error:            # http.client.IncompleteRead
        got = len(getattr(error, "partial", b""))
    assert got < 8 * MIB
    connection.close()
    put(daemon, "c1", "/again", b"x")
    assert daemon.set_state("c1", "stopped", force=True).status == 200
    assert daemon.api.delete("/v1/containers/c1").status == 204


@test("files-race-of-directory-and-link-never-leaves-the-root", seconds=300)
def race(lab):
    daemon = lab.daemon
    host = pathlib.Path(lab.home, "host-side")
    host.mkdir()
    (host / "file").write_text("the host's")
    daemon.container("c1", start=True)
    # In the container the same path exists too: what is seen through the link must be that one.
    daemon.shell("c1", f"mkdir -p /x/real {host}; echo inside > /x/real/file; echo theirs > {host}/file; ln -s {host} /x/link; mv /x/real /x/at")
    swap = subprocess.Popen([BIN / "sovirtctl", "--socket", daemon.api.socket_path, "exec", "c1", "--", "/bin/sh", "-c",
                             "while :; do mv /x/at /x/spare; mv /x/link /x/at; mv /x/at /x/link; mv /x/spare /x/at; done"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counts, wrong, tries = {}, [], 10_000

    def work(first):
        for number in range(first, tries, 4):
            name = f"/x/at/{'file' if number % 3 else f'new{number % 7}'}"
            method = ("GET", "PUT", "DELETE")[number % 3 if number % 30 else 2]
            answer = daemon.api.request(method, url("c1", name), b"put" if method == "PUT" else None)
            counts[method, answer.status] = counts.get((method, answer.status), 0) + 1
            if answer.status not in (200, 204, 404, 409) or b"the host's" in answer.body:
                wrong.append((method, name, answer))

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    swap.kill()
    swap.wait(10)
    assert not wrong, wrong[:3]
    assert sum(counts.values()) == tries, counts
    assert sorted(os.listdir(host)) == ["file"] and (host / "file").read_text() == "the host's", os.listdir(host)
