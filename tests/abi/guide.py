#!/usr/bin/env python3
"""The examples of sdk/README.md: every block that names a file is written, every C++ file compiled as a plugin against the SDK, and run with
the script that names it, in veredus-plugin-test. Every plugin needs a script. VEREDUS_BUILD names the build tree; `--compile` leaves the
scripts out."""
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
COMPILE = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", f"-I{ROOT}/sdk/include"]
LINK = ["-shared", f"-Wl,--version-script={ROOT}/sdk/plugin.map", "-Wl,-z,defs", "-Wl,-z,now"]
WRAPPER = ROOT / "sdk/include/veredus/plugin.hpp"


def run(what, *command, source=None):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, input=source)
    return [] if done.returncode == 0 else [f"sdk/README.md: {what}: {' '.join(map(str, command[:1]))} failed\n{(done.stdout + done.stderr)[:3000]}"]


def exports_one(plugin):
    shown = subprocess.run(["nm", "-D", "--defined-only", str(plugin)], text=True, capture_output=True, check=True).stdout
    symbols = [line.split()[-1] for line in shown.splitlines()]
    return [] if symbols == ["veredus_plugin_1"] else [f"sdk/README.md: {plugin.name} exports {symbols}"]


def tried(plugin, script):
    return [problem for mode in ("plain", "strict") for problem in run(f"{script.name} for {plugin.name}", TESTER, plugin, script, "--mode", mode)]


def built_and_tried(source, parsed, scripts):
    """With clang, the wrapper parsed once for all; then its scripts."""
    plugin = source.with_suffix(".so")
    problems = run(source.name, "clang++-16", *COMPILE, "-include-pch", parsed, *LINK, "-o", plugin, source) or exports_one(plugin)
    return problems or [problem for script in scripts for problem in tried(plugin, script)]


def known_to_gcc(sources):
    """All examples in one translation unit, each in a namespace of its own; g++ before version 13 refuses coroutines."""
    text = "#include <veredus/plugin.hpp>\n"
    for source in sources:
        if "plugin_co.hpp" not in source.read_text():
            text += f'#define veredus_plugin_1 veredus_plugin_{source.stem}\nnamespace {source.stem}_example {{\n#include "{source}"\n}}\n#undef veredus_plugin_1\n'
    # An anonymous namespace in an included file is what this warning is about; the examples are included only here.
    return run("the examples", "g++", *COMPILE, "-Wno-subobject-linkage", "-fsyntax-only", "-x", "c++", "-", source=text)


def check(folder, sources, scripts):
    parsed = folder / "plugin.pch"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        gcc = pool.submit(known_to_gcc, sources)
        problems = run("the wrapper", "clang++-16", *COMPILE, "-x", "c++-header", WRAPPER, "-o", parsed)
        jobs = [] if problems else [pool.submit(built_and_tried, source, parsed, scripts.get(source.stem, [])) for source in sources]
        return problems + [problem for job in jobs + [gcc] for problem in job.result()]


def main():
    text, sources, scripts = (ROOT / "sdk/README.md").read_text(), [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for kind, file, of, body in BLOCK.findall(text):
            (folder / file).write_text(body)
            if kind == "cpp":
                sources.append(folder / file)
            for plugin in of.split(",") if of else []:
                scripts.setdefault(plugin, []).append(folder / file)
        problems = [f"sdk/README.md: no script runs {source.name}" for source in sources if source.stem not in scripts]
        problems += check(folder, sources, {} if sys.argv[1:] == ["--compile"] else scripts)
    if len(sources) < 5:
        problems.append("sdk/README.md: the examples were not found")
    print("\n".join(problems) or f"{len(sources)} examples compiled and run")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
