# Daemon: one veredusd with its own directory, ports, configuration and log, and what must hold when it ends.
# The rest of the library is imported here, so that a scenario needs this module only. See README.md.
import copy
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time

from lib_base import *  # noqa: F401,F403
from lib_base import BUILD, VEREDUS, VEREDUSD, free_port, is_root, wait_until, work_dir
from lib_dns import FakeDns  # noqa: F401
from lib_hop import CLOSE, ENDLESS, Hop, RESET, STALL  # noqa: F401
from lib_smtp import Reply, Smtp, parse_replies, send_one, stuffed  # noqa: F401
from lib_tools import Arrival, Load, Sink  # noqa: F401

# What no log may hold, whatever the scenario did.
DEFECTS = re.compile(r"Sanitizer|runtime error:|Assertion .* failed|terminate called|queue\.imbalance|hook\.fault|stack smashing|corrupted")
FINISHED = "veredus_recipients_finished_total"


def to_yaml(core):
    """A core fragment: one setting a line; values in YAML's flow form, which JSON is."""
    if not core:
        return "core: {}\n"
    return "core:\n" + "".join(f"  {key}: {json.dumps(value)}\n" for key, value in core.items())


class Daemon:
    """`core` overrides the defaults below: a dictionary (a listener may leave its address to us), or the whole text of the file.
    `files` are further files of conf.d, `user` runs all of it as that user (needs root), `env` adds to the environment.
    As a context manager it checks at the end what must hold and removes everything; with an exception it prints the log's end."""

    def __init__(self, core=None, files=None, start=True, user=None, env=None, command=None, wait=20):
        self.dir = work_dir()
        self.conf = os.path.join(self.dir, "conf.d")
        self.control = os.path.join(self.dir, "run", "control")
        self.spool = os.path.join(self.dir, "spool")
        self.log_path = os.path.join(self.dir, "log")
        self.user, self.command, self.wait_seconds = user, command, wait
        self.env = {**os.environ, "VEREDUS_CONF": self.conf, **(env or {})}
        self.process, self._log_at, self._events, self._noise, self._rest = None, 0, [], [], b""
        os.mkdir(self.conf)
        self.core = None
        self.configure(core)
        for name, text in (files or {}).items():
            self.write(name, text)
        if user:
            account = pwd.getpwnam(user)
            os.chown(self.dir, account.pw_uid, account.pw_gid)
        if start:
            self.start()

    # Configuration

    def defaults(self):
        return {
            "hostname": "mx.example.test", "spool": self.spool, "state": os.path.join(self.dir, "state"), "control": self.control,
            "loops": 2, "listeners": [{"role": "mx"}], "resolvers": [f"127.0.0.1:{free_port()}"], "relay_networks": ["127.0.0.0/8"],
            "relay_domains": ["example.test"],
        }

    def configure(self, core):
        """Writes 00-core.yaml anew; settings given before that are not named stay."""
        if isinstance(core, str):
            self.core = None
            return self.write("00-core.yaml", core)
        self.core = {**(self.core or self.defaults()), **copy.deepcopy(core or {})}
        self.core = {key: value for key, value in self.core.items() if value is not None}
        for listener in self.core.get("listeners", []):
            listener.setdefault("address", f"127.0.0.1:{free_port()}")
        return self.write("00-core.yaml", to_yaml(self.core))

    def write(self, name, text):
        with open(os.path.join(self.conf, name), "w", encoding="utf-8") as file:
            file.write(text)
        return os.path.join(self.conf, name)

    def port_of(self, role):
        return next(int(l["address"].rsplit(":", 1)[1]) for l in self.core["listeners"] if l.get("role", "mx") == role)

    @property
    def port(self):
        return int(self.core["listeners"][0]["address"].rsplit(":", 1)[1])

    # Life

    def start(self, ready=True):
        words = (self.command or [VEREDUSD]) + ["--conf", self.conf]
        if self.user:
            words = ["setpriv", f"--reuid={self.user}", f"--regid={pwd.getpwnam(self.user).pw_gid}", "--clear-groups", *words]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stderr=log, stdout=log, stdin=subprocess.DEVNULL, env=self.env, close_fds=True)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        until = time.monotonic() + self.wait_seconds
        while self.run("status", "--wait", "1").returncode != 0:
            assert self.process.poll() is None, f"veredusd ended with {self.process.returncode}\n{self.tail()}"
            assert time.monotonic() < until, f"veredusd is not ready\n{self.tail()}"

    def stop(self, timeout=25, code=0):
        """SIGTERM; must end in time and with this exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            ended = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"SIGTERM did not end veredusd within {timeout} s\n{self.tail()}") from None
        assert code is None or ended == code, f"veredusd ended with {ended}, not {code}\n{self.tail()}"
        wait_until(lambda: not self.processes(), 5, lambda: f"processes left over: {self.processes()}")
        return ended

    def restart(self):
        if self.process.poll() is None:
            self.stop()
        return self.start()

    def worker_pid(self):
        return self.events("worker.started")[-1]["pid"]

    def kill9(self, what="worker"):
        """SIGKILL to the worker, which is then started again, or to `all`: the supervisor, with which the worker must die."""
        if what == "worker":
            os.kill(self.worker_pid(), signal.SIGKILL)
            return
        self.process.kill()
        self.process.wait(10)
        wait_until(lambda: not self.processes(), 10, lambda: f"the supervisor is dead, still there: {self.processes()}")

    def processes(self):
        """Pids of every process of this daemon: its directory is in their command line or environment."""
        mark, out = self.dir.encode(), []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read()
                with open(f"/proc/{pid}/stat", "rb") as file:
                    state = file.read().rsplit(b") ", 1)[1][:1]
            except OSError:
                continue
            if mark in words and b"veredusd" in words and state != b"Z":
                out.append(int(pid))
        return out

    # Log

    def _read_log(self):
        with open(self.log_path, "rb") as file:
            file.seek(self._log_at)
            octets = file.read()
        self._log_at += len(octets)
        *lines, self._rest = (self._rest + octets).split(b"\n")
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if isinstance(value, dict) and "event" in value:
                self._events.append(value)
            elif line:
                self._noise.append(line.decode("utf-8", "replace"))

    def mark(self):
        """A place in the log, for `after`."""
        self._read_log()
        return len(self._events)

    def events(self, name=None, after=0, **fields):
        """Events in order; name may be a beginning such as "recipient.*"."""
        self._read_log()
        return [e for e in self._events[after:] if _named(e, name) and all(e.get(k) == v for k, v in fields.items())]

    def wait_event(self, name, timeout=10, after=0, **fields):
        found = wait_until(lambda: self.events(name, after, **fields), timeout, lambda: f"event {name} {fields}\n{self.tail()}")
        return found[0]

    def noise(self):
        """Lines of stdout and stderr that are no events."""
        self._read_log()
        return list(self._noise)

    def tail(self, lines=40):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    # Commands

    def run(self, *words, timeout=60, user=None, stdin=None):
        call = [VEREDUS, "--conf", self.conf, *map(str, words)]
        if user:
            call = ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--clear-groups", *call]
        return subprocess.run(call, capture_output=True, timeout=timeout, input=stdin, env=self.env, check=False)

    def cmd(self, *words, json=False, code=0):  # pylint: disable=redefined-outer-name
        """stdout as text, or with json=True the objects of its lines; the exit code must be `code` (None: any)."""
        done = self.run(*words, *(["--json"] if json else []))
        out, err = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        assert code is None or done.returncode == code, f"veredus {' '.join(map(str, words))}: exit {done.returncode}\n{out}{err}"
        return _objects(out) if json else out

    def queue(self, *words):
        return self.cmd("queue", "list", *words, json=True)

    def metrics(self):
        """Name with its labels -> value, and name alone -> the sum over labels."""
        return parse_metrics(self.cmd("metrics"))

    def balance(self):
        m = self.metrics()
        return m["veredus_recipients_accepted_total"], m.get(FINISHED, 0), m["veredus_recipients_queued"]

    def wait_empty(self, timeout=20):
        """Waits until the queue is empty."""
        wait_until(lambda: self.balance()[2] == 0, timeout, lambda: f"an empty queue\n{self.cmd('queue', 'list')}{self.tail()}", 0.05)

    # The end

    def check(self):
        """What must hold at any time while it runs: the balance of recipients, and a clean log."""
        if self.process.poll() is None:
            wait_until(lambda: (lambda b: b[0] == b[1] + b[2])(self.balance()), 5, lambda: f"accepted = finished + queued: {self.balance()}")
        self.check_log()

    def check_log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            bad = [line for line in file if DEFECTS.search(line)]
        assert not bad, "defects in the log:\n" + "".join(bad[:20]) + (self.tail() if "Sanitizer" in "".join(bad) else "")

    def finish(self):
        """check() and stop(), for a daemon that still runs; then everything is removed."""
        try:
            if self.process and self.process.poll() is None:
                self.check()
                self.stop()
            if self.process:
                self.check_log()
        finally:
            self.clean()

    def clean(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not os.environ.get("VEREDUS_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            return self.finish()
        print(f"--- log of {self.dir}\n{self.tail()}---", file=sys.stderr, flush=True)
        return self.clean()


def _named(event, name):
    if name is None:
        return True
    return event["event"].startswith(name[:-1]) if name.endswith("*") else event["event"] == name


def _objects(text):
    return [json.loads(line) for line in text.splitlines()]


def parse_metrics(text):
    out = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, value = line.rsplit(" ", 1)
        number = float(value)
        number = int(number) if number.is_integer() else number
        out[name] = number
        if "{" in name:
            bare = name.split("{", 1)[0]
            out[bare] = out.get(bare, 0) + number
    return out


def received_hops(octets):
    """How many Received fields a message begins with."""
    return len(re.findall(rb"(?im)^received:", octets.split(b"\r\n\r\n", 1)[0]))


def routes_to(*hops, match="*"):
    """One route: everything to these next hops (Sink or Hop objects, or texts)."""
    return [{"match": match, "to": [hop if isinstance(hop, (str, list)) else hop.hop for hop in hops]}]
