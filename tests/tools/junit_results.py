#!/usr/bin/env python3
"""Turns ctest's JUnit file into result lines: junit_results.py TIER FILE."""
import os
import re
import sys
import xml.etree.ElementTree as tree


def reason_of(case, element):
    output = case.findtext("system-out") or ""
    skipped = re.search(r"Skipped\n(.+)", output) or re.search(r"SKIP[A-Z]*:? *(.+)", output)
    failed = re.search(r"Failure\n(.+(?:\n.+)?)", output)
    found = skipped if element.tag == "skipped" else failed
    text = found.group(1) if found else element.get("message") or "no reason given"
    return " ".join(text.split())[:300]


def main(tier, path):
    cases = tree.parse(path).getroot().findall("testcase")
    with open(os.environ["SOVIRT_TEST_RESULTS"], "a", encoding="utf-8") as results:
        for case in cases:
            name = f"{tier}/{case.get('name')}"
            bad = case.find("failure")
            if bad is None:
                bad = case.find("error")
            skipped = case.find("skipped")
            if bad is not None:
                print(f"FAIL {name}\n{case.findtext('system-out') or ''}")
                print("FAIL", name, reason_of(case, bad), sep="\t", file=results)
            elif skipped is not None or case.get("status") in ("notrun", "disabled"):
                why = reason_of(case, skipped) if skipped is not None else "not run"
                print("SKIP", name, why, sep="\t", file=results)
            else:
                print("PASS", name, "", sep="\t", file=results)
    print(f"{len(cases)} tests")
    return 0 if cases else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
