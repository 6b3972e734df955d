#!/usr/bin/env python3
"""Every event of core/log/events.def is written somewhere; an event nobody writes is a promise in the manual that is not kept."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = "core/log/events.def"
ROW = re.compile(r'^VRD_EVENT\((k\w+), "([^"]+)"', re.M)


def unused_events(root=ROOT):
    rows = ROW.findall((root / TABLE).read_text(encoding="utf-8"))
    used = set()
    for path in (root / "core").rglob("*"):
        if path.suffix in (".cc", ".h") and not path.name.endswith("_test.cc"):
            used.update(re.findall(r"events::(k\w+)", path.read_text(encoding="utf-8")))
    return [f"{TABLE}: nothing writes the event {name} ({constant})" for constant, name in rows if constant not in used]


if __name__ == "__main__":
    findings = unused_events()
    print("\n".join(findings), end="\n" if findings else "")
    sys.exit(1 if findings else 0)
