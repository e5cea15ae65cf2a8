#!/usr/bin/env python3
"""What a reviewer should not have to look for: layering, coroutine traps, foreign paths, long files.

Appends one result a rule; `lint.py --selftest` proves that each rule finds what it is for.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST_FILE = 400     # lines; longer is a warning, not a failure

# Which layer may include which. daemon/*.cpp, the wiring, may include all.
LAYERS = {
    "daemon/base": {"daemon/base"},
    "api": {"api", "daemon/base"},
    "daemon/domain": {"daemon/domain", "api", "daemon/base"},
    "daemon/kernel": {"daemon/kernel", "daemon/launcher", "daemon/domain", "api", "daemon/base"},   # the monitor's protocol is its own
    "daemon/store": {"daemon/store", "daemon/domain", "api", "daemon/base"},
    "daemon/async": {"daemon/async", "daemon/base"},
    "daemon/server": {"daemon/server", "daemon/async", "daemon/domain", "api", "daemon/base"},
    "daemon/launcher": {"daemon/launcher", "daemon/base", "api"},
    "client": {"client", "api", "daemon/base"},
}
COROUTINE_LAYERS = ("daemon/async", "daemon/server", "client", "tests")


def layer_of(path):
    for layer in sorted(LAYERS, key=len, reverse=True):
        if path.startswith(layer + "/"):
            return layer
    return None


def without_text(code):
    """The code with comments and the insides of strings blanked, positions kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found.group(0)), code)


def line_of(code, position):
    return code.count("\n", 0, position) + 1


def includes(path, code):
    layer = layer_of(path)
    if layer is None:
        return
    for found in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', code, re.M):
        target = layer_of(found.group(1))
        if target is not None and target not in LAYERS[layer]:
            yield line_of(code, found.start()), f"{layer} may not include {target} ({found.group(1)})"
    if layer in ("daemon/domain", "daemon/kernel", "daemon/store", "daemon/base", "api"):
        for found in re.finditer(r"^\s*#\s*include\s+<boost/(asio|beast)", code, re.M):
            yield line_of(code, found.start()), f"{layer} is plain blocking code, without Asio"


def expression_around(code, position):
    """The full expression at `position`: back to the last ; { or } that is not within it, on to its ;"""
    depth, start, condition = 0, position, False
    while start > 0:
        char = code[start - 1]
        if char in ")]":
            depth += 1
        elif char in "([":
            depth -= 1
            condition = depth < 0 and re.search(r"\b(if|while|for|switch)\s*$", code[max(0, start - 12):start - 1]) is not None
            if condition:
                break
        elif char in ";{}" and depth <= 0:
            break
        start -= 1
    depth, end = 0, position
    while end < len(code):
        char = code[end]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0 and (char == "}" or condition):
                break
        elif char == ";" and depth <= 0:
            break
        end += 1
    return code[start:end]


BRACED = re.compile(r"(?:[(,]|\breturn)\s*\{|\b(?!if\b|for\b|while\b|switch\b|else\b|do\b|try\b|mutable\b|noexcept\b)[A-Za-z_][\w:]*(?:<[^;{}]*>)?\s*\{")
BY_VALUE = re.compile(r"\[\s*(?:=|[^\]&\[]*\b(?!this\b)[A-Za-z_]\w*(?![\w]*\s*=\s*&))[^\]]*\]\s*(?:\(|\{|mutable)")


def coroutine_traps(path, code):
    if "co_await" not in code:
        return
    if not path.startswith(COROUTINE_LAYERS) and not re.match(r"daemon/\w+\.cpp$", path):
        yield 1, "coroutines live in daemon/server and daemon/async only"
    blank = without_text(code)
    for found in re.finditer(r"\bco_await\b", blank):
        expression = expression_around(blank, found.start())
        head = expression.split("co_await", 1)[1]
        if BY_VALUE.search(head):
            yield line_of(code, found.start()), "a by-value capturing lambda in an expression with co_await: name it first"
        elif BRACED.search(re.sub(r"\[[^\]]*\]\s*(\([^()]*\))?[^{};]*\{.*", "", head, flags=re.S)):
            yield line_of(code, found.start()), "a braced temporary in an expression with co_await: name it first"


def foreign_paths(path, code):
    for found in re.finditer(r"(?<![\w.])/work/(?:main|shared|build)\b|/Users/\w+|/home/(?!user\b|alice\b|bob\b)[a-z]\w*/", code):
        yield line_of(code, found.start()), f"a path of one machine: {found.group(0)}"


