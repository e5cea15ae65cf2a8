"""Mounts, devices and names of containers, at their start and while they run."""
import os
import pathlib
import re
import stat

from harness import kernel
from harness.runner import Skip, test


def root_of(daemon, name):
    return pathlib.Path(f"/proc/{daemon.pid_of(name)}/root")


def change(daemon, name, **fields):
    answer = daemon.api.patch(f"/v1/containers/{name}", fields)
    assert answer.status == 200, answer
    return answer.json


def mount_line(pid, target):
    for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
        if line.split()[4] == target:
            return line
    return None


@test("L10-a-host-directory-at-mnt-added-and-removed-while-it-runs")
def l10(lab):
    daemon = lab.daemon
    shared = pathlib.Path(lab.home, "compartida")
    shared.mkdir()
    (shared / "FromOutside").touch()
    daemon.container("sodebian", start=True)
    pid = daemon.pid_of("sodebian")
    before = kernel.mount_points()
    daemon.ctl("container", "mount", "sodebian", shared, "/mnt")
    assert daemon.shell("sodebian", "ls /mnt") == "FromOutside\n"
    daemon.shell("sodebian", "touch /mnt/MountSO")
    assert (shared / "MountSO").exists()
    (shared / "later").write_text("seen at once")
    assert daemon.shell("sodebian", "cat /mnt/later") == "seen at once"
    assert kernel.mount_points() == before, "the host sees the container's mount"
    daemon.ctl("container", "unmount", "sodebian", "/mnt")
    assert mount_line(pid, "/mnt") is None and daemon.shell("sodebian", "ls /mnt") == ""
    assert sorted(os.listdir(shared)) == ["FromOutside", "MountSO", "later"]
    assert daemon.pid_of("sodebian") == pid


@test("C14-bind-mounts-in-a-chroot-on-request")
def in_a_chroot(lab):
    daemon = lab.daemon
    home = pathlib.Path(lab.home, "home")
    home.mkdir()
    (home / "student").touch()
    daemon.container("c1", isolation="chroot", mounts=[{"source": str(home), "target": "/home"}], start=True)
    assert daemon.shell("c1", "ls /home") == "student\n"
    change(daemon, "c1", mounts=[])
    assert daemon.shell("c1", "ls /home") == ""


@test("mounts-at-the-start-read-only-tmpfs-file-and-nested")
def at_start(lab):
    daemon = lab.daemon
    data = pathlib.Path(lab.home, "data")
    (data / "below").mkdir(parents=True)
    (data / "file").write_text("one file")
    mounts = [{"source": str(data), "target": "/srv/deep/data", "read_only": True}, {"type": "tmpfs", "target": "/scratch", "size": 1 << 20},
              {"source": str(data / "file"), "target": "/etc/one"}, {"type": "tmpfs", "target": "/srv/deep/data/below"}]
    daemon.container("c1", mounts=mounts, start=True)
    pid = daemon.pid_of("c1")
    assert daemon.shell("c1", "cat /etc/one") == "one file"
    assert daemon.execute("c1", "/bin/sh", "-c", "echo x > /srv/deep/data/new")["exit_code"] != 0
    assert "size=1024k" in mount_line(pid, "/scratch") and daemon.shell("c1", "echo x > /scratch/a; cat /scratch/a") == "x\n"
    assert re.search(r" ro,", mount_line(pid, "/srv/deep/data"))
    assert daemon.shell("c1", "echo x > /srv/deep/data/below/y; ls /srv/deep/data/below") == "y\n"
    # They are there again after a restart, and in a stopped one nothing is mounted anywhere.
    daemon.set_state("c1", "stopped", force=True)
    assert not any(str(data) in line for line in kernel.mount_lines()), kernel.mount_lines()
    daemon.start_container("c1")
    assert daemon.shell("c1", "cat /etc/one") == "one file"


