"""100 namespaces, 200 links and 10 bridges, by the API and by `ip -batch`: the same links, ports, addresses and states."""
import pathlib
import subprocess
import time

from harness import kernel

MS = 1000.0
NAMESPACES, BRIDGES = 100, 10


def links(count):
    """(name, end, end): each namespace on a bridge, and with the one behind it."""
    for number in range(count):
        bridge = number % BRIDGES
        yield f"tl{number}", (f"tn{number}", "eth0", f"10.{100 + bridge}.0.{2 + number // BRIDGES}/24"), (None, f"tp{number}", f"tb{bridge}")
    for number in range(count):
        behind = (number + 1) % count
        yield (f"tm{number}", (f"tn{number}", "right", f"10.{120 + number // 200}.{number % 200}.1/30"),
               (f"tn{behind}", "left", f"10.{120 + number // 200}.{number % 200}.2/30"))


def end_of(end):
    place, name, what = end
    return {"bridge": what, "name": name} if place is None else {"netns": place, "name": name, "addresses": [what]}


def by_api(stopwatch, count):
    times = [stopwatch.put(f"/v1/bridges/tb{number}", {"addresses": [f"10.{100 + number}.0.1/24"]}) for number in range(BRIDGES)]
    times += [stopwatch.put(f"/v1/netns/tn{number}", {}) for number in range(count)]
    times += [stopwatch.put(f"/v1/links/{name}", {"endpoints": [end_of(a), end_of(b)]}) for name, a, b in links(count)]
    return sum(times)


def remove_by_api(stopwatch, count):
    names = [f"links/{name}" for name, *_ in links(count)] + [f"netns/tn{number}" for number in range(count)] + [f"bridges/tb{number}" for number in range(BRIDGES)]
    return sum(stopwatch.time("DELETE", f"/v1/{name}")[0] for name in names)


def batches(count):
    """What `ip` is told on the host, and in each namespace."""
    host, inside = [], {f"tn{number}": ["link set lo up"] for number in range(count)}
    for number in range(BRIDGES):
        host += [f"link add tb{number} type bridge", f"addr add 10.{100 + number}.0.1/24 dev tb{number}", f"link set tb{number} up"]
    host += [f"netns add tn{number}" for number in range(count)]
    for _, (netns, name, address), (other, other_name, what) in links(count):
        if other is None:
            host += [f"link add {other_name} type veth peer name {name} netns {netns}", f"link set {other_name} master {what} up"]
        else:
            host.append(f"link add {name} netns {netns} type veth peer name {other_name} netns {other}")
            inside[other] += [f"addr add {what} dev {other_name}", f"link set {other_name} up"]
        inside[netns] += [f"addr add {address} dev {name}", f"link set {name} up"]
    return host, inside


def by_ip(daemon, folder, count):
    host, inside = batches(count)
    files = {None: folder / "host.batch"}
    files[None].write_text("\n".join(host) + "\n")
    for netns, lines in inside.items():
        files[netns] = folder / f"{netns}.batch"
        files[netns].write_text("\n".join(lines) + "\n")
    script = "\n".join(f"ip {'-n ' + netns if netns else ''} -batch {path}" for netns, path in files.items())
    begin = time.monotonic()
    subprocess.run(["nsenter", "-t", str(daemon.holder.pid), "-n", "sh", "-ec", script], check=True, timeout=120)
    return (time.monotonic() - begin) * MS


def remove_by_ip(daemon, count):
    for number in range(count):
        subprocess.run(["ip", "netns", "delete", f"tn{number}"], check=False, stderr=subprocess.DEVNULL, timeout=20)
    kernel.wait_until(lambda: not [name for name in daemon.net.links() if name.startswith("tp")], "their links are gone", 60, 0.2)
    for number in range(BRIDGES):
        daemon.net.run("ip", "link", "del", f"tb{number}", check=False)


def measure(table, daemon, stopwatch, folder, quick):
    if any(pathlib.Path("/run/netns", f"tn{number}").exists() for number in range(NAMESPACES)):
        return table.skip("topology", "this host has namespaces of those names")
    count = NAMESPACES // 5 if quick else NAMESPACES
    what = f"{count} namespaces, {2 * count} links, {BRIDGES} bridges"
    try:
        ip = by_ip(daemon, pathlib.Path(folder), count)
    finally:
        remove_by_ip(daemon, count)
    api = by_api(stopwatch, count) / MS
    table.add(f"create {what}", "ms", [api], beside=f"each durable and with a plan of its own; {api / ip:.2f} x ip -batch")
    table.add("the same by ip -batch", "ms", [ip], beside=f"one ip on the host, and one in each of {count} namespaces")
    listed = stopwatch.time("GET", "/v1/links?limit=1000", count=3)
    table.add(f"GET {2 * count} links", "ms", [one / MS for one in listed], beside=f"{stopwatch.answer_bytes} bytes")
    table.add("delete all of it", "ms", [remove_by_api(stopwatch, count) / MS])
    return None
