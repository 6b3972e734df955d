#!/usr/bin/env python3
"""Lints of what a build makes: the manual names every setting with its default, and manual pages print without a warning.
`built.py BUILDDIR`, after the build; exit 1 with every finding listed."""
import os
import pathlib
import subprocess
import sys

import settings
from declared import declared_settings

ROOT = pathlib.Path(__file__).resolve().parents[2]


def page_warnings(page):
    """What man has to say about a page; empty when it is good."""
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(page)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
    lines = done.stderr.splitlines()
    return lines or ([f"man ended with {done.returncode}"] if done.returncode else [])


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: built.py BUILDDIR")
    build = pathlib.Path(sys.argv[1])
    declared = declared_settings(ROOT)
    problems = []
    settings.manual(declared, (build / "core/config/veredus.conf.5").read_text(), problems)
    pages = sorted([*(ROOT / "man").glob("*.[1-8]"), *(build / "man").glob("*.[1-8]"), build / "core/config/veredus.conf.5"])
    for page in pages:
        problems += [f"{page.name}: {line}" for line in page_warnings(page)]
    for problem in problems:
        print(problem)
    print(f"{len(declared)} settings, {len(pages)} pages, {len(problems)} findings")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
