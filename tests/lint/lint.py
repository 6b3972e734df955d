#!/usr/bin/env python3
"""Lints of the tree: include direction, file and function sizes, house rules. Prints the size table; exit 1 with every finding listed."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED = {
    "base": [], "log": ["base"], "config": ["base", "log"], "loop": ["base"],
    "net": ["base", "loop"], "mail": ["base"], "smtp": ["base", "mail"],
    "hooks": ["base", "loop", "log", "mail", "smtp"],
    "spool": ["base", "loop", "mail"],
    "queue": ["base", "loop", "log", "config", "mail", "smtp", "hooks", "spool"],
    "bounce": ["base", "loop", "log", "config", "mail", "smtp", "hooks", "spool", "queue"],
    "outbound": ["base", "loop", "log", "config", "net", "mail", "smtp", "hooks", "spool", "queue"],
    "inbound": ["base", "loop", "log", "config", "net", "mail", "smtp", "hooks", "spool", "queue"],
    "control": ["base", "loop", "log", "config", "net", "mail", "smtp", "spool", "queue"],
}
SHARED_TOOLS = {"queue/queue.h"}
MAX_FILE, MAX_HEADER, MAX_FUNCTION, MAX_MEDIAN, MAX_P90 = 500, 300, 80, 12, 40
FUNCTION_START = re.compile(r"^(?!namespace|class|struct|enum|extern|using|typedef|#|//|\}|\s*\))\S.*\)[^;]*\{$")


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, text=True, capture_output=True, check=True)
    return [ROOT / line for line in out.stdout.splitlines() if (ROOT / line).exists()]


def include_direction(path, lines, problems):
    folder = path.relative_to(ROOT / "core").parts[0]
    if folder == "main":
        return
    for number, line in enumerate(lines, 1):
        found = re.match(r'#include "([a-z_]+)/([a-z_./]+)"', line)
        if not found or found[1] == folder:
            continue
        if found[1] not in ALLOWED.get(folder, []):
            problems.append(f"{path.relative_to(ROOT)}:{number}: {folder} must not include {found[1]}/{found[2]}")


def functions(lines):
    """Lengths of functions that start in column 0 or one namespace/class level in; good enough for a style budget."""
    lengths, start = [], None
    for number, line in enumerate(lines):
        if start is None and (FUNCTION_START.match(line) or re.match(r"^  [A-Za-z~].*\)[^;=]*\{$", line)):
            start, indent = number, len(line) - len(line.lstrip())
        elif start is not None and line.startswith(" " * indent + "}") and not line[indent + 1:].strip().startswith("else"):
            lengths.append((number - start + 1, start + 1))
            start = None
    return lengths


def sizes(path, lines, problems):
    name = path.relative_to(ROOT)
    bound = MAX_HEADER if path.suffix == ".h" and not path.name.startswith("test_") else MAX_FILE
    if len(lines) > bound:
        problems.append(f"{name}: {len(lines)} lines; at most {bound} (two rooms?)")
    found = functions(lines)
    for length, line in found:
        if length > MAX_FUNCTION and "lint: long" not in lines[line - 2]:
            problems.append(f"{name}:{line}: a function of {length} lines; at most {MAX_FUNCTION}")
    return [length for length, _ in found]


def house_rules(path, text, problems):
    name = path.relative_to(ROOT)
    if not text.lstrip().startswith(("//", "/*", "#")):
        problems.append(f"{name}:1: the first comment must say what the file is")
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX)\b", line):
            problems.append(f"{name}:{number}: unfinished mark")
        if re.search(r"co_await[^;]*\?[^;]*:[^:]|\?[^;:]*co_await", line):
            problems.append(f"{name}:{number}: co_await inside ?: (some compilers destroy its temporaries twice)")


def table(rows):
    print(f"{'folder':<12} {'functions':>9} {'median':>7} {'p90':>5} {'longest':>8}")
    for folder, lengths in sorted(rows.items()):
        lengths.sort()
        if lengths:
            print(f"{folder:<12} {len(lengths):>9} {lengths[len(lengths) // 2]:>7} {lengths[int(len(lengths) * .9)]:>5} {lengths[-1]:>8}")


def main():
    problems, rows, everything = [], {}, []
    for path in tracked("core/*.cc", "core/*.h", "tests/*.cc", "tests/*.h"):
        text = path.read_text(errors="replace")
        lines = text.splitlines()
        parts = path.relative_to(ROOT).parts
        if parts[0] == "core" and not path.name.endswith(("_test.cc", "_bench.cc")):
            include_direction(path, lines, problems)
        lengths = sizes(path, lines, problems)
        if not path.name.endswith("_test.cc"):
            rows.setdefault(parts[1], []).extend(lengths)
            everything.extend(lengths)
        house_rules(path, text, problems)
    table(rows)
    everything.sort()
    if everything:
        median, p90 = everything[len(everything) // 2], everything[int(len(everything) * .9)]
        if median > MAX_MEDIAN or p90 > MAX_P90:
            problems.append(f"the tree: median {median} (at most {MAX_MEDIAN}), p90 {p90} (at most {MAX_P90})")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


sys.exit(main())