@test("mounts-change-as-a-whole-or-not-at-all")
def whole(lab):
    daemon = lab.daemon
    one, two = pathlib.Path(lab.home, "m1"), pathlib.Path(lab.home, "m2")
    one.mkdir(), two.mkdir()
    daemon.container("c1", start=True)
    pid = daemon.pid_of("c1")
    change(daemon, "c1", mounts=[{"source": str(one), "target": "/one"}])
    daemon.shell("c1", "echo file > /is-a-file")
    answer = daemon.api.patch("/v1/containers/c1", {"mounts": [{"source": str(two), "target": "/two"}, {"source": str(two), "target": "/is-a-file"}]})
    assert answer.status == 409, answer
    assert mount_line(pid, "/one") and not mount_line(pid, "/two")
    spec = daemon.get_container("c1")["spec"]["mounts"]
    assert [mount["target"] for mount in spec] == ["/one"], spec
    plan = daemon.api.patch("/v1/containers/c1?dry_run=true", {"mounts": []}).json
    assert len(plan["steps"]) == 1 and plan["steps"][0]["disruptive"], plan
    assert mount_line(pid, "/one")


@test("mounts-bad-input-and-links-change-nothing-on-the-host")
def bad(lab):
    daemon = lab.daemon
    data = pathlib.Path(lab.home, "data2")
    data.mkdir()
    daemon.container("c1", start=True)
    for mounts in ([{"source": "relative", "target": "/mnt"}], [{"source": str(data), "target": "mnt"}], [{"source": str(data), "target": "/a/../b"}],
                   [{"source": str(data), "target": "/proc/x"}], [{"source": str(data), "target": "/"}], [{"type": "nfs", "target": "/mnt"}],
                   [{"type": "tmpfs", "target": "/mnt", "size": -1}], [{"source": str(data)}], "none", [{"source": str(data), "target": "/m" * 600}],
                   [{"source": str(data), "target": "/x"}] * 2, [{"type": "volume", "source": "UPPER", "target": "/v"}]):
        answer = daemon.api.patch("/v1/containers/c1", {"mounts": mounts})
        assert answer.status == 422 and answer.json["errors"][0]["pointer"].startswith("/mounts"), (mounts, answer)
    answer = daemon.api.patch("/v1/containers/c1", {"mounts": [{"source": "/no/such/directory", "target": "/mnt"}]})
    assert answer.status == 409 and answer.json["errors"][0]["pointer"] == "/mounts/0/source", answer
    assert daemon.api.patch("/v1/containers/c1", {"mounts": [{"type": "volume", "source": "nosuch", "target": "/v"}]}).status == 404
    # A link that the container plants leads nowhere but into it.
    daemon.shell("c1", f"ln -s {lab.home} /link; ln -s /proc/1/root/.. /magic; mkdir -p {lab.home}/inside")
    change(daemon, "c1", mounts=[{"source": str(data), "target": "/link/planted"}])
    assert not pathlib.Path(lab.home, "planted").exists()
    assert (root_of(daemon, "c1") / str(lab.home).lstrip("/") / "planted").is_dir()
    assert daemon.api.patch("/v1/containers/c1", {"mounts": [{"source": str(data), "target": "/magic/etc/x"}]}).status in (200, 409)
    assert not pathlib.Path("/etc/x").exists()


@test("mounts-propagation-and-recursion")
def propagation(lab):
    daemon = lab.daemon
    data = pathlib.Path(lab.home, "prop")
    data.mkdir()
    kernel.run("mount", "-t", "tmpfs", "prop", data)
    try:
        kernel.run("mount", "--make-shared", data)
        for folder in ("sub", "late", "later"):
            (data / folder).mkdir()
        kernel.run("mount", "-t", "tmpfs", "sub", data / "sub")
        (data / "sub/there").touch()
        daemon.container("c1", start=True, mounts=[{"source": str(data), "target": "/slave", "propagation": "slave"}])
        change(daemon, "c1", mounts=[{"source": str(data), "target": "/slave", "propagation": "slave"}, {"source": str(data), "target": "/flat", "recursive": False},
                                     {"source": str(data), "target": "/hot", "propagation": "slave"}, {"source": str(data), "target": "/private"}])
        assert daemon.shell("c1", "ls /slave/sub /hot/sub /private/sub; ls -A /flat/sub") == "/hot/sub:\nthere\n\n/private/sub:\nthere\n\n/slave/sub:\nthere\n"
        kernel.run("mount", "-t", "tmpfs", "late", data / "late")
        (data / "late/seen").touch()
        assert daemon.shell("c1", "ls /slave/late /hot/late") == "/hot/late:\nseen\n\n/slave/late:\nseen\n"
        assert daemon.shell("c1", "ls -A /private/late /flat/late").replace("/private/late:", "").replace("/flat/late:", "").strip() == ""
    finally:
        daemon.set_state("c1", "stopped", force=True)
        kernel.run("umount", "-R", data)