def raw_resources(path, code):
    if not path.startswith(("daemon/", "client/", "api/")):
        return
    for found in re.finditer(r"\bnew\s+[A-Za-z_:]+[({]|\bTODO\b|\bFIXME\b", without_text(code)):
        yield line_of(code, found.start()), f"not here: {found.group(0).strip()}"


def documented_problems():
    """Every problem code has an entry in common-errors.md with its status, and every entry is a code."""
    codes = {code: status for status, code in re.findall(
        r"case Code::\w+: return \{(\d+), \"([\w-]+)\"", (ROOT / "daemon/base/error.cpp").read_text())}
    codes |= {code: status for status, code in re.findall(
        r"\{(\d+), \"([\w-]+)\", \"", (ROOT / "daemon/server/problem.cpp").read_text())}   # what only HTTP knows
    entries = dict(re.findall(r"^### ([\w-]+)\n(\d+)\.", (ROOT / "proto-docs/common-errors.md").read_text(), re.M))
    for code in sorted(codes.keys() | entries.keys()):
        if codes.get(code) != entries.get(code):
            yield f"proto-docs/common-errors.md: {code} is {codes.get(code)} in error.cpp and {entries.get(code)} there"


RULES = {"layers": includes, "coroutine-traps": coroutine_traps, "foreign-paths": foreign_paths,
         "raw-resources": raw_resources}


def sources():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=True).stdout.split("\n")
    for name in listed:
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            try:
                yield name, path.read_text()
            except UnicodeDecodeError:
                continue


def run():
    findings = {rule: [] for rule in RULES} | {"documented-problems": list(documented_problems())}
    count = 0
    for name, code in sources():
        count += 1
        is_cpp = name.endswith((".cpp", ".hpp", ".h", ".c"))
        for rule, check in RULES.items():
            if is_cpp or rule == "foreign-paths":
                findings[rule] += [f"{name}:{line}: {text}" for line, text in check(name, code)]
        if is_cpp and code.count("\n") > LONGEST_FILE:
            print(f"warning: {name} has {code.count(chr(10))} lines")
    results = open(os.environ["SOVIRT_TEST_RESULTS"], "a") if "SOVIRT_TEST_RESULTS" in os.environ else sys.stdout
    for rule, found in findings.items():
        for line in found:
            print(line)
        print("FAIL" if found else "PASS", f"lint/{rule}", "; ".join(found)[:500], sep="\t", file=results)
    print(f"{count} files")
    return 1 if any(findings.values()) else 0


SELFTEST = {
    "layers": [("api/x.cpp", '#include "daemon/store/database.hpp"\n'), ("daemon/domain/x.cpp", "#include <boost/asio.hpp>\n")],
    "coroutine-traps": [
        ("daemon/server/x.cpp", "void f() { auto r = co_await blocking(pool, [=] { return g(); }); }"),
        ("daemon/server/x.cpp", "void f() { auto r = co_await blocking(pool, [path] { return g(path); }); }"),
        ("daemon/server/x.cpp", "void f() { co_await send(Reply{200, text}); }"),
        ("daemon/server/x.cpp", "void f() { co_await send({200, text}); }"),
        ("daemon/kernel/x.cpp", "void f() { co_await g(); }"),
    ],
    "foreign-paths": [("README.md", "see /Us" + "ers/someone/x")],
    "raw-resources": [("daemon/x.cpp", "auto p = new Thing(1);")],
}
CLEAN = {
    "layers": [("daemon/main.cpp", '#include "daemon/store/database.hpp"\n')],
    "coroutine-traps": [
        ("daemon/server/x.cpp", "void f() { auto work = [=] { return g(); }; auto r = co_await blocking(pool, std::move(work)); }"),
        ("daemon/server/x.cpp", "void f() { if (ok) { co_await send(reply); } Thing t{1}; }"),
        ("daemon/server/x.cpp", "void f() { auto r = co_await read(socket, buffers[0]); }"),
        ("daemon/server/x.cpp", "void f() { if (co_await ready()) { Thing t{1}; } }"),
    ],
}


def selftest():
    wrong = [f"{rule} misses: {code}" for rule, cases in SELFTEST.items() for path, code in cases
             if not list(RULES[rule](path, code))]
    wrong += [f"{rule} is wrong about: {code}" for rule, cases in CLEAN.items() for path, code in cases
              if list(RULES[rule](path, code))]
    print("\n".join(wrong) or "every rule finds what it is for")
    return 1 if wrong else 0


if __name__ == "__main__":
    if "--selftest" in sys.argv:
        sys.exit(selftest())
    sys.exit(selftest() or run())
