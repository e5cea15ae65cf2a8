"""HTTP over a Unix socket: a client for documents, and raw bytes for what no client would send."""
import http.client
import json
import socket
import time
import urllib.parse


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"HTTP {self.status}: {self.body[:600].decode(errors='replace')}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Api:
    """One request a connection, so that a daemon killed in between is noticed as such."""

    def __init__(self, socket_path):
        self.socket_path = socket_path

    def request(self, method, path, body=None, headers=None, timeout=60):
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection = UnixConnection(self.socket_path, timeout)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def put(self, path, body, **options):
        return self.request("PUT", path, body, **options)

    def patch(self, path, body, **options):
        return self.request("PATCH", path, body, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def raw(self, data, timeout=10):
        """The bytes as they are; answers (status, all bytes answered), status 0 when there was no answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(self.socket_path))
            connection.sendall(data)
            answer = b""
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                try:
                    part = connection.recv(65536)
                except (socket.timeout, ConnectionResetError):
                    break
                if not part:
                    break
                answer += part
                if complete(answer):
                    break
        status = answer.split(b" ", 2)[1] if answer.startswith(b"HTTP/1.1 ") else b"0"
        return int(status), answer

    def events(self, silence=1.0, **query):
        """Events as documents (`since` and the filters as asked), read from the stream until it says nothing for `silence` seconds."""
        connection = UnixConnection(self.socket_path, silence)
        found = []
        try:
            connection.request("GET", "/v1/events?" + urllib.parse.urlencode({"since": 0, **query}))
            answer = connection.getresponse()
            while line := answer.fp.readline():
                if line.startswith(b"data:"):
                    found.append(json.loads(line[5:]))
        except (OSError, http.client.HTTPException):
            pass   # the silence
        finally:
            connection.close()
        return found

    def wait_operation(self, response, timeout=60):
        """The end of the operation a 202 answered, or the resource a synchronous answer held."""
        if response.status != 202:
            return response.json if response.body else None
        location = response.headers["Location"]
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            document = self.get(f"{location}?wait=10s", timeout=30).json
            if document["state"] != "running":
                return document
        raise AssertionError(f"{location} was still running after {timeout} s: {document}")


def complete(answer):
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False
