"""The host report against what the kernel itself says."""
import json
import os
import pathlib
import re

from harness import kernel
from harness.runner import test


def host(daemon):
    document = daemon.api.get("/v1/host").json
    return document.get("status", document)


def cpu_flags():
    return set(re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M).group(1).split())


@test("V1-virtualization")
def virtualization(lab):
    report = host(lab.daemon)["virtualization"]
    flags = cpu_flags()
    assert report["guest"] == ("hypervisor" in flags), report
    assert set(report["cpu_extensions"]) == flags & {"vmx", "svm"}, report
    clock = pathlib.Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip()
    assert report["clocksource"]["current"] == clock, report
    assert report["clocksource"]["paravirtual"] == (clock in ("kvm-clock", "xen", "hyperv_clocksource_tsc_page")), report
    devices = {path.name for path in pathlib.Path("/sys/bus/virtio/devices").glob("*")}
    assert {one["device"] for one in report["paravirtual_devices"] if one["bus"] == "virtio"} == devices, report
    assert ("present" in json.dumps(report["kvm_device"]) or not os.path.exists("/dev/kvm")), report
    if report["guest"]:
        assert report["hypervisor"]["vendor"] and report["hypervisor"]["type_reason"], report


def feature(report, name):
    return next(one for one in report["features"] if one["name"] == name)


@test("V2-what-containers-need-of-the-kernel")
def needs(lab):
    report = host(lab.daemon)
    for kind in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"):
        there = os.path.exists(f"/proc/self/ns/{kind}")
        assert (feature(report, f"namespace-{kind}")["state"] == "present") == there, kind
    filesystems = pathlib.Path("/proc/filesystems").read_text().split()
    if "overlay" in filesystems:
        assert feature(report, "overlayfs")["state"] == "present"
    for kind in ("veth", "bridge", "macvlan", "dummy"):
        made = kernel.run("unshare", "-n", "ip", "link", "add", "probe0", "type", kind, check=False)
        if kind == "macvlan":
            continue   # needs a parent
        shown = feature(report, kind)["state"]
        assert shown == "unknown" or (shown == "present") == (made.returncode == 0), (kind, shown, made.stderr)
    for one in report["features"]:
        assert one["state"] in ("present", "missing", "unknown") and one["needed_for"], one
    mounted = {one["path"]: one["version"] for one in report["cgroups"]["mounts"]}
    assert set(mounted) == set(kernel.cgroup_mounts()), mounted


@test("G1-G3-controllers-and-their-hierarchies")
def controllers(lab):
    report = host(lab.daemon)["cgroups"]
    versions = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        kind, _, options = line.split(" - ")[1].split(" ", 2)
        point = line.split()[4]
        if kind == "cgroup":
            versions.update({name: (1, point) for name in options.split(",")})
        elif kind == "cgroup2":
            versions.update({name: (2, point) for name in pathlib.Path(point, "cgroup.controllers").read_text().split()})
    shown = {one["name"]: one for one in report["controllers"]}
    for name, (version, point) in versions.items():
        if name in shown:
            assert (shown[name]["version"], shown[name]["path"]) == (version, point), shown[name]
    for name in ("cpu", "memory", "pids"):
        assert (shown[name]["version"] is not None) == (name in versions), shown[name]


@test("L2-check-of-the-client")
def check(lab):
    result = lab.daemon.ctl("check", check=False)
    shown = result.stdout.lower()
    for word in ("namespace", "cgroup", "overlay", "veth", "bridge"):
        assert word in shown, f"no {word} in: {result.stdout} {result.stderr}"
    json.loads(lab.daemon.ctl("check", "-o", "json", check=False).stdout)


@test("L3-templates")
def templates(lab):
    files = {path.stem for path in pathlib.Path(__file__).parents[2].glob("packaging/templates/*.json")}
    items = lab.daemon.api.get("/v1/templates").json["items"]
    assert files and {item["name"] for item in items} == files, (files, items)
    shown = lab.daemon.ctl("template", "ls").stdout
    assert all(name in shown for name in files), shown
