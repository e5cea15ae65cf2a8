"""What holds for every kind: revisions, lists, dry runs, operations, events, history, OpenAPI."""
import json
import pathlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from harness import kernel
from harness.runner import test
from harness import sessions


@test("api-resource-has-its-fields")
def fields(lab):
    daemon = lab.daemon
    name = lab.name("br")
    document = daemon.bridge(name, "172.31.30.1/24", labels={"tier": "web"})
    assert set(document) >= {"kind", "name", "uid", "revision", "labels", "created_at", "updated_at", "spec", "status"}, document
    assert document["kind"] == "bridge" and document["name"] == name and document["labels"] == {"tier": "web"}, document
    assert document["spec"]["mtu"] == 1500 and document["spec"]["policy"] == "repair", document
    assert document["status"]["state"] and isinstance(document["status"]["conditions"], list), document
    assert document["created_at"].endswith("Z"), document


@test("api-etag-and-if-match")
def etag(lab):
    daemon = lab.daemon
    name = lab.name("br")
    path = f"/v1/bridges/{name}"
    daemon.bridge(name, "172.31.30.1/24")
    tag = daemon.api.get(path).headers["ETag"]
    assert tag.startswith('"') and tag.endswith('"'), tag
    assert daemon.api.patch(path, {"mtu": 1400}, headers={"If-Match": tag}).status == 200
    late = daemon.api.patch(path, {"mtu": 1300}, headers={"If-Match": tag})
    assert late.status == 412 and daemon.net.link(name)["mtu"] == 1400, late
    assert daemon.api.put(path, {"addresses": []}, headers={"If-Match": tag}).status == 412
    again = daemon.api.put(path, {"addresses": ["172.31.30.1/24"]}, headers={"If-None-Match": "*"})
    assert again.status in (409, 412), again
    assert daemon.api.get(path).headers["ETag"] != tag


@test("api-if-match-lets-one-of-many-win")
def race(lab):
    daemon = lab.daemon
    name = lab.name("br")
    path = f"/v1/bridges/{name}"
    daemon.bridge(name, "172.31.30.1/24")
    tag = daemon.api.get(path).headers["ETag"]
    barrier = threading.Barrier(8)

    def change(number):
        barrier.wait(10)
        return daemon.api.patch(path, {"mtu": 1300 + number}, headers={"If-Match": tag}).status
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(8)))
    assert statuses.count(200) == 1 and set(statuses) <= {200, 409, 412}, statuses
    assert daemon.net.link(name)["mtu"] == daemon.api.get(path).json["spec"]["mtu"]


@test("api-merge-patch")
def patch(lab):
    daemon = lab.daemon
    name = lab.name("br")
    path = f"/v1/bridges/{name}"
    daemon.bridge(name, "172.31.30.1/24", mtu=1400)
    answer = daemon.api.request("PATCH", path, b'{"addresses":["172.31.30.2/24"],"mtu":null}', {"Content-Type": "application/merge-patch+json"})
    assert answer.status == 200, answer
    assert daemon.net.addresses(name) == {"172.31.30.2/24"} and daemon.net.link(name)["mtu"] == 1500
    assert daemon.api.patch("/v1/bridges/nosuch", {}).status == 404


@test("api-dry-run-changes-nothing")
def dry_run(lab):
    daemon = lab.daemon
    name = lab.name("br")
    answer = daemon.api.put(f"/v1/bridges/{name}?dry_run=true", {"addresses": ["172.31.30.1/24"]})
    assert answer.status == 200 and answer.json["steps"], answer
    assert any(name in step["description"] for step in answer.json["steps"]), answer
    assert daemon.net.link(name) is None and daemon.api.get(f"/v1/bridges/{name}").status == 404
    daemon.bridge(name, "172.31.30.1/24")
    answer = daemon.api.delete(f"/v1/bridges/{name}?dry_run=true")
    assert answer.status == 200 and any(step.get("disruptive") for step in answer.json["steps"]), answer
    assert daemon.net.link(name)
    daemon.container("c1")
    answer = daemon.api.put("/v1/containers/c1/state?dry_run=true", {"desired": "running"})
    assert answer.status == 200 and answer.json["steps"] and daemon.state_of("c1") == "created", answer


