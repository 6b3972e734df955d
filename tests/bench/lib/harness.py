"""One server, one sink and what is measured while load runs between them."""
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

from accounting import MemorySampler, cpu_seconds, settle
from tools import Load, Sink, free_port

LIB = os.path.dirname(os.path.abspath(__file__))


@dataclass
class Plan:
    """What a server must be configured for. Filled in by the workload; the port of the sink by the harness."""
    connections: int = 100
    concurrency: int = 100
    retry: int = 300
    routes: list = field(default_factory=list)  # (domain, address of the next hop)
    dead_routes: list = field(default_factory=list)  # (domain, port nobody listens on)
    sink_options: tuple = ()
    certificate: bool = False  # offer STARTTLS
    tls: str = "none"  # how connections to the next hop are secured
    plugins: int = 0  # that answer "next" at every stage
    fragments: dict = field(default_factory=dict)  # of Veredus: file name: text
    core: str = ""  # of Veredus: more settings in place of relay_networks
    milters: str = ""  # of Postfix: smtpd_milters
    sink_port: int = 0


class Bench:
    """Starts servers and sinks and keeps the results."""

    def __init__(self, scratch, build, scale, say):
        self.scratch, self.scale, self.say = scratch, scale, say
        self.load_binary = os.path.join(build, "tests/tools/veredus-load")
        self.sink_binary = os.path.join(build, "tests/tools/veredus-sink")

    def scaled(self, count, least=100):
        return max(int(count * self.scale), least)

    @contextlib.contextmanager
    def running(self, server, plan, **configure_options):
        """The server and its sink, both up and idle."""
        server.unpack()
        plan.sink_port = free_port()
        hosts = sorted({host for _, host in plan.routes} | {"127.0.0.1"})
        sink = Sink(self.sink_binary, self.scratch, [f"{host}:{plan.sink_port}" for host in hosts],
                    plan.sink_options)
        try:
            server.configure(free_port(), plan, **configure_options)
            with self.caged(server) as cage:
                yield Running(self, server, sink, cage)
        finally:
            sink.stop()

    @contextlib.contextmanager
    def caged(self, server):
        began = time.monotonic()
        log = os.path.join(self.scratch, f"{server.name}.out")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(log)
        cage = subprocess.Popen([sys.executable, os.path.join(LIB, "cage.py"), log, *server.command()])
        try:
            server.wait_until_ready()
            server.ready_seconds = time.monotonic() - began
            yield cage.pid
        finally:
            cage.send_signal(signal.SIGTERM)
            cage.wait(60)


class Running:
    def __init__(self, bench, server, sink, cage):
        self.bench, self.server, self.sink, self.cage = bench, server, sink, cage

    def load(self, options):
        return Load(self.bench.load_binary, self.server.port, options)

    def warm_up(self, options, messages):
        """Lets processes start and caches fill, then sets the sink's counts to zero."""
        result = self.load([*options, "--messages", messages]).result()
        self.sink.wait_for_arrivals(result["recipients_accepted"], 20)
        settle(self.cage)
        self.sink.forget()

    def measure(self, options, messages, stall=30, during=None):
        """Sends, waits for all arrivals and for the server to come to rest, and returns one row of results."""
        cpu_before, sink_before = cpu_seconds(self.cage), self.sink.counts()["cpu_seconds"]
        with MemorySampler(self.cage) as memory:
            tag = f"M{time.monotonic_ns()}"
            load = self.load([*options, "--messages", messages, "--tag", tag])
            if during is not None:
                during(load)
            sent = load.result()
            counts = self.sink.wait_for_arrivals(sent["recipients_accepted"], stall)
            cpu = settle(self.cage) - cpu_before
        done = max(counts["distinct"], 1)
        elapsed = counts["last"] - counts["first"]
        return {
            "server": self.server.name, "messages": messages, "acknowledged": sent["acknowledged"],
            "arrived": counts["distinct"], "duplicates": counts["duplicates"],
            "accept_rate": sent["rate"], "rate": done / elapsed if elapsed > 0 else 0.0,
            "bulk_rate": self.sink.bulk_rate(tag, sent["recipients_accepted"]),
            "dot_p50": sent["dot_ms"]["p50"], "dot_p99": sent["dot_ms"]["p99"],
            "dot_p99.9": sent["dot_ms"]["p99.9"], "dot_max": sent["dot_ms"]["max"],
            "cpu_per_1000": 1000 * cpu / done, "peak_pss": memory.peak, "processes": memory.processes,
            "load_us": 1e6 * sent["cpu_seconds"] / max(sent["begun"], 1),
            "sink_us": 1e6 * (counts["cpu_seconds"] - sink_before) / done,
            "refused": sent["refused"], "losses": sent["losses"], "unanswered": sent["unknown"] + sent["aborted"],
        }
