"""The workloads of the benchmark. Each is a function of (bench, servers) that yields rows of results; the number of
messages differs by server, so that each run takes a comparable time and not a comparable amount of mail."""
import contextlib
import itertools
import os
import statistics
import subprocess
import time

import milters
from accounting import pss_bytes, settle
from harness import Plan, Running
from tools import free_port, wait_for

PIPELINED = ["--pipelining"]


def relay(bench, server, connections, messages, options):
    plan = Plan(connections=connections)
    common = [*PIPELINED, "--connections", connections, *options]
    with bench.running(server, plan) as run:
        run.warm_up(common, max(2 * connections, 200))
        return run.measure(common, bench.scaled(messages[server.name]))


def small_1(bench, servers):
    for server in servers:
        yield relay(bench, server, 1, {"postfix": 600, "veredus": 3000}, ["--size", "4KiB"])


def small_20(bench, servers):
    for server in servers:
        yield relay(bench, server, 20, {"postfix": 5000, "veredus": 60000}, ["--size", "4KiB"])


def small_100(bench, servers):
    for server in servers:
        yield relay(bench, server, 100, {"postfix": 6000, "veredus": 100000}, ["--size", "4KiB"])


def large(bench, servers):
    for server in servers:
        yield relay(bench, server, 20, {"postfix": 3000, "veredus": 10000}, ["--size", "100KiB"])


def one_each(bench, servers):
    options = ["--size", "4KiB", "--per-connection", 1]
    for server in servers:
        yield relay(bench, server, 20, {"postfix": 5000, "veredus": 40000}, options)


def ten_plugins(bench, servers):
    """Ten plugins that answer "next" at every stage, against none: pairs of runs, turn about, so that both meet the same
    machine. The figure is the median of the pairs' ratios."""
    options = [*PIPELINED, "--connections", 100, "--size", "4KiB"]
    for server in servers:
        if server.name != "veredus":
            continue
        rates, ratios, costs = {0: [], 10: []}, [], []
        for pair in range(11):
            rows = {}
            for count in ((0, 10) if pair % 2 else (10, 0)):
                with bench.running(server, Plan(plugins=count)) as run:
                    run.warm_up(options, 2000)
                    rows[count] = run.measure(options, bench.scaled(40000, 1000))
                rates[count].append(rows[count])
            ratios.append(rows[10]["rate"] / max(rows[0]["rate"], 1))
            costs.append(rows[10]["cpu_per_1000"] / rows[0]["cpu_per_1000"])
        yield {**median_row(rates[0]), "note": "no plugin"}
        yield {**median_row(rates[10]), "relative_rate": statistics.median(ratios),
               "note": f"ten plugins; CPU a message x {statistics.median(costs):.2f}, pairs {min(ratios):.2f} to {max(ratios):.2f}"}


def signing(bench, servers):
    """Accept, sign with RSA of 2048 bits, relay. Postfix has opendkim for it."""
    with identity_of(bench, servers) as (folder, identity, _):
        options = [*PIPELINED, "--connections", 50, "--size", "4KiB", "--from", f"load@{milters.DOMAIN}"]
        for server in servers:
            keys = ["rsa"] if server.name == "postfix" else ["rsa", "rsa, ed25519"]
            for names in keys:
                with milters.opendkim(folder, identity, "s") if server.name == "postfix" else contextlib.nullcontext("") as milter:
                    row = relay_with(bench, server, Plan(milters=milter, fragments=dkim_fragment(identity, names)), options, {"postfix": 3000, "veredus": 20000})
                yield {**row, "note": f"signed: {names}"}


def verifying(bench, servers):
    """Accept a signed message, check DKIM, SPF and DMARC, relay. Postfix has opendkim and opendmarc for it; opendkim reads keys from a file."""
    with identity_of(bench, servers) as (folder, identity, address):
        options = [*PIPELINED, "--connections", 50, "--content", identity.message, "--from", f"ann@{milters.DOMAIN}", "--rcpt", "user%d@load.test"]
        core = f"  relay_networks: [192.0.2.0/24]\n  relay_domains: [load.test]\n  resolvers: ['{address}']\n"
        ours = {"30-spf.yaml": "plugin: spf\ntrusted: []\n", "31-dkim.yaml": "plugin: dkim\nsign: false\n", "34-dmarc.yaml": "plugin: dmarc\nenforce: true\ntrusted: []\nreports: 'off'\n"}
        for server in servers:
            if server.name == "veredus":
                yield from verifying_of_ours(bench, server, Plan(core=core), Plan(core=core, fragments=ours), options)
                continue
            with milters.opendkim(folder, identity, "v") as dkim, milters.opendmarc(folder, address) as dmarc:
                row = relay_with(bench, server, Plan(milters=f"{dkim}, {dmarc}"), options, {"postfix": 3000})
            yield {**row, "note": "DKIM, SPF, DMARC"}


