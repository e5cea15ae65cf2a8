"""Every malformed request is a 4xx problem that points at the field, and changes nothing."""
import grp
import json
import socket

from harness import kernel
from harness.runner import test


def fingerprint(daemon):
    """All the daemon and the kernel hold; `status.usage` and the like are left out because they move by themselves."""
    held = {kind: [(item["name"], item["revision"], item["spec"]) for item in daemon.items(kind)]
            for kind in ("bridges", "containers", "images")}
    links = sorted((name, sorted(daemon.net.addresses(name))) for name in daemon.net.links())
    return json.dumps([held, links], sort_keys=True)


def expect(answer, statuses, pointer=None, code=None):
    statuses = statuses if isinstance(statuses, tuple) else (statuses,)
    assert answer.status in statuses, f"expected {statuses}: {answer}"
    assert answer.headers["Content-Type"].startswith("application/problem+json"), dict(answer.headers)
    problem = answer.json
    for field in ("type", "title", "status", "detail", "code", "request_id"):
        assert field in problem, f"no {field} in {problem}"
    assert problem["status"] == answer.status, problem
    if pointer is not None:
        pointers = [one["pointer"] for one in problem.get("errors", [])]
        assert pointer in pointers, f"no error points at {pointer!r}: {problem}"
    if code is not None:
        assert problem["code"] == code, problem
    return problem


def unchanged(daemon):
    """Runs the body between two fingerprints."""
    class Guard:
        def __enter__(self):
            self.before = fingerprint(daemon)

        def __exit__(self, kind, value, trace):
            if kind is None:
                assert fingerprint(daemon) == self.before, "a refused request changed something"
                assert daemon.process.poll() is None, daemon.log_tail()
    return Guard()


BAD_NAMES = ["-x", "br%25d", "..", ".", "a%00b", "br%C3%BC", "Upper", "9br", "a_b", "a.b", "a%2Fb", "%20", "sixteen-bytes-ab"]


