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
    extension = "vmx" if "vmx" in flags else "svm" if "svm" in flags else None
    shown = json.dumps(report).lower()
    assert ("vmx" in shown or "vt-x" in shown or "svm" in shown or "amd-v" in shown) or extension is None, report
    assert ("/dev/kvm" in shown) or ("kvm" in shown), report


@test("V2-what-containers-need-of-the-kernel")
def needs(lab):
    report = host(lab.daemon)
    text = json.dumps(report)
    for kind in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup"):
        assert re.search(rf'"{kind}"', text), f"no namespace {kind}: {sorted(report)}"
    for word in ("overlay", "veth", "bridge", "seccomp"):
        assert word in text, f"no {word}"
    assert re.search(r'"(present|missing|unknown)"', text), "no feature says present, missing or unknown"
    for point in kernel.cgroup_mounts():
        assert point in text, f"cgroup mount {point} is not in the report"


@test("G1-G3-controllers-and-their-hierarchies")
def controllers(lab):
    report = host(lab.daemon)["cgroups"]
    text = json.dumps(report)
    enabled = [line.split()[0] for line in pathlib.Path("/proc/cgroups").read_text().splitlines()[1:] if line.split()[3] == "1"]
    for name in enabled:
        if any(os.path.isdir(point) and name in point.split("/")[-1].split(",") for point in kernel.cgroup_mounts()):
            assert re.search(rf'"{name}"', text), f"controller {name} is not in the report"


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
