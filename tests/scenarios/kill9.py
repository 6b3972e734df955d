#!/usr/bin/env python3
# Scenario: SIGKILL of the worker and of the whole daemon at random moments, under load with next hops that fail in many ways,
# during start-up and during compaction. Every acknowledged message arrives, whole; duplicates are counted and allowed.
# SEED=N repeats a run's draws.
import os
import random
import re
import signal
import socket
import time

from lib_delivery import core_for
from lib_veredus import *

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1_000_000)))
SECONDS = float(os.environ.get("KILL_SECONDS", 28))
SIZES = {1024: 60, 6 * 1024: 30, 40 * 1024: 8, 400 * 1024: 2}
DOMAINS, RECIPIENTS = 20, 2
SPOOL = {"segment_size": "1MiB", "inline_size": "16KiB"}
TIMEOUTS = {name: "3s" for name in ("banner_timeout", "helo_timeout", "mail_timeout", "rcpt_timeout", "data_timeout", "block_timeout", "dot_timeout")}
FLAKY = ["--refuse-rate", "10", "--refuse-at", "rcpt", "--fail", "close@dot%3", "--fail", "reset@mail%1", "--fail", "close@connect%2",
         "--fail", "code=451@dot%3", "--fail", "garbage@rcpt%0.5", "--fail", "stall@dot%0.1", "--fail", "half-line@data%0.5"]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def workers(daemon):
    return [pid for pid in daemon.processes() if pid != daemon.process.pid]


def kill_all(daemon):
    kill(daemon.process.pid)
    daemon.process.wait(10)
    wait_until(lambda: not daemon.processes(), 10, lambda: f"the supervisor is dead, still there: {daemon.processes()}")
    wait_until(lambda: nobody_listens(daemon.control), 10, "the sockets of the dead are closed")


