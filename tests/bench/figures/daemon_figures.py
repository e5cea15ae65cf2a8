"""What the daemon takes for each kind of request, beside the kernel's own floor where there is one."""
import os
import pathlib
import statistics
import time

from harness import kernel

MS = 1000.0
CALM = 0.15   # seconds; the daemon keeps one monitor in reserve and makes the next a moment after a start
BRIDGE = "brbench"


def spec_of(number, **more):
    nic = {"name": "eth0", "bridge": BRIDGE, "addresses": [f"172.31.{40 + number // 200}.{2 + number % 200}/16"]}
    return {"image": "busybox", "command": ["/bin/sleep", "100000"], "nics": [nic], **more}


class DaemonFigures:
    def __init__(self, table, daemon, stopwatch, floor, quick):
        self.table, self.daemon, self.stopwatch, self.floor, self.quick = table, daemon, stopwatch, floor, quick

    def rounds(self, full):
        return max(3, full // 5) if self.quick else full

    def create(self, name, number, **more):
        return self.stopwatch.put(f"/v1/containers/{name}", spec_of(number, **more))

    def delete(self, name):
        return self.stopwatch.time("DELETE", f"/v1/containers/{name}")[0]

    # -- start and stop ------------------------------------------------------------

    def paired(self, pause, rounds):
        """(floor, start, stop) in turns, so that whatever else the machine does hits all of them."""
        floors, starts, stops = [], [], []
        for number in range(rounds + 1):
            time.sleep(pause)
            floors.append(self.floor.once())
            starts.append(self.stopwatch.start("one"))
            stops.append(self.stopwatch.stop("one"))
        return floors[1:], starts[1:], stops[1:]   # the first reads everything from disk

    def start_and_stop(self):
        self.create("one", 1)
        floors, starts, stops = self.paired(CALM, self.rounds(60))
        self.table.add("floor", "ms", [t / MS for t in floors])
        self.add_starts("start", starts, floors)
        self.table.add("stop by force", "ms", [t / MS for t in stops])
        floors, starts, _ = self.paired(1.0, self.rounds(15))
        self.add_starts("start after 1 s of rest", starts, floors)
        self.delete("one")

    def add_starts(self, name, starts, floors, target=2.5):
        ratio = statistics.median(starts) / statistics.median(floors)
        self.table.add(name, "ms", [t / MS for t in starts])
        self.table.add(f"{name} / floor", "x", [a / b for a, b in zip(starts, floors)], target=target,
                       beside=f"of medians {ratio:.2f}, of minima {min(starts) / min(floors):.2f}")

    def back_to_back(self):
        """Without a pause there is no monitor in reserve for most of them."""
        names = [f"b{number}" for number in range(self.rounds(30))]
        for number, name in enumerate(names):
            self.create(name, number)
        floors = [self.floor.once() for _ in names]
        starts = [self.stopwatch.start(name) for name in names]
        self.add_starts("start back to back", starts, floors, target=None)
        for name in names:
            self.stopwatch.stop(name)
            self.delete(name)

    # -- the rest --------------------------------------------------------------------

    def create_and_delete(self):
        created, deleted = [], []
        for number in range(self.rounds(60)):
            created.append(self.create(f"c{number}", number))
            deleted.append(self.delete(f"c{number}"))
        self.table.add("create", "ms", [t / MS for t in created], target=5)
        self.table.add("delete", "ms", [t / MS for t in deleted])

    def execute(self):
        self.create("one", 1)
        self.stopwatch.start("one")
        times = self.stopwatch.time("POST", "/v1/containers/one/exec", {"command": ["/bin/true"]}, self.rounds(100))
        self.table.add("exec /bin/true", "ms", [t / MS for t in times[1:]], target=3)

    def get(self):
        """Of the running container that execute() has left."""
        self.stopwatch.time("GET", "/v1/containers/one", count=200)
        times = self.stopwatch.time("GET", "/v1/containers/one", count=self.rounds(10000))
        self.table.add("GET one, running", "us", times, target=60, beside=f"{self.stopwatch.answer_bytes} bytes")
        self.stopwatch.stop("one")
        times = self.stopwatch.time("GET", "/v1/containers/one", count=self.rounds(10000))
        self.table.add("GET one, stopped", "us", times, target=60, beside=f"{self.stopwatch.answer_bytes} bytes")
        self.delete("one")

    def page(self):
        for number in range(100):
            self.create(f"p{number}", number)
        times = self.stopwatch.time("GET", "/v1/containers?limit=100", count=self.rounds(200))
        self.table.add("GET page of 100", "ms", [t / MS for t in times], target=5, beside=f"{self.stopwatch.answer_bytes} bytes")
        for number in range(100):
            self.delete(f"p{number}")

    def boot(self, count=50):
        """A new boot: from the start of the daemon to the end of its report. Leaves the containers running."""
        floor = statistics.median(self.floor.once() for _ in range(20)) / MS
        for number in range(count):
            self.create(f"r{number}", number, autostart="always")
        self.stopwatch.close()
        self.floor.close()
        self.daemon.power_cut()
        self.daemon.make_network()
        begin = time.monotonic()
        self.daemon.start()
        report = kernel.wait_until(lambda: self.finished_restore(), "the boot is restored", 120, 0.01)
        took = (time.monotonic() - begin) * MS
        wrong = [item for item in report["items"] if item["result"] != "restored"]
        assert not wrong, wrong
        cores = len(os.sched_getaffinity(0))
        self.table.add(f"restore of {count} at boot", "ms", [took], target=1.5 * floor * count / cores,
                       beside=f"1.5 x floor {floor:.2f} ms x {count} / {cores} cores")

    def finished_restore(self):
        answer = self.daemon.api.get("/v1/restore")
        report = answer.json
        report = report.get("status", report)
        return answer.status == 200 and report.get("finished_at") and report

    def memory(self):
        """With the containers that boot() has left running."""
        time.sleep(1)   # for the monitor in reserve, which counts as one
        monitors = [private_kib(pid) for pid in kernel.cgroup_pids(self.daemon.cgroups()) if is_monitor(pid)]
        running = len(self.daemon.items("containers"))
        self.table.add("memory of a container", "KiB", [sum(monitors) / (running + 1)], target=700,
                       beside=f"its monitor and agent, {len(monitors)} processes")
        self.table.add("memory of the daemon", "MiB", [private_kib(self.daemon.process.pid) / 1024], target=25,
                       beside=f"with {running} running containers")


def is_monitor(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sovirt-launch")
    except OSError:
        return False


def private_kib(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
