#!/usr/bin/env python3
"""Frozen headers: `--freeze VERSION` copies today's headers and samples to sdk/abi/VERSION; a set that was released is never touched again.
Without arguments: builds the samples against each frozen set, looks at their symbols, and runs them in today's test host (VEREDUS_BUILD
names the build tree; `--compile` leaves the runs out)."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETS = ROOT / "sdk/abi"
SAMPLES = ROOT / "sdk/samples"
BUILD = pathlib.Path(os.environ.get("VEREDUS_BUILD", ROOT / "build"))
TESTER = BUILD / "sdk/plugin-test/veredus-plugin-test"
LINK = ["-fPIC", "-shared", f"-Wl,--version-script={ROOT}/sdk/plugin.map", "-Wl,-z,defs", "-Wl,-z,now"]


def freeze(version):
    target = SETS / version
    if target.exists():
        sys.exit(f"frozen.py: {target.relative_to(ROOT)} is there already; a set is never changed once its version is released")
    shutil.copytree(ROOT / "sdk/include/veredus", target / "veredus")
    shutil.copy(SETS / "table.txt", target / "table.txt")


def rust(folder, out):
    if shutil.which("rustc") is None:
        return []
    declarations = out.with_suffix(".rs")
    subprocess.run([sys.executable, str(SAMPLES / "bindings.py"), str(folder / "table.txt"), str(declarations)], check=True)
    return [["rustc", "--edition", "2021", "--crate-name", "subject_guard", "--crate-type", "cdylib", "-o", str(out), str(SAMPLES / "subject_guard.rs")]]


def builds(folder, out):
    """(plugin, command) of each sample; the C++ one is the template, so the wrapper of that time is built too."""
    cpp = out / "marker.cc"
    cpp.write_text((ROOT / "sdk/template/@NAME@.cc").read_text().replace("@NAME@", "marker"))
    yield out / "tag.so", ["gcc", "-std=c11", f"-I{folder}", *LINK, "-o", str(out / "tag.so"), str(SAMPLES / "tag.c")]
    yield out / "marker.so", ["clang++-16", "-std=c++20", f"-I{folder}", *LINK, "-o", str(out / "marker.so"), str(cpp)]
    for command in rust(folder, out / "subject-guard.so"):
        yield out / "subject-guard.so", command


def runs(plugin):
    """Its script in today's host, as the sample's own test runs it."""
    script = SAMPLES / f"{plugin.stem}.test.yaml"
    return [[str(TESTER), "--lint", str(plugin)]] + ([[str(TESTER), str(plugin), str(script), "--mode", "strict"]] if script.exists() else [])


def check(folder, with_runs):
    problems = []
    with tempfile.TemporaryDirectory() as name:
        out = pathlib.Path(name)
        for plugin, command in builds(folder, out):
            for one in [command] + (runs(plugin) if with_runs else []):
                done = subprocess.run(one, text=True, capture_output=True, env=os.environ | {"VEREDUS_RS": str(plugin.with_suffix(".rs"))})
                if done.returncode != 0:
                    problems.append(f"{plugin.name} with the headers of {folder.name}: {pathlib.Path(one[0]).name} failed\n{(done.stdout + done.stderr)[:2000]}")
                    break
    return problems


def main():
    if sys.argv[1:2] == ["--freeze"] and len(sys.argv) == 3:
        freeze(sys.argv[2])
        return 0
    sets = sorted(SETS.glob("[0-9]*"))
    problems = [problem for folder in sets for problem in check(folder, sys.argv[1:] != ["--compile"])]
    if not sets:
        problems.append("sdk/abi: no frozen set")
    print("\n".join(problems) or f"samples built against {len(sets)} frozen sets")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
