"""sovirtctl against a real daemon."""
import json
import re
import shlex
import subprocess

from harness import kernel
from harness.daemon import BIN, ROOT
from harness.runner import test


@test("client-main-job")
def main_job(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.ctl("bridge", "create", bridge, "--address", "172.31.40.1/24")
    assert daemon.net.addresses(bridge) == {"172.31.40.1/24"}
    daemon.ctl("container", "create", "sobox", "--image", "busybox", "--nic",
               f"bridge={bridge},mac=4a:49:43:49:79:b0,address=172.31.40.10/24")
    daemon.ctl("start", "sobox")
    assert kernel.ping(daemon.holder.pid, "172.31.40.10")
    assert daemon.ctl("exec", "sobox", "--", "/bin/sh", "-c", "echo $0 from; hostname", "x").stdout == "x from\nsobox\n"
    assert daemon.ctl("exec", "sobox", "--", "/bin/sh", "-c", "exit 9", check=False).returncode == 9
    listed = daemon.ctl("ls").stdout
    assert re.search(r"sobox\s+running.*172\.31\.40\.10", listed), listed
    daemon.ctl("stop", "sobox")
    assert daemon.state_of("sobox") == "stopped"
    daemon.ctl("container", "rm", "sobox")
    daemon.ctl("bridge", "rm", bridge)
    assert set(daemon.net.links()) == {"lo"}


@test("client-json-is-what-the-api-says")
def as_json(lab):
    daemon = lab.daemon
    daemon.container("c1")
    listed = json.loads(daemon.ctl("ls", "-o", "json").stdout)
    items = listed["items"] if isinstance(listed, dict) else listed
    assert [item["name"] for item in items] == ["c1"], listed
    assert items[0]["spec"] == daemon.get_container("c1")["spec"]
    assert daemon.ctl("ls", "-o", "name").stdout.split() in (["c1"], ["container/c1"])


@test("client-errors-say-detail-and-hint")
def errors(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    result = daemon.ctl("container", "rm", "c1", check=False)
    assert result.returncode not in (0, 1, 2) or result.returncode, result
    assert "running" in result.stderr and not result.stdout, result
    missing = daemon.ctl("container", "get", "nosuch", check=False)
    assert missing.returncode != 0 and "nosuch" in missing.stderr, missing
    assert missing.returncode != result.returncode, "not found and conflict have the same exit code"
    assert daemon.ctl("contaner", "ls", check=False).returncode == 2
    assert "container" in daemon.ctl("contaner", "ls", check=False).stderr


@test("client-says-when-there-is-no-daemon")
def no_daemon(lab):
    daemon = lab.new_daemon(image=False)
    daemon.stop()
    result = daemon.ctl("ls", check=False)
    assert result.returncode != 0 and "sovirt.sock" in result.stderr, result


@test("client-freeze-dry-run-and-curl")
def more(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    daemon.ctl("freeze", "c1")
    assert daemon.state_of("c1") == "frozen"
    planned = daemon.ctl("stop", "c1", "--dry-run").stdout
    assert "c1" in planned and daemon.state_of("c1") == "frozen", planned
    shown = daemon.ctl("ls", "--show-curl")
    assert "curl" in shown.stdout + shown.stderr and "/v1/containers" in shown.stdout + shown.stderr, shown


@test("client-help-for-every-command")
def helps(lab):
    daemon = lab.daemon
    top = daemon.ctl("--help").stdout
    for word in ("bridge", "container", "image", "ls", "start", "stop", "exec", "check"):
        assert re.search(rf"^\s+{word}\b", top, re.M), f"{word} is not in the help"
        assert daemon.ctl(word, "--help").stdout.strip(), word


def documented_commands():
    """(file, words) of every sovirtctl command that the README and the guides show."""
    for path in [ROOT / "README.md", *sorted((ROOT / "proto-docs/guides").glob("*.md"))]:
        for line in path.read_text().splitlines():
            found = re.search(r"(?:^|[|(] ?)(?:\$ |sudo )*(sovirtctl .*)", line.strip()) if line.startswith(("    ", "$ ")) else None
            if not found:
                continue
            try:
                words = shlex.split(found[1], comments=True)
            except ValueError:
                continue   # goes on in the next line
            ends = [at for at, word in enumerate(words) if word in ("|", ">", "<", "&&", "&", ";") or word.endswith(";") or "$(" in word]
            yield path.name, ["1" if word in ("$!", "$$") else word for word in words[1:min(ends, default=len(words))]]


@test("docs-every-command-shown-is-understood")
def documented(lab):
    """Without a daemon: what is no command, option or value of one is told before anybody is asked."""
    wrong, seen = [], 0
    for name, words in documented_commands():
        run = subprocess.run([BIN / "sovirtctl", "--socket", lab.home / "none", *words], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
        seen += 1
        if run.returncode == 2:
            wrong.append(f"{name}: sovirtctl {' '.join(words)}: {run.stderr.splitlines()[:1]}")
    assert not wrong and seen > 50, f"{len(wrong)} of {seen}: " + "; ".join(wrong)