def nobody_listens(path):
    """A process that is being killed has no command line any more, but for a moment still its descriptors."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return True
    return False


class Expected:
    """What a message of veredus-load with these sizes looks like below the trace field."""

    def __init__(self, options):
        with Sink() as sink, Load(sink.address, *options, "--messages", "200") as load:
            load.wait()
            bodies = [self._body(arrival.octets) for arrival in sink.wait(200)]
        self.pool = max(bodies, key=len)
        assert len(self.pool) > 390 * 1024

    @staticmethod
    def _body(octets):
        return octets.split(b"\r\n\r\n", 1)[1]

    def check(self, arrival):
        whole = arrival.without_trace
        assert len(whole) in SIZES, f"a message of {len(whole)} octets was never sent: {whole[:200]!r}"
        body = self._body(whole)
        same = max(len(body) - 200, 0)
        assert body[:same] == self.pool[:same] and body.endswith(b"\r\n"), f"octets changed: {whole[:200]!r}"


def arrived(sinks, expected):
    """X-Load-Id -> recipients that arrived, and how many arrivals were duplicates; every arrival is checked whole."""
    found, duplicates = {}, 0
    for sink in sinks:
        for name in os.listdir(sink.store):
            if not name.endswith(".eml"):
                continue
            arrival = Arrival(os.path.join(sink.store, name))
            expected.check(arrival)
            load_id = re.search(r"^X-Load-Id: (\S+)", arrival.header, re.M)[1]
            known = found.setdefault(load_id, set())
            duplicates += sum(recipient in known for recipient in arrival.recipients)
            known.update(arrival.recipients)
    return found, duplicates


def load_options(tag):
    sizes = ",".join(f"{size}:{weight}" for size, weight in SIZES.items())
    return ["--sizes", sizes, "--to-domains", str(DOMAINS), "--rcpts", str(RECIPIENTS), "--tag", tag, "--pipelining", "--body-seed", str(SEED)]


def storm(daemon, load, draw):
    """Kills until the load ends; returns how often (worker, all, during start-up)."""
    counts, in_a_row = [0, 0, 0], 0
    while load.process.poll() is None:
        time.sleep(draw.uniform(0.1, 1.5))  # the moment is what is random
        if in_a_row < 3 and draw.random() < 0.5:
            for pid in workers(daemon):
                kill(pid)
            counts[0] += 1
            in_a_row += 1
        else:
            kill_all(daemon)
            counts[1] += 1
            in_a_row = 0
            daemon.start(ready=False)
            while draw.random() < 0.4:
                time.sleep(draw.uniform(0, 0.2))
                kill_all(daemon)
                counts[2] += 1
                daemon.start(ready=False)
        if draw.random() < 0.7:
            daemon.wait_ready()
            accepted, finished, queued = daemon.balance()
            assert accepted == finished + queued, f"accepted {accepted}, finished {finished}, queued {queued}"
    return counts


def assert_all_arrived(acknowledged, found):
    missing = [(load_id, queue_id) for load_id, queue_id in acknowledged.items() if len(found.get(load_id, ())) < RECIPIENTS]
    assert not missing, f"{len(missing)} of {len(acknowledged)} acknowledged messages are lost or incomplete, such as {missing[:5]}"


def assert_clean_spool(daemon):
    """Nothing is left behind when everything is delivered."""
    daemon.restart()
    assert daemon.balance()[2] == 0, "the queue was empty, and is not after a restart"
    daemon.stop()
    bodies = os.listdir(os.path.join(daemon.spool, "bodies"))
    assert not bodies, f"body files of no message: {bodies[:5]}"
    verified = daemon.run("spool", "verify")
    assert verified.returncode == 0, f"spool verify: {verified.stdout}{verified.stderr}"


def test_storm():
    draw = random.Random(SEED)
    expected = Expected(load_options("ref"))
    with Sink(*FLAKY, "--seed", str(SEED)) as one, Sink(*FLAKY, "--seed", str(SEED + 1)) as two:
        routes = [{"match": f"d{n}.load.test", "to": [(one, two)[n % 2].hop]} for n in range(DOMAINS)]
        core = core_for(routes, spool_options=SPOOL, outbound=TIMEOUTS, queue={"retry": ["200ms", "400ms", "1s"], "jitter": 30})
        with Daemon(core) as daemon:
            options = load_options("storm") + ["--connections", "60", "--rate", "180", "--duration", str(SECONDS), "--reconnect"]
            with Load(daemon.port, *options) as load:
                counts = storm(daemon, load, draw)
                summary, acknowledged = load.wait(60, code=None), load.acknowledged()
            daemon.wait_ready()
            daemon.cmd("queue", "release", "--older", "0s")  # what was in hand at several crashes may be held
            daemon.wait_empty(40)
            daemon.check()
            found, duplicates = arrived((one, two), expected)
            print(f"  kills: {counts[0]} worker, {counts[1]} all, {counts[2]} starting; {len(acknowledged)} acknowledged, "
                  f"{summary['unknown']} unknown, {duplicates} duplicates")
            assert len(acknowledged) > 500 and counts[0] > 2 and counts[1] > 2, "too little happened"
            assert_all_arrived(acknowledged, found)
            assert not daemon.events("recipient.bounced") and not daemon.events("recipient.expired")
            assert_clean_spool(daemon)


def test_killed_while_starting():
    """A spool with messages for a dead destination survives being killed at any moment of many starts."""
    draw = random.Random(SEED + 2)
    with Sink() as sink:
        sink.stop()
        core = core_for(routes_to(sink), spool_options=SPOOL, queue={"retry": ["1h"]})
        with Daemon(core) as daemon:
            options = ["--connections", "40", "--messages", "2500", "--sizes", "1024:9,20480:1", "--pipelining"]
            with Load(daemon.port, *options) as load:
                load.wait()
                acknowledged = load.acknowledged()
            kill_all(daemon)
            began = time.monotonic()
            daemon.start()
            usual = time.monotonic() - began
            for _ in range(20):
                kill_all(daemon)
                daemon.start(ready=False)
                time.sleep(draw.uniform(0, usual))
            daemon.wait_ready()
            assert len(daemon.queue()) == 2500 == daemon.balance()[2]
            sink.start()
            daemon.cmd("queue", "retry", "--older", "0s")
            daemon.wait_empty(30)
            sink.stop()  # writes down what it has not yet
            ids = sink.ids()
            assert set(ids) == set(acknowledged) and len(ids) == 2500, f"{len(ids)} arrived, {len(set(ids))} of them distinct"


def test_killed_while_compacting():
    """Segments that are mostly dead are compacted all the time; killed in the middle nothing is lost."""
    draw = random.Random(SEED + 3)
    acknowledged, compactions = {}, 0
    with Sink() as sink, Sink() as waiting:
        waiting.stop()
        routes = [{"match": "d0.load.test", "to": [waiting.hop]}, *routes_to(sink)]
        with Daemon(core_for(routes, spool_options=SPOOL, queue={"retry": ["1h"]})) as daemon:
            for turn in range(12):
                options = ["--connections", "20", "--messages", "600", "--size", "6000", "--to-domains", "12", "--tag", f"c{turn}", "--reconnect", "--pipelining"]
                mark = daemon.mark()
                with Load(daemon.port, *options) as load:
                    wait_until(lambda: load.process.poll() is not None or daemon.events("spool.compacted", mark), 20, "compaction or the end", 0.001)
                    time.sleep(draw.uniform(0, 0.1))
                    kill_all(daemon)
                    compactions += len(daemon.events("spool.compacted", mark))
                    daemon.start()
                    load.wait(60, code=None)
                    acknowledged.update(load.acknowledged())
            waiting.start()
            daemon.cmd("queue", "retry", "--older", "0s")
            daemon.wait_empty(30)
            for one in (sink, waiting):
                one.stop()  # writes down what it has not yet
            ids = set(sink.ids()) | set(waiting.ids())
            lost = set(acknowledged) - ids
            assert not lost, f"{len(lost)} of {len(acknowledged)} lost, such as {sorted(lost)[:5]}"
            assert compactions, "nothing was compacted: the test did not test"
            assert_clean_spool(daemon)


if __name__ == "__main__":
    print(f"seed {SEED}", flush=True)
    run_tests(globals())
