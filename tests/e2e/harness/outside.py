"""Namespaces that stand for other hosts, and small servers and callers in any namespace."""
import contextlib
import json
import os
import subprocess
import sys

from . import kernel

SERVER = """
import socket, sys
port, kind = int(sys.argv[1]), sys.argv[2]
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", port))
if kind == "tcp": s.listen(8)
print("ready", flush=True)
while True:
    if kind == "udp":
        data, peer = s.recvfrom(100)
        s.sendto(peer[0].removeprefix("::ffff:").encode(), peer)
    else:
        c, peer = s.accept()
        c.sendall(peer[0].removeprefix("::ffff:").encode())
        c.close()
"""

CALLER = """
import socket, sys
address, port, kind, wait = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
s.settimeout(wait)
try:
    s.connect((address, port))
    if kind == "udp": s.send(b"x")
    print(s.recv(100).decode())
except OSError as error:
    print("", error)
"""


@contextlib.contextmanager
def namespace():
    """A network namespace of its own, as a kernel.Netns. Ends with the run, however that ends."""
    holder = subprocess.Popen(["unshare", "-n", "tail", f"--pid={os.getpid()}", "-f", "/dev/null"], start_new_session=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        kernel.wait_until(lambda: kernel.namespace(holder.pid, "net") != kernel.namespace("self", "net"), "there is a namespace")
        net = kernel.Netns(holder.pid)
        net.run("ip", "link", "set", "lo", "up")
        yield net
    finally:
        holder.kill()
        holder.wait(10)


def connect(net, name, addresses, other, other_name, other_addresses):
    """A cable: a veth pair between two namespaces, both ends up."""
    net.run("ip", "link", "add", name, "type", "veth", "peer", "name", other_name, "netns", str(other.pid))
    for place, end, list_ in ((net, name, addresses), (other, other_name, other_addresses)):
        for address in list_:
            place.run("ip", "addr", "add", address, "dev", end, *(["nodad"] if ":" in address else []))
        place.run("ip", "link", "set", end, "up")


@contextlib.contextmanager
def server(pid, port, kind="tcp"):
    """Answers each caller with the address it saw it come from."""
    process = subprocess.Popen(["nsenter", "-t", str(pid), "-n", sys.executable, "-c", SERVER, str(port), kind],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert line == "ready\n", process.stderr.read()
        yield
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


def call(pid, address, port, kind="tcp", wait=3):
    """The address the server saw, "" where nobody answered."""
    result = kernel.run("nsenter", "-t", pid, "-n", sys.executable, "-c", CALLER, address, port, kind, wait)
    return result.stdout.split()[0] if not result.stdout.startswith(" ") else ""


def ruleset(net):
    return json.loads(net.run("nft", "-j", "list", "ruleset").stdout or '{"nftables":[]}')["nftables"]


def tables(net):
    return {f"{one['table']['family']} {one['table']['name']}" for one in ruleset(net) if "table" in one}
