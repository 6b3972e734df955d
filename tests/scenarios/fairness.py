#!/usr/bin/env python3
# Scenario: limits of delivery as the next hop sees them, and that a full limit or a slow destination delays nobody else.
# Fairness between tenants is judged by unit tests of core/queue: no setting gives a message its tenant yet, plugins will.
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from lib_delivery import Watched, assert_final, core_for, message, token
from lib_veredus import *


class Busy(Watched):
    """Holds each message for a while before it answers the dot, and counts how many it has in hand at once, also by domain."""

    def __init__(self, hold=0.1, **options):
        self.hold, self.guard = hold, threading.Lock()
        self.now, self.most, self.times = {}, {}, []
        super().__init__(replies={"DOT": self._hold}, **options)

    def _hold(self, connection, _line):
        keys = ["", connection.socket.getpeername()[0], *{r.split("@")[1] for r in connection.recipients}]
        with self.guard:
            self.times.append(time.monotonic())
            for key in keys:
                self.now[key] = self.now.get(key, 0) + 1
                self.most[key] = max(self.most.get(key, 0), self.now[key])
        self._stopped.wait(self.hold)
        with self.guard:
            for key in keys:
                self.now[key] -= 1
        return "250 2.0.0 taken"


def send_many(port, recipients):
    """All at once from a few connections."""

    def some(part):
        with Smtp(port) as client:
            client.hello()
            for recipient in part:
                client.deliver(message(token()), recipients=[recipient])

    parts = [recipients[n::8] for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, [part for part in parts if part]))


def core_limited(routes, limits, **settings):
    return core_for(routes, outbound_limits=limits, **settings)


def domains(*names, count=10):
    return [f"r{n}@{name}.test" for n in range(count) for name in names]


def test_connections_to_one_destination():
    with Busy() as hop, Daemon(core_for(routes_to(hop), outbound={"connections_per_destination": 3})) as daemon:
        send_many(daemon.port, domains("to", count=40))
        daemon.wait_empty()
        assert hop.most[""] == 3, f"{hop.most['']} at a time with connections_per_destination 3"


def test_connections_overall():
    port = free_port()
    hops = [Busy(0.2, address=f"127.0.0.{n}", port=port) for n in (1, 2, 3)]
    together, most = threading.Event(), [0]

    def watch():
        while not together.wait(0.005):
            most[0] = max(most[0], sum(hop.now.get("", 0) for hop in hops))

    thread = threading.Thread(target=watch)
    thread.start()
    routes = [r for n, hop in enumerate(hops) for r in routes_to(hop, match=f"h{n}.test")]
    with Daemon(core_for(routes, outbound={"connections": 4})) as daemon:
        send_many(daemon.port, domains("h0", "h1", "h2", count=12))
        daemon.wait_empty(30)
        together.set()
        thread.join()
        assert 3 <= most[0] <= 4, f"{most[0]} at a time with outbound.connections 4"
        assert [len(hop.messages) for hop in hops] == [12, 12, 12]
    for hop in hops:
        hop.stop()


def test_connections_per_domain():
    """Two domains share a next hop; each has its own count."""
    limits = {"each-domain": {"per": ["domain"], "connections": 2}}
    with Busy() as hop, Daemon(core_limited(routes_to(hop), limits)) as daemon:
        send_many(daemon.port, domains("one", "two", count=20))
        daemon.wait_empty()
        assert hop.most["one.test"] == 2 and hop.most["two.test"] == 2, hop.most
        assert hop.most[""] >= 3, hop.most


