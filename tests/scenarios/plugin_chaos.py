#!/usr/bin/env python3
# Scenario: every plugin of the tree keeps the rules of the interface whatever its host does to it, and whatever it is asked: the scripts
# plugins/NAME/NAME.test.yaml in the modes strict, chaos and fuzz, with fixed seeds.
import concurrent.futures
import glob
import os
import subprocess
import tempfile

from lib_base import BUILD, ROOT, run_tests

TOOL = os.path.join(BUILD, "sdk/plugin-test/veredus-plugin-test")
# Each run of its scripts waits two seconds for threads of a library: too long for the hundreds of runs of chaos. VEREDUS_CHAOS_ALL=1 has all.
SLOW = [] if os.environ.get("VEREDUS_CHAOS_ALL") else ["resolver-unbound"]


def plugins():
    """Names of the plugins that were built, with their scripts."""
    for folder in sorted(glob.glob(os.path.join(ROOT, "plugins/*/conf.d"))):
        name = os.path.basename(os.path.dirname(folder))
        if os.path.exists(os.path.join(BUILD, f"plugins/{name}/{name}.so")):
            yield name


def run(job):
    name, options = job
    script = os.path.join(ROOT, f"plugins/{name}/{name}.test.yaml")
    done = subprocess.run([TOOL, os.path.join(BUILD, f"plugins/{name}/{name}.so"), script, *options], capture_output=True, text=True, timeout=300,
                          cwd=tempfile.gettempdir(), umask=0o077)  # files with passwords must be their owner's
    return f"{name} {' '.join(options)}: exit {done.returncode}\n{done.stdout}{done.stderr}" if done.returncode else None


def run_all(*options):
    strict = options[1] == "strict"
    jobs = [(name, options) for name in plugins() if strict or name not in SLOW]
    assert len(jobs) >= 9, jobs
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [text for text in pool.map(run, jobs) if text]
    assert not failed, "\n".join(failed)


def test_every_plugin_has_scripts():
    without = [name for name in plugins() if not os.path.exists(os.path.join(ROOT, f"plugins/{name}/{name}.test.yaml"))]
    assert not without, without


def test_rules_of_the_interface():
    run_all("--mode", "strict")


def test_chaos():
    run_all("--mode", "chaos", "--seed", "1", "--runs", "2")


def test_fuzz():
    run_all("--mode", "fuzz", "--seed", "2026", "--runs", "10")


def test_symbols_and_descriptions():
    for name in plugins():
        done = subprocess.run([TOOL, "--lint", os.path.join(BUILD, f"plugins/{name}/{name}.so")], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


if __name__ == "__main__":
    run_tests(globals())
