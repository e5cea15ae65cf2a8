"""Root file systems for tests: a busybox of two megabytes for most, a Debian where an init is needed."""
import io
import os
import pathlib
import stat
import subprocess
import tarfile

# The init ends on the signals that the inits of this world take for a shutdown.
INIT = """#!/bin/sh
trap 'echo init: shutting down; exit 0' TERM PWR 37
echo init: up
while :; do sleep 3600 & wait $!; done
"""


def add_file(archive, name, data, mode=0o755):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))


def add_link(archive, name, target):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def add_directory(archive, name, mode=0o755):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def busybox_tarball(path, extra=None):
    """Debian's busybox-static with a link for each applet, and a small init."""
    applets = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name in ("bin", "sbin", "etc", "dev", "proc", "sys", "run", "root", "home", "var", "usr", "mnt"):
            add_directory(archive, name)
        add_directory(archive, "tmp", 0o1777)
        add_file(archive, "bin/busybox", pathlib.Path("/bin/busybox").read_bytes())
        for applet in applets:
            if applet not in ("busybox", "init"):
                add_link(archive, f"bin/{applet}", "busybox")
        add_file(archive, "sbin/init", INIT.encode())
        add_file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", 0o644)
        add_file(archive, "etc/group", b"root:x:0:\nnogroup:x:65534:\n", 0o644)
        for name, data in (extra or {}).items():
            add_file(archive, name, data)
    return path


def load(daemon, name, source, timeout=120):
    answer = daemon.api.put(f"/v1/images/{name}", {"source": source})
    assert answer.status in (200, 201, 202), answer
    document = daemon.api.wait_operation(answer, timeout)
    assert answer.status != 202 or document["state"] == "done", document
    return daemon.api.get(f"/v1/images/{name}").json


def load_busybox(daemon, home):
    path = pathlib.Path(home) / "busybox.tar.gz"
    if not path.exists():
        busybox_tarball(path)
    return load(daemon, "busybox", {"type": "tarball", "path": str(path)})


def elf_files(root):
    for directory, _, names in os.walk(root):
        for name in names:
            path = pathlib.Path(directory, name)
            if stat.S_ISREG(path.lstat().st_mode) and path.read_bytes()[:4] == b"\x7fELF":
                yield path
