"""sovirtctl exec at a terminal and in pipes."""
import hashlib
import os
import signal
import subprocess
import time

from harness import images, kernel
from harness.daemon import BIN
from harness.runner import test
from harness.sessions import ctl_seat


def piped(daemon, *words, **options):
    return subprocess.Popen([str(BIN / "sovirtctl"), "--socket", str(daemon.run_dir / "sovirt.sock"), *words],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@test("C3-C5-shell-in-a-chroot-at-a-terminal")
def chroot_shell(lab):
    daemon = lab.daemon
    images.load(daemon, "sobash", {"type": "binaries", "binaries": ["/bin/bash"], "files": []})
    daemon.container("so", image="sobash", isolation="chroot", start=True)
    with ctl_seat(daemon, "exec", "-it", "so", "/bin/bash") as seat:
        seat.type("cd /; echo it is $((40+2)); pwd\n")
        assert "it is 42\r\n/\r\n" in seat.expect("it is 42\r\n/\r\n")
        seat.type("ls\n")
        seat.expect("ls: command not found")
        seat.type("exit 3\n")
        assert seat.wait() == 3 and seat.restored()


@test("C10-exec-it-is-a-terminal")
def exec_it(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    with ctl_seat(daemon, "exec", "-it", "box", "sh", rows=31, cols=99) as seat:
        seat.type("stty size; tty; echo $TERM; echo re''ady\n")
        shown = seat.expect("ready")
        assert "31 99" in shown and "/dev/pts/" in shown and "xterm-256color" in shown and seat.raw(), shown
        seat.resize(45, 120)
        # The signal goes from the terminal's driver to us, and from there inside.
        kernel.wait_until(lambda: resized(seat), "the terminal inside has the new size")
        seat.type("sleep 600\n")
        kernel.wait_until(lambda: "sleep 600" in daemon.shell("box", "ps"), "the sleep runs")
        seat.type(b"\x03")
        kernel.wait_until(lambda: "sleep 600" not in daemon.shell("box", "ps"), "the sleep is interrupted")
        seat.type("echo sta''tus $?\n")
        seat.expect("status 130")
        seat.type("cat\n")
        time.sleep(0.3)
        seat.type("z\u00fcrich\n\x04")
        seat.expect("z\u00fcrich\r\nz\u00fcrich\r\n")
        seat.type("kill -9 $$\n")
        assert seat.wait() == 128 + 9 and seat.restored()


def resized(seat):
    seat.type("stty size\n")
    time.sleep(0.1)
    return b"45 120" in seat.read()


@test("exec-it-restores-the-terminal-however-it-ends")
def restored(lab):
    daemon = lab.new_daemon()
    daemon.container("box", start=True)
    for end in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSEGV, signal.SIGABRT):
        with ctl_seat(daemon, "exec", "-it", "box", "sh") as seat:
            seat.type("echo u''p\n")
            seat.expect("up")
            assert seat.raw()
            seat.process.send_signal(end)
            assert seat.wait() in (128 + end, -end) and seat.restored(), end
    with ctl_seat(daemon, "exec", "-it", "box", "sh") as seat:
        seat.type("echo u''p\n")
        seat.expect("up")
        daemon.kill()
        assert seat.wait() != 0 and seat.restored()
        seat.expect("error")
    with ctl_seat(daemon, "exec", "-it", "box", "sh") as seat:
        assert seat.wait() == 8 and seat.restored()   # no daemon
    daemon.start()
    with ctl_seat(daemon, "exec", "-it", "box", "/bin/nosuch") as seat:
        assert seat.wait() == 5 and seat.restored()
        seat.expect("nosuch")
    kernel.wait_until(lambda: daemon.shell("box", "ps | grep '[ /]sh$' | wc -l").strip() == "0", "no shell is left behind")


@test("C10-C11-exec-in-pipes")
def pipes(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    run = piped(daemon, "exec", "box", "--", "sh", "-c", "cat; echo bad >&2; exit 4")
    out, err = run.communicate(b"good\x00\xff\n", timeout=30)
    assert (run.returncode, out, err) == (4, b"good\x00\xff\n", b"bad\n")
    run = piped(daemon, "exec", "box", "--", "sh", "-c", "cat > /root/copied; chmod 700 /root/copied")
    assert run.communicate(b"#!/bin/sh\nhostname\n", timeout=30)[1] == b"" and run.returncode == 0
    assert daemon.ctl("exec", "box", "/root/copied", stdin="").stdout == "box\n"
    run = piped(daemon, "exec", "box", "--", "sh", "-c", "trap 'echo got it; exit 6' INT; echo up; while :; do sleep 0.1; done")
    assert run.stdout.readline() == b"up\n"
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=20)[0] == b"got it\n" and run.returncode == 6
    late = daemon.ctl("exec", "--timeout", "0.3s", "box", "sleep", "4567", stdin="", check=False)
    assert late.returncode == 9 and "in time" in late.stderr, late
    kernel.wait_until(lambda: "4567" not in daemon.shell("box", "ps"), "what took too long is ended")
    # A reader that has enough ends it, as in any pipe.
    head = subprocess.run(f"{BIN}/sovirtctl --socket {daemon.run_dir}/sovirt.sock exec box yes </dev/null | head -n 3", shell=True, capture_output=True, timeout=30)
    assert head.stdout == b"y\ny\ny\n", head
    kernel.wait_until(lambda: "yes" not in daemon.shell("box", "ps"), "yes is ended")


@test("exec-stdin-to-stdout-whole", seconds=600)
def whole(lab):
    daemon = lab.daemon
    daemon.container("box", start=True)
    mib = int(os.environ.get("SOVIRT_ECHO_MIB", "64"))
    seed = os.urandom(1 << 16)
    run = piped(daemon, "exec", "box", "cat")
    if os.fork() == 0:
        try:
            for _ in range(mib << 4):
                run.stdin.write(seed)
            run.stdin.close()
        finally:
            os._exit(0)
    run.stdin.close()
    digest, size, began = hashlib.sha256(), 0, time.monotonic()
    while block := run.stdout.read1(1 << 20):
        digest.update(block)
        size += len(block)
    expected = hashlib.sha256()
    for _ in range(mib << 4):
        expected.update(seed)
    assert size == mib << 20 and digest.digest() == expected.digest(), size
    assert run.wait(20) == 0
    os.wait()
    print(f"{mib} MiB in {time.monotonic() - began:.1f} s; the daemon has {kernel.resident(daemon.process.pid) >> 20} MiB")