def verifying_of_ours(bench, server, plain, checked, options):
    """Throughput, and what checking adds to the wait between dot and 250 when there is room: 300 messages a second."""
    rows, calm = [], []
    for plan in (plain, checked):
        rows.append(relay_with(bench, server, plan, options, {"veredus": 40000}))
        calm.append(relay_with(bench, server, plan, [*options, "--rate", 300], {"veredus": 2000}))
    added = calm[1]["dot_p50"] - calm[0]["dot_p50"]
    yield {**rows[1], "relative_rate": rows[1]["rate"] / max(rows[0]["rate"], 1), "note": f"DKIM, SPF, DMARC; at 300/s p50 from dot to 250 {added:+.2f} ms"}
    yield {**rows[0], "note": "not checked"}


@contextlib.contextmanager
def identity_of(bench, servers):
    """A folder, the domain's keys and the address of a resolver that knows it."""
    why = milters.missing()
    if why:
        raise RuntimeError(why)
    folder = os.path.join(bench.scratch, "identity")
    ours = next(server for server in servers if server.name == "veredus") if any(s.name == "veredus" for s in servers) else None
    veredus = os.path.join(os.path.dirname(bench.load_binary), "../../core/main/veredus") if ours is None else ours._binary("veredus")  # pylint: disable=protected-access
    identity = milters.Identity(folder, veredus)
    with milters.resolver(folder, identity.records) as address:
        yield folder, identity, address


def dkim_fragment(identity, names):
    files = {"rsa": identity.rsa, "ed25519": identity.ed25519}
    keys = ", ".join(f"{{ selector: {name}, file: {files[name]} }}" for name in names.split(", "))
    return {"31-dkim.yaml": f"plugin: dkim\nverify: false\nrules:\n  - domains: [{milters.DOMAIN}]\n    keys: [{keys}]\n"}


def relay_with(bench, server, plan, options, messages):
    with bench.running(server, plan) as run:
        run.warm_up(options, 300)
        return run.measure(options, bench.scaled(messages[server.name]))


def tls_handshakes(bench, servers):
    """Handshakes and idle connections of our TLS against a bare GnuTLS server, both in one program (core/net/tls_bench.cc)."""
    for server in servers:
        if server.name != "veredus":
            continue
        subprocess.run(["ninja", "-C", server.build, "core/net/tls_bench"], check=True, capture_output=True)
        done = subprocess.run([os.path.join(server.build, "core/net/tls_bench"), str(bench.scaled(2000)), str(bench.scaled(1000))],
                              check=True, capture_output=True, text=True, timeout=600)
        for line in done.stdout.splitlines():
            yield {"server": server.name, "note": line}


def tls_relay(bench, servers, size="100KiB", messages=6000):
    """One daemon relays to another, in clear and over TLS; the second gives everything to the sink. Turn about, so that both ways meet the
    same machine; the figure is the median of the pairs."""
    options = [*PIPELINED, "--connections", 20, "--size", size]
    ours = [server for server in servers if server.name == "veredus"]
    for server in ours:
        rows, ratios = {"none": [], "encrypt": []}, []
        for pair in range(5):
            for level in (("none", "encrypt") if pair % 2 else ("encrypt", "none")):
                rows[level].append(relay_through_two(bench, server, level, options, bench.scaled(messages)))
            ratios.append(rows["encrypt"][-1]["rate"] / max(rows["none"][-1]["rate"], 1))
        yield {**median_row(rows["none"]), "note": "in clear"}
        yield {**median_row(rows["encrypt"]), "relative_rate": statistics.median(ratios), "note": f"over TLS; pairs {min(ratios):.2f} to {max(ratios):.2f}"}


def relay_through_two(bench, server, level, options, messages):
    first = type(server)(bench.scratch, server.build, "veredus-first")
    with bench.running(server, Plan(certificate=True)) as last:
        first.configure(free_port(), Plan(sink_port=server.port, tls=level))
        with bench.caged(first) as cage:
            run = Running(bench, first, last.sink, cage)
            run.warm_up(options, 200)
            return run.measure(options, messages)


def tls_relay_small(bench, servers):
    yield from tls_relay(bench, servers, "4KiB", 30000)


