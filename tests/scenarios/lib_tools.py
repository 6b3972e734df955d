# Sink and Load: the tools of tests/tools as objects.
import json
import os
import shutil
import signal
import subprocess

from lib_base import LOAD, SINK, wait_until, work_dir


class Arrival:
    """A message as the sink took it: envelope with the parameters given, octets, how it came (DATA or BDAT)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.octets = file.read()
        self.recipients, self.recipient_args = [], []
        with open(path[:-4] + ".env", encoding="utf-8", errors="surrogateescape") as file:
            for line in file.read().splitlines():
                words = line.split("\t")
                if words[0] == "from":
                    self.sender, self.args = words[1], words[2]
                elif words[0] == "rcpt":
                    self.recipients.append(words[1])
                    self.recipient_args.append(words[2])
                else:
                    self.how = words[1]

    @property
    def without_trace(self):
        """The octets below the Received field that the daemon put in front."""
        assert self.octets.startswith(b"Received: "), self.octets[:200]
        at = 0
        while True:
            at = self.octets.index(b"\r\n", at) + 2
            if self.octets[at : at + 1] not in (b" ", b"\t"):
                return self.octets[at:]

    @property
    def header(self):
        return self.octets.split(b"\r\n\r\n", 1)[0].decode("utf-8", "surrogateescape")


class Sink:
    """veredus-sink with any of its options; every message is stored."""

    def __init__(self, *options, unix=False):
        self.dir = work_dir()
        self.path = os.path.join(self.dir, "socket") if unix else None
        self.options = list(options)
        self.store = os.path.join(self.dir, "store")
        self.address = None
        self._seen = {}
        self.start()

    def start(self, *more):
        where = ["--unix", self.path] if self.path else ["--listen", self.address or "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [SINK, *where, "--store", self.store, "--ids", os.path.join(self.dir, "ids"),
             "--count-file", os.path.join(self.dir, "counts"), *self.options, *more],
            stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        assert ready and ready[0] == "ready", f"veredus-sink did not start: {ready}"
        self.address = ready[1]
        self.port = 0 if self.path else int(ready[1].rsplit(":", 1)[1])

    @property
    def hop(self):
        scheme = "lmtp" if "--lmtp" in self.options else "smtp"
        return f"lmtp://{self.path}" if self.path else f"{scheme}://{self.address}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self, how=signal.SIGTERM):
        """Ends the process; stored messages stay readable, and start() begins again on the same address."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(20)
        self.process.stdout.close()

    def arrivals(self):
        """Messages in order of arrival."""
        names = sorted((n for n in os.listdir(self.store) if n.endswith(".eml")), key=self._order) if os.path.isdir(self.store) else []
        for name in names:
            if name not in self._seen:
                self._seen[name] = Arrival(os.path.join(self.store, name))
        return [self._seen[name] for name in names]

    @staticmethod
    def _order(name):
        moment, rest = name.split(".P", 1)
        process, number = rest.split(".")[0].split("Q")
        return int(moment), int(process), int(number)

    def count(self):
        return sum(n.endswith(".eml") for n in os.listdir(self.store)) if os.path.isdir(self.store) else 0

    def wait(self, count, timeout=15.0):
        """Waits for so many messages and returns them all."""
        wait_until(lambda: self.count() >= count, timeout, lambda: f"{count} messages at the sink, {self.count()} there")
        return self.arrivals()

    def ids(self):
        """X-Load-Id of every message, in order. The sink writes its list now and then, and before it tells its counts."""
        if self.process.poll() is None:
            self.counts()
        with open(os.path.join(self.dir, "ids"), encoding="utf-8") as file:
            return [line.split("\t")[1] for line in file.read().splitlines()]

    def counts(self):
        path = os.path.join(self.dir, "counts")
        if self.process.poll() is None:
            before = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
            self.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: os.path.exists(path) and os.stat(path).st_mtime_ns > before and os.stat(path).st_size > 0, 10, "counts of the sink")
        with open(path, encoding="utf-8") as file:
            return json.loads(file.read().splitlines()[-1])


class Load:
    """veredus-load; wait() gives its summary, acknowledged() and refused() what it wrote down."""

    def __init__(self, to, *options):
        self.dir = work_dir()
        address = f"127.0.0.1:{to}" if isinstance(to, int) else to
        self.process = subprocess.Popen(
            [LOAD, "--to", address, "--json", "--ids", os.path.join(self.dir, "ids"), "--refused", os.path.join(self.dir, "refused"), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        shutil.rmtree(self.dir, ignore_errors=True)

    def wait(self, timeout=120.0, code=0):
        out, err = self.process.communicate(timeout=timeout)
        assert code is None or self.process.returncode == code, f"veredus-load: exit {self.process.returncode}\n{out}{err}"
        return json.loads(out.splitlines()[-1]) if out.strip() else {}

    def _lines(self, name):
        path = os.path.join(self.dir, name)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line.split("\t") for line in file.read().splitlines()]

    def acknowledged(self):
        """X-Load-Id -> queue id of every message that got its 250."""
        return {line[1]: line[2] for line in self._lines("ids")}

    def refused(self):
        return self._lines("refused")
