"""A daemon that only replays: answers of a JSON file over a Unix socket, and a record of what was asked.

    stub_server.py SOCKET ANSWERS REQUESTS

ANSWERS is {"METHOD TARGET": answer | [answer, …]}; of a list the last one is repeated. An answer is
{"status", "headers", "body" (JSON) | "text", "chunks": […], "delay": seconds}. What is not in it is a 404 problem.
Each request is appended to REQUESTS as one line of JSON. Ends when its standard input is closed.
"""
import json
import os
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler

REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        key = f"{self.command} {self.path}"
        self.server.record({"request": key, "headers": dict(self.headers), "body": body.decode("utf-8", "replace")})
        self.send_answer(self.server.pick(key))

    def send_answer(self, answer):
        time.sleep(answer.get("delay", 0))
        status = answer.get("status", 200)
        self.send_response_only(status, REASONS.get(status, "Answer"))
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        if "chunks" in answer:
            self.send_chunks(answer)
            return
        body = answer["text"].encode() if "text" in answer else json.dumps(answer["body"]).encode() if "body" in answer else b""
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_chunks(self, answer):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in answer["chunks"]:
            data = chunk.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
            time.sleep(answer.get("pause", 0))
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path, answers, requests):
        super().__init__(path, Handler)
        self.answers, self.requests, self.lock, self.turns = answers, requests, threading.Lock(), {}

    def record(self, request):
        with self.lock, open(self.requests, "a", encoding="utf-8") as out:
            out.write(json.dumps(request) + "\n")

    def pick(self, key):
        found = self.answers.get(key)
        if isinstance(found, list):
            with self.lock:
                turn = self.turns.get(key, 0)
                self.turns[key] = turn + 1
            found = found[min(turn, len(found) - 1)]
        if found is not None:
            return found
        return {"status": 404, "headers": {"Content-Type": "application/problem+json"},
                "body": {"status": 404, "code": "not-found", "title": "Not found", "detail": f"nothing at {key}", "request_id": "r-1"}}

    def handle_error(self, request, client_address):
        pass  # a client that goes away in the middle is part of the tests


def main():
    path, answers, requests = sys.argv[1:]
    with open(answers, encoding="utf-8") as file:
        server = Server(path, json.load(file), requests)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
