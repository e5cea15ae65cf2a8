"""Figures of one run: collected, put beside their targets, printed, written."""
import json
import os
import pathlib
import platform
import statistics
import time


class Figure:
    """One thing that was measured. Of times the median is judged; the minimum shows what noise has added."""

    def __init__(self, name, unit, values, target=None, beside=""):
        self.name, self.unit, self.target, self.beside = name, unit, target, beside
        ordered = sorted(values)
        self.count, self.minimum = len(ordered), ordered[0]
        self.median = statistics.median(ordered)
        self.p90 = ordered[int(0.9 * (len(ordered) - 1))]

    @property
    def verdict(self):
        if self.target is None:
            return ""
        return "met" if self.median <= self.target else "met at best" if self.minimum <= self.target else "missed"

    def as_json(self):
        return {"name": self.name, "unit": self.unit, "count": self.count, "min": round(self.minimum, 3),
                "median": round(self.median, 3), "p90": round(self.p90, 3), "target": self.target,
                "verdict": self.verdict or None, "beside": self.beside or None}


class Table:
    def __init__(self):
        self.figures, self.skipped, self.failed = [], {}, {}

    def add(self, *args, **options):
        figure = Figure(*args, **options)
        self.figures.append(figure)
        print(f"  {figure.name}: {figure.median:.4g} {figure.unit} {figure.verdict}", flush=True)
        record("PASS", figure.name)
        return figure

    def skip(self, name, reason):
        self.skipped[name] = reason
        print(f"  {name}: not measured: {reason}", flush=True)
        record("SKIP", name, reason)

    def fail(self, name, error):
        self.failed[name] = f"{type(error).__name__}: {error}"
        print(f"  {name}: FAILED: {self.failed[name][:600]}", flush=True)
        record("FAIL", name, self.failed[name])

    def show(self):
        head = ("what", "unit", "n", "min", "median", "p90", "target", "", "")
        rows = [head] + [(f.name, f.unit, str(f.count), number(f.minimum), number(f.median), number(f.p90),
                          number(f.target), f.verdict, f.beside) for f in self.figures]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        for row in rows:
            cells = [cell.ljust(width) if column in (0, 1, 7, 8) else cell.rjust(width)
                     for column, (cell, width) in enumerate(zip(row, widths))]
            print("  ".join(cells).rstrip())

    def write(self, path, context):
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {**context, "figures": [figure.as_json() for figure in self.figures],
                    "skipped": self.skipped, "failed": self.failed}
        path.write_text(json.dumps(document, indent=1) + "\n")


def number(value):
    if value is None:
        return ""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:.0f}"


def record(verdict, name, reason=""):
    path = os.environ.get("SOVIRT_TEST_RESULTS")
    if path:
        with open(path, "a", encoding="utf-8") as results:
            print(verdict, f"bench/{name.replace(' ', '-')}", " ".join(reason.split())[:400], sep="\t", file=results)


def machine():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "unknown")
    return {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "cpu": model, "cores": os.cpu_count(),
            "kernel": platform.release(), "load_before": round(os.getloadavg()[0], 2)}