@test("volumes-outlive-containers")
def volumes(lab):
    daemon = lab.daemon
    daemon.ctl("volume", "create", "data")
    mount = {"type": "volume", "source": "data", "target": "/data"}
    daemon.container("c1", mounts=[mount], start=True)
    daemon.shell("c1", "echo kept > /data/file")
    refused = daemon.api.delete("/v1/volumes/data")
    assert refused.status == 409 and refused.json["conflicts_with"] == ["container/c1"], refused
    daemon.set_state("c1", "stopped", force=True)
    assert daemon.api.delete("/v1/containers/c1").status == 204
    daemon.container("c2", start=True)
    change(daemon, "c2", mounts=[mount])
    assert daemon.shell("c2", "cat /data/file") == "kept\n"
    path = daemon.api.get("/v1/volumes/data").json["status"]["path"]
    assert pathlib.Path(path, "file").read_text() == "kept\n"
    change(daemon, "c2", mounts=[])
    daemon.ctl("volume", "rm", "data")
    assert not pathlib.Path(path).exists()


@test("L18-hostname-changed-while-it-runs")
def hostname(lab):
    daemon = lab.daemon
    daemon.container("so1", start=True)
    host = os.uname().nodename
    pid = daemon.pid_of("so1")
    daemon.ctl("container", "set", "so1", "--hostname", "renamed.example")
    assert daemon.shell("so1", "hostname") == "renamed.example\n"
    root = root_of(daemon, "so1")
    assert (root / "etc/hostname").read_text() == "renamed.example\n" and "renamed.example" in (root / "etc/hosts").read_text()
    assert os.uname().nodename == host and daemon.pid_of("so1") == pid
    change(daemon, "so1", hostname=None)
    assert daemon.shell("so1", "hostname") == "so1\n"


@test("devices-by-allow-list")
def devices(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    root = root_of(daemon, "c1")
    daemon.shell("c1", "mknod /dev/mem c 1 1; mknod /dev/disk b 8 0; echo x > /dev/null; head -c 4 /dev/urandom > /dev/zero")
    for node in ("/dev/mem", "/dev/disk"):
        result = daemon.execute("c1", "/bin/sh", "-c", f"cat {node} | head -c 1")
        assert "not permitted" in result["stderr"], result
    source = next((path for path in ("/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/rtc0") if os.path.exists(path) and usable(path)), None)
    if source is None:
        raise Skip("this host may itself use no device beyond those that every container has")
    wanted = os.stat(source).st_rdev
    change(daemon, "c1", devices=[{"path": "/dev/mine/one", "source": source, "mode": "0640", "gid": 5}])
    node = (root / "dev/mine/one").stat()
    assert stat.S_ISCHR(node.st_mode) and node.st_rdev == wanted and stat.S_IMODE(node.st_mode) == 0o640 and node.st_gid == 5
    assert "not permitted" not in daemon.execute("c1", "/bin/sh", "-c", "exec 3< /dev/mine/one")["stderr"]
    change(daemon, "c1", devices=[])
    assert not (root / "dev/mine/one").exists()
    daemon.shell("c1", f"mknod /dev/again c {os.major(wanted)} {os.minor(wanted)}")
    assert "not permitted" in daemon.execute("c1", "/bin/sh", "-c", "exec 3< /dev/again")["stderr"]
    daemon.set_state("c1", "stopped", force=True)
    change(daemon, "c1", devices=[{"path": "/dev/mine/one", "source": source}])
    daemon.start_container("c1")
    assert (root_of(daemon, "c1") / "dev/mine/one").stat().st_rdev == wanted
    for devices in ([{"path": "/etc/x"}], [{"path": "/dev/x", "source": "/etc/passwd"}], [{"path": "/dev/nosuch"}], [{"path": "/dev/null", "access": "rx"}]):
        assert daemon.api.patch("/v1/containers/c1", {"devices": devices}).status in (409, 422), devices


def usable(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        return True
    except OSError as error:
        return error.errno != 1
