#!/usr/bin/env python3
"""The examples of sdk/README.md: every block that names a file is written, every C++ file compiled as a plugin against the SDK, and every
script run against its plugin with veredus-plugin-test. VEREDUS_BUILD names the build tree; `--compile` leaves the scripts out."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VEREDUS_BUILD", ROOT / "build"))
TESTER = BUILD / "sdk/plugin-test/veredus-plugin-test"
BLOCK = re.compile(r"^```(\w+) file=(\S+)(?: for=(\S+))?\n(.*?)^```$", re.S | re.M)
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-shared", f"-I{ROOT}/sdk/include",
         f"-Wl,--version-script={ROOT}/sdk/plugin.map", "-Wl,-z,defs", "-Wl,-z,now"]


def run(what, *command):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True)
    return [] if done.returncode == 0 else [f"sdk/README.md: {what}: {' '.join(map(str, command[:1]))} failed\n{(done.stdout + done.stderr)[:3000]}"]


def exports_one(plugin):
    shown = subprocess.run(["nm", "-D", "--defined-only", str(plugin)], text=True, capture_output=True, check=True).stdout
    symbols = [line.split()[-1] for line in shown.splitlines()]
    return [] if symbols == ["veredus_plugin_1"] else [f"sdk/README.md: {plugin.name} exports {symbols}"]


def compiled(source):
    """With clang, and with g++ what does not use coroutines (it refuses those before version 13)."""
    plugin = source.with_suffix(".so")
    problems = run(source.name, "clang++-16", *FLAGS, "-o", plugin, source)
    if not problems:
        problems = exports_one(plugin)
    if "plugin_co.hpp" not in source.read_text():
        problems += run(source.name, "g++", *FLAGS, "-fsyntax-only", source)
    return problems


def main():
    text, problems, scripts, sources = (ROOT / "sdk/README.md").read_text(), [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for kind, file, of, body in BLOCK.findall(text):
            (folder / file).write_text(body)
            if kind == "cpp":
                sources.append(folder / file)
            elif of:
                scripts.append((folder / f"{of}.so", folder / file))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            problems += [problem for found in pool.map(compiled, sources) for problem in found]
        if sys.argv[1:] != ["--compile"] and not problems:
            for plugin, script in scripts:
                for mode in ("plain", "strict"):
                    problems += run(script.name, TESTER, plugin, script, "--mode", mode)
    if len(sources) < 5 or not scripts:
        problems.append("sdk/README.md: the examples were not found")
    print("\n".join(problems) or f"{len(sources)} examples compiled, {len(scripts)} scripts")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
