# What every part of the scenario library needs: waiting for a condition, free ports, and the runner of test_* functions.
import functools
import os
import random
import re
import socket
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("VEREDUS_BUILD", os.path.join(ROOT, "build")))
VEREDUSD = os.path.join(BUILD, "core/main/veredusd")
VEREDUS = os.path.join(BUILD, "core/main/veredus")
SINK = os.path.join(BUILD, "tests/tools/veredus-sink")
LOAD = os.path.join(BUILD, "tests/tools/veredus-load")

_taken = set()


def wait_until(predicate, timeout=10.0, what=None, every=0.01):
    """Polls until predicate() is true and returns its value; an AssertionError that says `what` when time is up."""
    until = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= until:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what or predicate}")
        time.sleep(every)


def free_port(host="127.0.0.1"):
    """A port below the range that the kernel gives to clients, so that nobody takes it by chance."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(1000):
        port = random.randrange(10000, 32000)
        if port in _taken:
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(family, kind) as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        _taken.add(port)
        return port
    raise RuntimeError("no free port")


def work_dir():
    """A new directory; its name marks the processes of one daemon."""
    path = tempfile.mkdtemp(prefix="veredus-scenario-")
    os.chmod(path, 0o755)
    return path


@functools.lru_cache
def sanitized():
    """Whether the daemon is built with the address sanitizer: then its memory says nothing."""
    with open(VEREDUSD, "rb") as file:
        return b"__asan_init" in file.read()


def is_root():
    return os.geteuid() == 0


class Skip(Exception):
    """Raised by a test that cannot run here; the reason is printed."""


def _selected(name, words):
    return not words or any(re.search(word, name) for word in words)


def run_tests(namespace, argv=None):
    """Runs test_* of a module in the order they are written; words on the command line select by regular expression."""
    words = sys.argv[1:] if argv is None else argv
    failed = 0
    for name, function in list(namespace.items()):
        if not name.startswith("test_") or not callable(function) or not _selected(name, words):
            continue
        began = time.monotonic()
        try:
            function()
            print(f"ok {name[5:]} ({time.monotonic() - began:.1f} s)", flush=True)
        except Skip as reason:
            print(f"ok {name[5:]} # skipped: {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {name[5:]}\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
