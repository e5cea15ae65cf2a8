"""The lab's chroot rows."""
import os
import pathlib
import re
import subprocess

from harness import images, kernel
from harness.runner import test
from test_containers import SCRIPT, facts



def bash_image(daemon, name="sobash", binaries=("/bin/bash",), files=()):
    return images.load(daemon, name, {"type": "binaries", "binaries": list(binaries), "files": list(files)})


def rootfs_of(daemon, name):
    digest = daemon.api.get(f"/v1/images/{name}").json["status"]["digest"].split(":")[-1]
    return pathlib.Path(daemon.state_dir, "images", digest, "rootfs")


def libraries_of(binary):
    """What the lab does by hand: the paths that ldd lists, never linux-vdso."""
    return set(re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout))


@test("C1-missing-command-is-named")
def missing(lab):
    daemon = lab.daemon
    bash_image(daemon)
    daemon.container("so", image="sobash", isolation="chroot", command=["/bin/ls"])
    answer = daemon.set_state("so", "running")
    assert answer.status in (409, 422) and "/bin/ls" in answer.json["detail"], answer
    daemon.remove_all(("containers",))
    full = pathlib.Path("/bin/bash").read_bytes()
    interpreter = re.search(rb"/lib64/ld-linux[\w.-]+", full).group().decode()
    path = images.busybox_tarball(lab.home / "nolibs.tar.gz", {"bin/bash": full})
    images.load(daemon, "nolibs", {"type": "tarball", "path": str(path)})
    daemon.container("so", image="nolibs", isolation="chroot", command=["/bin/bash"])
    answer = daemon.set_state("so", "running")
    assert answer.status in (409, 422) and interpreter in answer.json["detail"], answer
    daemon.remove_all(("containers",))
    loader = pathlib.Path(interpreter).read_bytes()
    path = images.busybox_tarball(lab.home / "noso.tar.gz", {"bin/bash": full, interpreter.lstrip("/"): loader})
    images.load(daemon, "noso", {"type": "tarball", "path": str(path)})
    daemon.container("so", image="noso", isolation="chroot", command=["/bin/bash"])
    answer = daemon.set_state("so", "running")
    assert answer.status in (409, 422), answer
    assert any(os.path.basename(library) in answer.json["detail"] for library in libraries_of("/bin/bash") - {interpreter}), answer


@test("C2-image-from-binaries-is-what-ldd-lists")
def binaries(lab):
    daemon = lab.daemon
    bash_image(daemon)
    root = rootfs_of(daemon, "sobash")
    for path in {"/bin/bash"} | libraries_of("/bin/bash"):
        inside = root / path.lstrip("/")
        target = kernel.run("chroot", root, "/bin/bash", "-c", f"[[ -r {path} ]] && echo there").stdout
        assert target.strip() == "there", f"{path} is not in the image ({inside})"
    assert not list(root.rglob("linux-vdso*"))
    assert not list(root.rglob("ls")), "more than was asked for"


@test("C3-C5-built-ins-work-and-ls-does-not")
def builtins(lab):
    daemon = lab.daemon
    bash_image(daemon)
    daemon.container("so", image="sobash", isolation="chroot")
    daemon.start_container("so")
    result = daemon.execute("so", "/bin/bash", "-c", "cd /; echo hello; pwd")
    assert result["stdout"] == "hello\n/\n" and result["exit_code"] == 0, result
    result = daemon.execute("so", "/bin/bash", "-c", "ls")
    assert result["exit_code"] == 127 and "ls" in result["stderr"], result
    assert daemon.execute("so", "/bin/bash", "-c", "exit 3")["exit_code"] == 3