def median_row(rows):
    return sorted(rows, key=lambda row: row["rate"])[len(rows) // 2]


def idle(bench, servers):
    """Growth of the server's PSS by connections that said EHLO and nothing more."""
    for server in servers:
        count = 5000 if server.name == "veredus" else 1000
        with bench.running(server, Plan(connections=count)) as run:
            run.warm_up(["--connections", 20], 200)
            before, _ = pss_bytes(run.cage)
            load = run.load(["--idle", count, "--timeout", 60])
            load.wait_for_idle()
            settle(run.cage)
            after, processes = pss_bytes(run.cage)
            load.stop()
            result = load.result()
        yield {"server": server.name, "idle": count, "idle_lost": result["idle_lost"], "processes": processes,
               "peak_pss": after, "bytes_per_idle": (after - before) / count}


def dead_queue(bench, servers):
    """200,000 messages wait for a dead destination: memory, the healthy flow beside them, start-up with them."""
    for server in servers:
        if server.name != "veredus":
            yield {"server": server.name, "note": "not run: at a few hundred messages a second, each of them a file, "
                                                  "filling its queue takes most of an hour"}
            continue
        yield from dead_queue_of(bench, server)


def dead_queue_of(bench, server):
    queued = bench.scaled(200000, 1000)
    flow = [*PIPELINED, "--connections", 100, "--size", "4KiB"]
    messages = bench.scaled(60000, 1000)
    plan = Plan(connections=200, dead_routes=[("dead.test", free_port())])
    with bench.running(server, plan) as run:
        run.warm_up(flow, 500)
        empty = run.measure(flow, messages)
        yield {**empty, "note": "empty queue"}
        run.load([*flow, "--rcpt", "user%d@dead.test", "--messages", queued, "--tag", "dead"]).result()
        settle(run.cage, 120)
        size, _ = pss_bytes(run.cage)
        yield {"server": server.name, "queued": queued, "peak_pss": size, "note": "queue at rest"}
        run.sink.forget()
        full = run.measure(flow, messages)
        full["relative_rate"] = full["rate"] / empty["rate"] if empty["rate"] else 0.0
        yield {**full, "queued": queued, "note": "beside the queue"}
    with bench.caged(server) as cage:
        settle(cage, 60)
        size, _ = pss_bytes(cage)
        yield {"server": server.name, "queued": queued, "ready_seconds": server.ready_seconds, "peak_pss": size,
               "note": "start with that spool"}


def production(bench, servers):
    """Like production: sizes as measured there, 5,000 domains on 250 next hops that think 300 ms over each message and
    refuse 10 % for now, 2,000 connections, and a reload every five seconds."""
    hosts = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(250)]
    routes = list(zip((f"d{number}.load.test" for number in range(5000)), itertools.cycle(hosts)))
    for server in servers:
        plan = Plan(connections=2000, concurrency=20, retry=5, routes=routes,
                    sink_options=("--delay-dot", "300", "--refuse-rate", "10"))
        options = [*PIPELINED, "--sizes", "production", "--to-domains", 5000, "--connections", 2000,
                   "--all-first"]
        reloads = []
        with bench.running(server, plan) as run:
            run.warm_up([*PIPELINED, "--connections", 200, "--to-domains", 5000], 400)
            row = run.measure(options, bench.scaled(6000, 2000), stall=60,
                              during=lambda load: reload_while(run.server, load, reloads))
        yield {**row, "reloads": len(reloads)}


def reload_while(server, load, reloads):
    next_reload = time.monotonic() + 1
    def step():
        nonlocal next_reload
        if time.monotonic() >= next_reload:
            server.reload()
            reloads.append(time.monotonic())
            next_reload = time.monotonic() + 5
        return load.process.poll() is not None
    wait_for(step, 1800, "the load to end", pause=0.05)


ALL = {
    "4k-1": ("4 KiB, 1 connection", small_1),
    "4k-20": ("4 KiB, 20 connections", small_20),
    "4k-100": ("4 KiB, 100 connections", small_100),
    "100k": ("100 KiB, 20 connections", large),
    "one-each": ("4 KiB, one message a connection, 20 at a time", one_each),
    "plugins": ("4 KiB, 100 connections, ten plugins at every stage against none", ten_plugins),
    "sign": ("4 KiB, 50 connections, signed with DKIM; Postfix with opendkim", signing),
    "verify": ("4 KiB, 50 connections, DKIM, SPF and DMARC checked; Postfix with opendkim and opendmarc", verifying),
    "tls-handshake": ("TLS handshakes and idle connections against a bare GnuTLS server", tls_handshakes),
    "tls-100k": ("100 KiB, 20 connections, from one daemon to another, in clear and over TLS", tls_relay),
    "tls-4k": ("4 KiB, 20 connections, from one daemon to another, in clear and over TLS", tls_relay_small),
    "idle": ("idle connections", idle),
    "dead-queue": ("200,000 queued for a dead destination, others flow, start-up with that spool", dead_queue),
    "production": ("like production", production),
}