@test("api-lists-filter-and-page")
def lists(lab):
    daemon = lab.daemon
    for number in range(25):
        daemon.container(f"p{number:02}", labels={"half": "low" if number < 12 else "high"})
    names, cursor, pages = [], "", 0
    while True:
        page = daemon.api.get(f"/v1/containers?limit=10{'&cursor=' + cursor if cursor else ''}").json
        names += [item["name"] for item in page["items"]]
        pages += 1
        cursor = page["next"]
        if not cursor:
            break
    assert names == [f"p{number:02}" for number in range(25)] and pages == 3, names

    def count(query):
        return len(daemon.api.get(f"/v1/containers?{query}").json["items"])
    assert (count("label=half:low"), count("label=half:high"), count("label=half:none")) == (12, 13, 0)
    assert (count("name=p0*"), count("name=p07"), count("state=created"), count("state=running")) == (10, 1, 25, 0)


@test("api-post-creates-like-put")
def post(lab):
    daemon = lab.daemon
    name = lab.name("br")
    answer = daemon.api.post("/v1/bridges", {"name": name, "addresses": ["172.31.30.1/24"]})
    assert answer.status == 201 and daemon.net.addresses(name) == {"172.31.30.1/24"}, answer
    again = daemon.api.post("/v1/bridges", {"name": name, "addresses": ["172.31.30.1/24"]})
    assert again.status == 409, again


@test("api-events-are-durable-and-filtered")
def durable_events(lab):
    daemon = lab.new_daemon()
    seq = daemon.api.get("/v1/bridges").json["seq"]
    name = lab.name("br")
    daemon.bridge(name, "172.31.30.1/24")
    daemon.container("c1", start=True)
    daemon.set_state("c1", "stopped")
    seen = daemon.api.events(since=seq)
    assert [(event["name"], event["type"]) for event in seen] == [
        (name, "created"), ("c1", "created"), ("c1", "started"), ("c1", "stopped")], seen
    ids = [event["id"] for event in seen]
    assert ids == sorted(set(ids)), ids
    daemon.restart()
    again = [event for event in daemon.api.events(since=seq) if event["id"] in ids]
    assert again == seen, "events are lost by a restart"
    assert [event["type"] for event in daemon.api.events(since=ids[1])][:2] == ["started", "stopped"]


@test("api-history-and-revert")
def history(lab):
    daemon = lab.daemon
    name = lab.name("br")
    path = f"/v1/bridges/{name}"
    daemon.bridge(name, "172.31.30.1/24", mtu=1400)
    daemon.api.patch(path, {"mtu": 1300})
    items = daemon.api.get(f"{path}/history").json["items"]
    assert sorted(item["revision"] for item in items) == [1, 2], items
    assert all(item["actor"]["uid"] == 0 and item["actor"]["pid"] > 0 for item in items), items
    answer = daemon.api.post(f"{path}/actions/revert", {"revision": 1})
    assert answer.status == 200 and daemon.net.link(name)["mtu"] == 1400, answer
    assert answer.json["revision"] == 3, answer


@test("api-openapi-says-what-dispatches")
def openapi(lab):
    daemon = lab.daemon
    document = daemon.api.get("/v1/openapi.json").json
    assert document["openapi"].startswith("3.1"), document["openapi"]
    for path, methods in document["paths"].items():
        concrete = path.replace("{kind}", "bridges")
        for part, value in (("name", "nosuch"), ("id", "nosuch"), ("pid", "1"), ("snapshot", "nosuch")):
            concrete = concrete.replace("{" + part + "}", value)
        for method in ("get", "put", "post", "patch", "delete"):
            if path == "/v1/events" and method == "get":
                continue
            answer = daemon.api.request(method.upper(), concrete, {} if method in ("put", "post", "patch") else None)
            known = method in methods
            assert (answer.status == 405) == (not known), f"{method} {path}: {answer}"
            if not known:
                allowed = {word.strip().lower() for word in answer.headers["Allow"].split(",")} - {"head", "options"}
                assert allowed == {one for one in methods if one in ("get", "put", "post", "patch", "delete")}, (path, allowed)
    daemon.remove_all()


