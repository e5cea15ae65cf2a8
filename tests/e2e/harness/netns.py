"""Network namespaces that a daemon under test has pinned: found by its mark, whoever has died in between."""
import json
import os
import pathlib
import sqlite3
import subprocess

PINS = pathlib.Path("/run/netns")


def pinned():
    """As `ip netns list` sees them."""
    result = subprocess.run(["ip", "-j", "netns", "list"], capture_output=True, text=True, check=True, timeout=30)
    return {one["name"] for one in json.loads(result.stdout or "[]")}


def inside(name, *command, check=True, **options):
    result = subprocess.run(["ip", "netns", "exec", name, *map(str, command)], capture_output=True, text=True, timeout=60, **options)
    if check and result.returncode:
        raise AssertionError(f"in {name}: {' '.join(map(str, command))}: status {result.returncode}: {result.stderr.strip()}")
    return result


def links(name):
    return {link["ifname"]: link for link in json.loads(inside(name, "ip", "-j", "-d", "addr").stdout or "[]")}


def addresses(name, interface):
    link = links(name).get(interface) or {}
    return {f"{one['local']}/{one['prefixlen']}" for one in link.get("addr_info", []) if one["scope"] != "link"}


def routes(name):
    return json.loads(inside(name, "ip", "-j", "route").stdout or "[]")


def instance_of(state_dir):
    try:
        with sqlite3.connect(f"file:{pathlib.Path(state_dir) / 'sovirt.db'}?mode=ro", uri=True) as database:
            row = database.execute("SELECT value FROM meta WHERE key = 'instance'").fetchone()
            return row[0] if row else None
    except sqlite3.Error:
        return None


def mark_of(pin):
    result = subprocess.run(["nsenter", f"--net={pin}", "ip", "-j", "link", "show", "lo"], capture_output=True, text=True, timeout=30)
    try:
        return " ".join(json.loads(result.stdout)[0].get("altnames", []))
    except (ValueError, IndexError):
        return ""


def remove_pins(state_dir):
    """What the daemon of this state directory has pinned and nobody will unpin."""
    instance = instance_of(state_dir)
    if not instance or not PINS.is_dir():
        return
    for pin in PINS.iterdir():
        if f"sovirt:{instance}-" in mark_of(pin):
            unpin(pin)


def remove_kept(run_dir):
    """The namespaces that the daemon keeps for itself: mounts, which would keep its directory."""
    folder = pathlib.Path(run_dir) / "netns"
    if folder.is_dir():
        for file in folder.iterdir():
            unpin(file)


def unpin(file):
    subprocess.run(["umount", "-l", str(file)], capture_output=True, check=False, timeout=30)
    try:
        os.unlink(file)
    except OSError:
        pass