def test_limit_that_matches_one_domain_delays_no_other():
    limits = {"slow-one": {"match": {"domain": "one.test"}, "connections": 1}}
    with Busy(0.25) as hop, Daemon(core_limited(routes_to(hop), limits)) as daemon:
        send_many(daemon.port, domains("one", count=20))
        wait_until(lambda: hop.now.get("one.test"), 5, "the limited domain at work")
        began = time.monotonic()
        send_many(daemon.port, domains("two", count=10))
        for recipient in domains("two", count=10):
            assert_final(daemon, recipient, "delivered")
        assert time.monotonic() - began < 3, "mail that does not pass through the limit waited for it"
        assert len(daemon.queue("--domain", "one.test")) > 3, "the limited domain should still have mail waiting"
        daemon.wait_empty(20)
        assert hop.most["one.test"] == 1, hop.most


def test_connections_per_source():
    sources = {f"s{n}": {"ipv4": f"127.0.0.{n}"} for n in (21, 22)}
    limits = {"each-source": {"per": ["source"], "connections": 2}}
    with Busy() as hop, Daemon(core_limited([{**routes_to(hop)[0], "pool": "p"}], limits, sources=sources, pools={"p": list(sources)})) as daemon:
        send_many(daemon.port, domains("to", count=40))
        daemon.wait_empty(30)
        assert 1 <= hop.most["127.0.0.21"] <= 2 and 1 <= hop.most["127.0.0.22"] <= 2, hop.most
        assert hop.most[""] >= 3, f"two sources with two connections each: {hop.most}"


def two_mx(port, *addresses):
    records = {f"mx{n}.big.test": {"A": [address]} for n, address in enumerate(addresses)}
    return {**records, **{f"c{n}.test": {"MX": [(10, f"mx{n}.big.test")]} for n in range(len(addresses))}}


def test_connections_per_provider():
    """Customers of one provider have exchangers of their own; the provider is counted as one."""
    port = free_port()
    hops = [Busy(0.1, address=address, port=port) for address in ("127.0.0.2", "127.0.0.3")]
    most, over = [0], threading.Event()

    def watch():
        while not over.wait(0.003):
            most[0] = max(most[0], sum(hop.now.get("", 0) for hop in hops))

    thread = threading.Thread(target=watch)
    thread.start()
    core = core_limited([], {"big": {"match": {"provider": "big"}, "connections": 2}}, providers={"big": {"mx": [".big.test"]}}, outbound={"port": port})
    with FakeDns(two_mx(port, "127.0.0.2", "127.0.0.3")) as dns, Daemon({**core, "resolvers": [dns.address]}) as daemon:
        send_many(daemon.port, domains("c0", "c1", count=15))
        daemon.wait_empty(30)
        over.set()
        thread.join()
        assert most[0] == 2, f"{most[0]} at a time"
        assert [len(hop.messages) for hop in hops] == [15, 15]
    for hop in hops:
        hop.stop()


def test_connections_per_mx_address():
    """Two exchangers by name are one by address."""
    port = free_port()
    core = core_limited([], {"address": {"per": ["mx_address"], "connections": 1}}, outbound={"port": port})
    with Busy(0.05, address="127.0.0.2", port=port) as hop, FakeDns(two_mx(port, "127.0.0.2", "127.0.0.2")) as dns:
        with Daemon({**core, "resolvers": [dns.address]}) as daemon:
            send_many(daemon.port, domains("c0", "c1", count=15))
            daemon.wait_empty(30)
            assert hop.most[""] == 1 and len(hop.messages) == 30, hop.most


def test_messages_per_connection_by_key():
    limits = {"few": {"match": {"destination": "*"}, "connections": 2, "messages_per_connection": 2}}  # else each may have one of its own
    with Busy(0.01) as hop, Daemon(core_limited(routes_to(hop), limits)) as daemon:
        send_many(daemon.port, domains("to", count=20))
        daemon.wait_empty()
        counts = [talk.count("MAIL") for talk in hop.talks]
        assert max(counts) == 2 and sum(counts) == 20, counts