@test("input-names")
def names(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        for name in BAD_NAMES:
            answer = daemon.api.put(f"/v1/bridges/{name}", {"addresses": ["172.31.1.1/24"]})
            assert answer.status in (400, 404), f"{name}: {answer}"
            expect(answer, (400, 404))
        expect(daemon.api.put("/v1/bridges/", {}), (400, 404, 405))
        expect(daemon.api.post("/v1/bridges", {"addresses": []}), (400, 422), "/name")
        for name in ("", "-x", "br%d", "..", "brü", "a\0b", "sixteen-bytes-ab", 7, None, ["a"]):
            expect(daemon.api.post("/v1/bridges", {"name": name, "addresses": []}), (400, 422))
        expect(daemon.api.put(f"/v1/containers/{'a' * 64}", {"image": "busybox"}), 400)
        expect(daemon.api.get("/v1/bridges/br%d"), (400, 404))
        expect(daemon.api.delete("/v1/bridges/nosuch"), 404)


BAD_CIDRS = ["10.1/16", "010.0.0.1/24", "10.0.0.1/33", "10.0.0.1", "10.0.0.1/", "/24", "", "10.0.0.1/-1", "10.0.0.1/+8",
             "10.0.0.1/24 ", " 10.0.0.1/24", "10.0.0.1/024", "256.0.0.1/24", "10.0.0.0/24", "10.0.0.255/24", "0.0.0.0/0",
             "224.0.0.1/24", "127.0.0.1/8", "fd00::1/129", "fd00:::1/64", "fd00::%eth0/64", "ff02::1/64", "::/0", "fd00::/64",
             "0x0a.0.0.1/24", "10.0.0.1/24/24", "10.0.0.1\u0000/24"]


@test("input-cidrs")
def cidrs(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        for text in BAD_CIDRS + [5, None, {}, ["10.0.0.1/24"]]:
            expect(daemon.api.put(f"/v1/bridges/{lab.name('br')}", {"addresses": [text]}), (400, 422), "/addresses/0")
        expect(daemon.api.put(f"/v1/bridges/{lab.name('br')}", {"addresses": "10.0.0.1/24"}), 422, "/addresses")
        expect(daemon.api.put(f"/v1/bridges/{lab.name('br')}", {"addresses": ["10.0.0.1/24", "10.0.0.2/16"]}), (409, 422))
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.2.1/24")
    with unchanged(daemon):
        for text in ("10.0.0.0/24", "172.31.2.255/24", "10.0.0.300/24"):
            nic = {"name": "eth0", "bridge": bridge, "addresses": [text]}
            expect(daemon.api.put("/v1/containers/c1", {"image": "busybox", "nics": [nic]}), (400, 422), "/nics/0/addresses/0")


@test("input-duplicates-name-their-holder")
def duplicates(lab):
    daemon = lab.daemon
    first, second = lab.name("br"), lab.name("br")
    daemon.bridge(first, "172.31.3.1/24", mac="4a:49:43:00:00:01")
    nic = {"name": "eth0", "bridge": first, "mac": "4a:49:43:00:00:02", "addresses": ["172.31.3.10/24"]}
    daemon.container("holder", nics=[nic])
    with unchanged(daemon):
        problem = expect(daemon.api.put(f"/v1/bridges/{second}", {"addresses": ["172.31.3.129/25"]}), 409)
        assert f"bridge/{first}" in problem["conflicts_with"], problem
        problem = expect(daemon.api.put(f"/v1/bridges/{second}", {"mac": "4A:49:43:00:00:01"}), 409)
        assert f"bridge/{first}" in problem["conflicts_with"], problem
        for field, value, holder in (("mac", "4a:49:43:00:00:02", "container/holder"),
                                     ("addresses", ["172.31.3.10/24"], "container/holder"),
                                     ("addresses", ["172.31.3.1/24"], f"bridge/{first}"),
                                     ("mac", "4a:49:43:00:00:01", f"bridge/{first}")):
            wrong = {"name": "eth0", "bridge": first, field: value}
            problem = expect(daemon.api.put("/v1/containers/other", {"image": "busybox", "nics": [wrong]}), 409)
            assert holder in problem["conflicts_with"], problem
        twice = {"image": "busybox", "nics": [{"name": "eth0", "bridge": first}, {"name": "eth0", "bridge": first}]}
        expect(daemon.api.put("/v1/containers/other", twice), (409, 422))
        same = [{"name": f"eth{i}", "bridge": first, "mac": "4a:49:43:00:00:07"} for i in range(2)]
        expect(daemon.api.put("/v1/containers/other", {"image": "busybox", "nics": same}), (409, 422))


@test("input-macs")
def macs(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        for mac in ("01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "4a:49:43:49:79", "4a-49-43-49-79-bf",
                    "4a:49:43:49:79:bg", "4a:49:43:49:79:bf:00", "", 5):
            expect(daemon.api.put(f"/v1/bridges/{lab.name('br')}", {"mac": mac}), 422, "/mac")


@test("input-references")
def references(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        expect(daemon.api.put("/v1/containers/c1", {"image": "nosuch"}), 404, "/image")
        expect(daemon.api.put("/v1/containers/c1", {"image": "busybox", "nics": [{"bridge": "nosuch"}]}), 404, "/nics/0/bridge")
        expect(daemon.api.put("/v1/containers/c1", {}), 422, "/image")
        expect(daemon.api.put("/v1/containers/nosuch/state", {"desired": "running"}), 404)
        expect(daemon.api.post("/v1/containers/nosuch/exec", {"command": ["/bin/true"]}), 404)
        expect(daemon.api.get("/v1/operations/nosuch"), (400, 404))
        expect(daemon.api.get("/v1/nosuch"), 404)
        answer = daemon.api.request("PROPFIND", "/v1/bridges")
        expect(answer, (400, 405, 501))
        answer = daemon.api.post("/v1/bridges/some", {})
        expect(answer, 405)
        assert "PUT" in answer.headers["Allow"], dict(answer.headers)


@test("input-command-not-in-the-root")
def command(lab):
    daemon = lab.daemon
    daemon.container("c1", command=["/usr/bin/nosuch"])
    with unchanged(daemon):
        problem = expect(daemon.set_state("c1", "running"), (409, 422))
        assert "/usr/bin/nosuch" in problem["detail"], problem
    assert daemon.state_of("c1") in ("created", "failed")


@test("input-foreign-interface-is-left-alone")
def foreign(lab):
    daemon = lab.daemon
    name = lab.name("fo")
    daemon.net.run("ip", "link", "add", name, "type", "bridge")
    daemon.net.run("ip", "addr", "add", "172.31.4.9/24", "dev", name)
    try:
        before = daemon.net.link(name)
        with unchanged(daemon):
            expect(daemon.api.put(f"/v1/bridges/{name}", {"addresses": ["172.31.4.1/24"]}), 409)
            expect(daemon.api.delete(f"/v1/bridges/{name}"), 404)
        after = daemon.net.link(name)
        assert (before["ifindex"], before["address"]) == (after["ifindex"], after["address"])
        assert daemon.net.addresses(name) == {"172.31.4.9/24"}
    finally:
        daemon.net.run("ip", "link", "del", name)


def put_raw(daemon, body, headers=None, path="/v1/bridges/brraw"):
    return daemon.api.request("PUT", path, body, headers)


@test("input-bodies")
def bodies(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        for body in (b"", b"{", b"[]", b'"x"', b"null", b"7", b"{} {}", b'{"mtu":1500,}', b"{'mtu':1500}", b'{"mtu":01500}',
                     b"\xff\xfe{}", b'{"labels":{"a":"\xff"}}', b'{"labels":{"a":"\\u0000"}}', b'{"labels":{"a":"\\ud800"}}',
                     b"\xef\xbb\xbf{}", b'{"mtu":NaN}', b'{"mtu":1e999}'):
            expect(put_raw(daemon, body), (400, 422))
        problem = expect(put_raw(daemon, b'{"mtu":1500,"mtu":1400}'), 400, "/mtu")
        assert "duplicate" in json.dumps(problem["errors"]), problem
        expect(put_raw(daemon, b'{"a":' * 200 + b"1" + b"}" * 200), (400, 413))
        expect(put_raw(daemon, b'{"labels":' + b"[" * 5000 + b"]" * 5000 + b"}"), (400, 413))
        expect(put_raw(daemon, b'{"labels":{"a":"' + b"x" * (2 << 20) + b'"}}'), 413)
        expect(put_raw(daemon, b"{}", {"Content-Type": "text/plain"}), 415)
        expect(put_raw(daemon, b"{}", {"Content-Type": "application/x-www-form-urlencoded"}), 415)


@test("input-fields")
def fields(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        for field, value in (("mtu", 67), ("mtu", 65536), ("mtu", -1), ("mtu", 2 ** 63), ("mtu", 2 ** 70), ("mtu", 1500.5),
                             ("mtu", "1500"), ("mtu", True), ("stp", 1), ("stp", "yes"), ("policy", "nosuch"), ("policy", 3),
                             ("labels", 7), ("labels", [])):
            expect(daemon.api.put("/v1/bridges/brfield", {field: value}), (400, 422), f"/{field}")
        problem = expect(daemon.api.put("/v1/bridges/brfield", {"nosuch": 1, "mtu": 5, "other/field": 2}), 422, "/nosuch")
        assert {"/nosuch", "/mtu", "/other~1field"} <= {one["pointer"] for one in problem["errors"]}, problem
        for patch, pointer in (({"hostname": "-bad"}, "/hostname"), ({"hostname": "a" * 64}, "/hostname"),
                               ({"command": []}, "/command"), ({"command": "sh"}, "/command"), ({"command": [1]}, "/command/0"),
                               ({"isolation": "vm"}, "/isolation"), ({"autostart": "sometimes"}, "/autostart"),
                               ({"boot_priority": 10 ** 9}, "/boot_priority"), ({"stop_timeout": -1}, "/stop_timeout"),
                               ({"cwd": "relative"}, "/cwd"), ({"user": "root:root:x"}, "/user"), ({"env": {"A": 1}}, "/env/A"),
                               ({"limits": {"memory": {"max": -1}}}, "/limits/memory/max"),
                               ({"limits": {"cpu": {"weight": 0}}}, "/limits/cpu/weight"),
                               ({"limits": {"nosuch": 1}}, "/limits/nosuch"),
                               ({"nics": [{"name": "a/b", "bridge": "x"}]}, "/nics/0/name"),
                               ({"nics": [{"nosuch": 1}]}, "/nics/0/nosuch")):
            expect(daemon.api.put("/v1/containers/cfield", {"image": "busybox", **patch}), 422, pointer)
        expect(daemon.api.put("/v1/images/ifield", {"source": {"type": "nosuch"}}), 422, "/source/type")
        expect(daemon.api.put("/v1/images/ifield", {"source": {"type": "tarball", "path": "relative"}}), 422, "/source/path")
        expect(daemon.api.put("/v1/images/ifield", {}), 422, "/source")


@test("input-states-and-exec")
def states(lab):
    daemon = lab.daemon
    daemon.container("c1", start=True)
    with unchanged(daemon):
        expect(daemon.api.put("/v1/containers/c1/state", {"desired": "flying"}), 422, "/desired")
        expect(daemon.api.put("/v1/containers/c1/state", {}), 422, "/desired")
        expect(daemon.api.put("/v1/containers/c1/state", {"desired": "stopped", "timeout": -1}), 422, "/timeout")
        expect(daemon.api.post("/v1/containers/c1/exec", {}), 422, "/command")
        expect(daemon.api.post("/v1/containers/c1/exec", {"command": []}), 422, "/command")
        expect(daemon.api.post("/v1/containers/c1/exec", {"command": ["a\0b"]}), (400, 422))
        expect(daemon.api.post("/v1/containers/c1/exec", {"command": ["/bin/true"], "nosuch": 1}), 422, "/nosuch")
        expect(daemon.api.post("/v1/containers/c1/actions/kill", {"signal": "NOSUCH"}), 422, "/signal")
        expect(daemon.api.delete("/v1/containers/c1"), 409)
        expect(daemon.api.delete("/v1/images/busybox"), 409)
    assert daemon.state_of("c1") == "running"


@test("input-queries")
def queries(lab):
    daemon = lab.daemon
    with unchanged(daemon):
        for query in ("nosuch=1", "limit=0", "limit=1001", "limit=x", "limit=-1", "cursor=%00", "cursor=nosuch", "label=",
                      "limit=10&limit=20", "%zz=1"):
            expect(daemon.api.get(f"/v1/bridges?{query}"), 400)
        expect(daemon.api.put("/v1/bridges/brquery?dry_run=perhaps", {}), 400)
        expect(daemon.api.get("/v1/bridges/..%2f..%2fetc"), (400, 404))


RAW = {
    "length-with-chunked": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked-with-length": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "two-lengths": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "list-of-lengths": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2, 2\r\n\r\n{}",
    "length-with-sign": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: +2\r\n\r\n{}",
    "length-negative": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}",
    "length-too-long": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "unknown-coding": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "coding-twice": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "bad-chunk": b"PUT /v1/bridges/brs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "space-before-colon": b"GET /v1/bridges HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded-header": b"GET /v1/bridges HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n",
    "no-host": b"GET /v1/bridges HTTP/1.1\r\n\r\n",
    "two-hosts": b"GET /v1/bridges HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "nul-in-header": b"GET /v1/bridges HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "nul-in-target": b"GET /v1/bridges\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no-version": b"GET /v1/bridges\r\n\r\n",
    "strange-version": b"GET /v1/bridges HTTP/3.7\r\nHost: x\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "huge-header": b"GET /v1/bridges HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200000 + b"\r\n\r\n",
    "huge-target": b"GET /v1/bridges?" + b"a" * 200000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "many-headers": b"GET /v1/bridges HTTP/1.1\r\nHost: x\r\n" + b"X-A: 1\r\n" * 20000 + b"\r\n",
}


@test("input-http", seconds=120)
def http_bytes(lab):
    daemon = lab.daemon
    wrong = []
    with unchanged(daemon):
        for name, data in RAW.items():
            try:
                status, answer = daemon.api.raw(data, timeout=5)
            except BrokenPipeError:
                continue   # it closed on us in the middle of the flood: as good as a 431
            if not 400 <= status < 500 and not (status == 0 and answer == b""):
                wrong.append(f"{name}: {answer[:80]!r}")
        assert not wrong, "; ".join(wrong)
    assert daemon.api.get("/healthz").status == 200


@test("input-smuggled-request-is-never-run")
def smuggling(lab):
    daemon = lab.daemon
    inner = b"PUT /v1/bridges/brsmug HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with unchanged(daemon):
        for head in (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                     b"Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n", b"Content-Length: 0\r\nContent-Length: 5\r\n"):
            daemon.api.raw(b"GET /v1/bridges HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + inner, timeout=3)
        assert daemon.api.get("/v1/bridges/brsmug").status == 404


@test("input-slow-client-holds-nobody-up")
def slow(lab):
    daemon = lab.daemon
    stuck = []
    try:
        for _ in range(50):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.connect(str(daemon.api.socket_path))
            one.sendall(b"PUT /v1/bridges/brslow HTTP/1.1\r\nHost: x\r\nContent-Le")
            stuck.append(one)
        assert daemon.api.get("/v1/bridges", timeout=2).status == 200
    finally:
        for one in stuck:
            one.close()
    kernel.wait_until(lambda: daemon.api.get("/healthz").status == 200, "it answers")


@test("input-read-only-socket")
def read_only(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.5.1/24")
    assert daemon.read_only.get(f"/v1/bridges/{bridge}").status == 200
    with unchanged(daemon):
        expect(daemon.read_only.put(f"/v1/bridges/{bridge}", {"addresses": []}), (403, 405))
        expect(daemon.read_only.delete(f"/v1/bridges/{bridge}"), (403, 405))
        expect(daemon.read_only.post("/v1/containers/x/exec", {"command": ["/bin/true"]}), (403, 405))
    assert (daemon.run_dir / "sovirt-ro.sock").stat().st_mode & 0o777 == 0o666
    socket_file = (daemon.run_dir / "sovirt.sock").stat()
    try:
        expected = (0o660, grp.getgrnam("sovirt").gr_gid)
    except KeyError:   # without the group it stays root's own
        expected = (0o660, 0)
    assert (socket_file.st_mode & 0o777, socket_file.st_gid) == expected, oct(socket_file.st_mode)
