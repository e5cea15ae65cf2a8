"""What measures: the client with a stopwatch, and the floor program, both compiled here and driven line by line."""
import json
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parents[1]


def compile_into(folder):
    for compiler, source in (("g++", "stopwatch.cpp"), ("cc", "floor.c")):
        program = folder / pathlib.Path(source).stem
        options = ["-std=c++20"] if compiler == "g++" else []
        subprocess.run([compiler, "-O2", *options, "-o", str(program), str(HERE / source)], check=True, timeout=120)


class Driven:
    """A program that answers each line of its input with one of output."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"{self.process.args[0]} ended with {self.process.wait(10)}")
        return answer.rstrip("\n")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class Floor(Driven):
    def __init__(self, program, daemon, lower, bridge):
        super().__init__("nsenter", "-t", daemon.holder.pid, "-n", program, lower, bridge, 0)

    def once(self):
        return float(self.ask(""))


class Stopwatch(Driven):
    def __init__(self, program, daemon):
        super().__init__(program, daemon.run_dir / "sovirt.sock")
        self.answer_bytes = 0

    def time(self, method, target, body=None, count=1):
        """Microseconds of each of `count` exchanges."""
        line = self.ask(f"{count} {method} {target} {json.dumps(body) if body is not None else ''}")
        status, size, rest = line.split(" ", 2)
        if int(status) >= 400 or int(status) == 202:
            raise AssertionError(f"{method} {target}: {status} {rest[:400]}")
        self.answer_bytes = int(size)
        return [float(one) for one in rest.split()]

    def put(self, target, body):
        return self.time("PUT", target, body)[0]

    def start(self, name):
        return self.put(f"/v1/containers/{name}/state", {"desired": "running"})

    def stop(self, name):
        return self.put(f"/v1/containers/{name}/state", {"desired": "stopped", "force": True})