@test("C6-C12-C13-script-in-a-chroot-sees-the-host")
def script(lab):
    daemon = lab.daemon
    daemon.container("so", isolation="chroot")
    daemon.start_container("so")
    seen = facts(daemon.shell("so", SCRIPT))
    assert seen["hostname"] == os.uname().nodename, seen
    assert int(seen["processes"]) > 5 and seen["first"] == pathlib.Path("/proc/1/comm").read_text().strip(), seen
    pid = daemon.pid_of("so")
    for kind in ("pid", "net", "ipc", "uts"):
        assert kernel.namespace(pid, kind) == kernel.namespace(daemon.process.pid, kind), kind
    assert kernel.namespace(pid, "mnt") != kernel.namespace(daemon.process.pid, "mnt")
    daemon.container("box", start=True)
    boxed = facts(daemon.shell("box", SCRIPT))
    assert boxed["hostname"] == "box" and int(boxed["processes"]) < int(seen["processes"]), (boxed, seen)


@test("C9-mounts-of-a-chroot-go-whatever-way-it-ends")
def mounts(lab):
    daemon = lab.daemon
    before = sorted(kernel.mount_lines())
    for ending in ("stop", "kill", "a kill without the daemon", "force after its monitor"):
        daemon.container("so", isolation="chroot")
        daemon.start_container("so")
        pid = daemon.pid_of("so")
        inside = {line.split()[4] for line in kernel.mount_lines(pid)}
        root = f"/proc/{pid}/root"
        for point in ("/dev", "/proc", "/sys"):
            assert os.path.ismount(root + point) or point in inside, f"{point} is not mounted: {inside}"
        assert sorted(kernel.mount_lines()) == before, "the host's mount table shows it"
        if ending == "stop":
            daemon.set_state("so", "stopped")
        elif ending == "kill":
            os.kill(pid, 9)
        elif ending == "a kill without the daemon":
            daemon.kill()
            os.kill(pid, 9)
        else:
            os.kill(int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]), 9)
            daemon.set_state("so", "stopped", force=True)
        kernel.wait_until(lambda: not kernel.process_exists(pid), f"{ending} ends it")
        assert sorted(kernel.mount_lines()) == before, f"left by {ending}"
        if daemon.process.poll() is not None:
            daemon.start()
        kernel.wait_until(lambda: daemon.state_of("so") in ("stopped", "failed"), f"its end by {ending} is seen")
        daemon.remove_all(("containers",))


@test("C10-C11-a-file-put-in-and-a-shell-that-finds-it")
def files(lab):
    daemon = lab.daemon
    daemon.container("so", isolation="chroot")
    daemon.start_container("so")
    daemon.execute("so", "/bin/sh", "-c", "cat > /root/lab.sh", stdin="echo from the file\n")
    assert daemon.shell("so", "sh /root/lab.sh") == "from the file\n"
    upper = pathlib.Path(daemon.get_container("so")["status"]["rootfs"]["upper"])
    assert (upper / "root/lab.sh").read_text() == "echo from the file\n"


@test("C13-C14-host-processes-visible-home-differs")
def home(lab):
    daemon = lab.daemon
    daemon.container("so", isolation="chroot")
    daemon.start_container("so")
    seen = daemon.shell("so", "cat /proc/[0-9]*/comm 2>/dev/null")
    assert "sovirtd" in seen.split(), "the daemon's own process is not seen"
    assert daemon.shell("so", "ls -A /home").strip() == ""
    assert not pathlib.Path(f"/proc/{daemon.pid_of('so')}/root{lab.home}").exists()


@test("C15-second-server-on-a-port")
def ports(lab):
    daemon = lab.daemon
    server = subprocess.Popen(["nsenter", "-t", str(daemon.holder.pid), "-n", "busybox", "nc", "-ll", "-p", "8080", "-e", "true"])
    try:
        kernel.wait_until(lambda: ":8080" in daemon.net.run("ss", "-ltn").stdout, "the host's server listens")
        daemon.container("so", isolation="chroot")
        daemon.start_container("so")
        result = daemon.execute("so", "/bin/sh", "-c", "timeout 3 nc -l -p 8080 2>&1")
        assert "in use" in result["stdout"] and result["exit_code"] != 0, result
        daemon.container("box", start=True)
        daemon.shell("box", "nc -ll -p 8080 -e true </dev/null >/dev/null 2>&1 & sleep 0.3; netstat -ltn | grep :8080")
        assert ":8080" in kernel.Netns(daemon.pid_of("box")).run("ss", "-ltn").stdout
    finally:
        server.kill()
        server.wait()
