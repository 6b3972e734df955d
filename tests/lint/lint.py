#!/usr/bin/env python3
"""All lints that need no build. Prints the size table of the tree and every finding; exit 1 when there is one."""
import pathlib
import subprocess
import sys

import layout
import settings
import sources
from tree import Tree

HERE = pathlib.Path(__file__).resolve().parent


def print_table(rows):
    print(f"{'folder':<12} {'functions':>9} {'median':>7} {'p90':>5} {'longest':>8}")
    for folder, lengths in sorted(rows.items()):
        lengths.sort()
        if lengths:
            print(f"{folder:<12} {len(lengths):>9} {lengths[len(lengths) // 2]:>7} {lengths[int(len(lengths) * .9)]:>5} {lengths[-1]:>8}")


def run_program(name):
    """A lint that is a program of its own: its output when it failed."""
    if not (HERE / name).exists():
        return []
    done = subprocess.run([sys.executable, str(HERE / name)], text=True, capture_output=True)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).splitlines() or [f"tests/lint/{name}: failed without a word"]


def main():
    tree = Tree(HERE.parents[1])
    problems, rows = sources.check(tree)
    print_table(rows)
    problems += layout.check(tree) + settings.check(tree) + run_program("events.py") + run_program("selftest.py")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