@test("api-reference-is-what-the-daemon-says")
def reference(lab):
    generate = pathlib.Path(__file__).parents[2] / "proto-docs/generate"
    kernel.run(generate, lab.daemon.run_dir / "sovirt.sock", "--check")


@test("api-every-answer-has-a-request-id-in-the-log")
def request_ids(lab):
    daemon = lab.daemon
    problem = daemon.api.get("/v1/bridges/nosuch").json
    identity = problem["request_id"]
    kernel.wait_until(lambda: identity in daemon.log_file.read_text(errors="replace"), f"{identity} is in the log", 3)


@test("api-keep-alive-and-pipelining")
def pipelining(lab):
    daemon = lab.daemon
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(daemon.api.socket_path))
        connection.sendall(request * 20 + b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.count(b"HTTP/1.1 200") == 21, answer[:300]


@test("api-readers-do-not-wait-for-writers")
def readers(lab):
    daemon = lab.daemon
    daemon.container("deaf", command=["/bin/sh", "-c", "trap '' TERM PWR 37; while :; do sleep 1; done"], stop_timeout=2)
    daemon.start_container("deaf")
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(daemon.set_state, "deaf", "stopped")
        time.sleep(0.3)
        started = time.monotonic()
        assert daemon.get_container("deaf") and daemon.items("containers")
        assert time.monotonic() - started < 1, "a reader waited for the stop"
        stopping.result(20)


@test("api-failed-start-leaves-all-as-it-was")
def failed_start(lab):
    daemon = lab.daemon
    bridge = lab.name("br")
    daemon.bridge(bridge, "172.31.30.1/24")
    daemon.container("c1", command=["/etc/passwd"], nics=[{"name": "eth0", "bridge": bridge, "addresses": ["172.31.30.10/24"]}])
    groups = set(daemon.cgroups())
    answer = daemon.set_state("c1", "running")
    assert 400 <= answer.status < 500 and "/etc/passwd" in answer.json["detail"], answer
    kernel.wait_until(lambda: set(daemon.net.links()) == {"lo", bridge}, "no NIC is left")
    assert set(daemon.cgroups()) <= groups | {group for group in daemon.cgroups() if group.endswith("/monitors")}
    assert daemon.api.patch("/v1/containers/c1", {"command": ["/bin/sleep", "100"]}).status == 200
    assert daemon.start_container("c1")


@test("events-over-a-websocket")
def events_socket(lab):
    """The same documents as the event stream, by a client that is not ours."""
    daemon = lab.daemon
    seq = daemon.api.get("/v1/containers").json["seq"]
    line = sessions.connect(daemon, "/v1/events", protocol=None, since=seq, kind="container")
    daemon.container("box", start=True)
    daemon.set_state("box", "stopped", force=True)
    seen = []
    while not seen or seen[-1]["type"] not in ("stopped", "exited"):
        seen.append(json.loads(line.recv()))
    assert [one["type"] for one in seen][:2] == ["created", "started"] and {one["name"] for one in seen} == {"box"}, seen
    assert seen == [one for one in daemon.api.events(since=seq) if one["kind"] == "container"][:len(seen)], seen
    line.close()
    for query, status in (("nosuch=1", 400), ("since=x", 400)):
        try:
            sessions.connect(daemon, f"/v1/events?{query}", protocol=None)
            raise AssertionError(query)
        except sessions.websocket.WebSocketBadStatusException as error:
            assert error.status_code == status, (query, error)