def test_rate():
    limits = {"ten-a-second": {"per": ["destination"], "rate": 100, "rate_period": "10s"}}
    with Busy(0) as hop, Daemon(core_limited(routes_to(hop), limits)) as daemon:
        send_many(daemon.port, domains("to", count=40))
        daemon.wait_empty(20)
        times = sorted(hop.times)
        for first, later in zip(times, times[21:]):
            assert later - first > 0.9, f"21 messages within {later - first:.2f} s; the rate is 10 a second and its bucket holds 10"
        assert 2.5 < times[-1] - times[0] < 6, f"40 messages at 10 a second took {times[-1] - times[0]:.1f} s"


def test_rate_of_one_domain_delays_no_other():
    limits = {"trickle": {"match": {"domain": "one.test"}, "rate": 10, "rate_period": "10s"}}
    with Busy(0) as hop, Daemon(core_limited(routes_to(hop), limits)) as daemon:
        send_many(daemon.port, domains("one", count=15))
        began = time.monotonic()
        send_many(daemon.port, domains("two", count=30))
        for recipient in domains("two", count=30):
            assert_final(daemon, recipient, "delivered")
        assert time.monotonic() - began < 3
        assert len(daemon.queue("--domain", "one.test")) >= 8
        daemon.cmd("queue", "delete", "--older", "0s")


def test_slow_destination_delays_no_other():
    with Sink("--delay-dot", "3000") as slow, Sink() as fast:
        with Daemon(core_for([*routes_to(slow, match="slow.test"), *routes_to(fast)])) as daemon:
            with Load(daemon.port, "--connections", "10", "--messages", "400", "--rcpt", "u%d@slow.test", "--size", "2000") as load:
                load.wait()
            wait_until(lambda: slow.counts()["open"], 5, "the slow destination at work")
            began = time.monotonic()
            with Load(daemon.port, "--connections", "10", "--messages", "2000", "--rcpt", "u%d@fast.test", "--size", "2000") as load:
                load.wait()
            fast.wait(2000, 15)
            took = time.monotonic() - began
            waiting = daemon.balance()[2]
            print(f"  2000 messages passed 400 slow ones in {took:.1f} s; {waiting} slow ones wait")
            assert waiting > 200 and took < 10
            daemon.cmd("queue", "delete", "--domain", "slow.test")
            daemon.wait_empty(20)


def test_stalled_destinations_delay_no_other():
    """Many destinations that never answer hold their connections; others get theirs."""
    stalled = [Hop(replies={"BANNER": STALL}, address=f"127.0.1.{n}") for n in range(1, 31)]
    routes = [r for n, hop in enumerate(stalled) for r in routes_to(hop, match=f"s{n}.test")]
    with Sink() as sink, Daemon(core_for([*routes, *routes_to(sink)], outbound={"connections": 100})) as daemon:
        send_many(daemon.port, domains(*(f"s{n}" for n in range(30)), count=3))
        wait_until(lambda: sum(hop.connections for hop in stalled) >= 30, 10, "connections to stalled hops")
        for number in range(10):
            began = time.monotonic()
            send_one(daemon.port, recipients=["a@good.test"])
            sink.wait(number + 1, 5)
            assert time.monotonic() - began < 2
        for hop in stalled:
            hop.stop()
        daemon.cmd("queue", "delete", "--older", "0s")
        daemon.wait_empty(20)


def test_flooding_client_does_not_starve_another():
    with Sink() as sink, Daemon(core_for(routes_to(sink))) as daemon:
        with Load(daemon.port, "--connections", "40", "--duration", "5", "--size", "4096", "--pipelining", "--rcpt", "u%d@flood.test") as load:
            waits = []
            while load.process.poll() is None and len(waits) < 15:
                began = time.monotonic()
                name = token()
                send_one(daemon.port, recipients=[f"{name}@single.test"])
                assert_final(daemon, f"{name}@single.test", "delivered")
                waits.append(time.monotonic() - began)
            load.wait()
        print(f"  single messages beside a flood: slowest {max(waits):.2f} s of {len(waits)}")
        assert max(waits) < 3, waits
        daemon.wait_empty(30)


if __name__ == "__main__":
    run_tests(globals())
