#!/usr/bin/env python3
# Scenario: where mail goes and how it is spoken there: MX and its rules, literals, loops, extensions, LMTP, sources, reuse.
import hashlib
import os
import select
import socket
import time

from lib_delivery import Watched, assert_final, core_for, final, message, token
from lib_veredus import *

MEMORY_KIB = 12 << 10 if "san" not in os.path.basename(BUILD) else 240 << 10  # sanitizers keep what was freed
TWO, THREE, FOUR = "127.0.0.2", "127.0.0.3", "127.0.0.4"


def hops_on(*addresses, **options):
    """A Watched hop on each address, all on one port, as mail exchangers are."""
    port = free_port()
    return port, [Watched(address=address, port=port, **options) for address in addresses]


def zone(**names):
    """zone(mx2=TWO) gives addresses below hosts.test."""
    return {f"{name}.hosts.test": {"A": [address]} for name, address in names.items()}


def stop(*things):
    for thing in things:
        thing.stop()


# MX

def test_mx_order():
    port, (first, second) = hops_on(TWO, THREE)
    records = {**zone(one=TWO, two=THREE), "order.test": {"MX": [(20, "two.hosts.test"), (10, "one.hosts.test")]}}
    with FakeDns(records) as dns, Daemon(core_for(dns=dns, outbound={"port": port})) as daemon:
        for number in range(5):
            send_one(daemon.port, recipients=[f"r{number}@order.test"])
            assert "one.hosts.test" in assert_final(daemon, f"r{number}@order.test", "delivered")["remote"]
        assert not second.messages, "the less preferred exchanger got mail although the preferred one works"
    stop(first, second)


def test_next_exchanger_when_one_fails():
    """Down, without an address, or greeting with a refusal: the next one is asked at once. Names differ, as failures are remembered."""
    port, (first, second) = hops_on(TWO, THREE)
    greetings = {"refuses": "554 5.3.2 not here", "full": "421 4.3.2 full", "closes": CLOSE, "hello": "220 hop"}
    records = {**zone(two=THREE, dead=FOUR, **{name: TWO for name in greetings})}
    for name in [*greetings, "dead"]:
        records[f"{name}.test"] = {"MX": [(5, f"{name}.hosts.test"), (6, "missing.hosts.test"), (20, "two.hosts.test")]}
    with FakeDns(records) as dns, Daemon(core_for(dns=dns, outbound={"port": port, "idle": "0s"})) as daemon:
        for name, greeting in {"dead": None, **greetings}.items():
            if greeting:
                first.replies["BANNER"] = greeting
            if name == "hello":
                first.replies["EHLO"] = first.replies["HELO"] = "554 5.0.0 no"
            asked = first.connections
            send_one(daemon.port, recipients=[f"a@{name}.test"])
            event = assert_final(daemon, f"a@{name}.test", "delivered", "250")
            assert "two.hosts.test" in event["remote"] and first.connections == asked + (name != "dead"), event
        assert not daemon.events("recipient.deferred") and not daemon.events("destination.backoff")
    stop(first, second)


def test_equal_preference_is_shared():
    port, both = hops_on(TWO, THREE)
    records = {**zone(one=TWO, two=THREE), "equal.test": {"MX": [(10, "one.hosts.test"), (10, "two.hosts.test")]}}
    core = core_for(outbound={"port": port, "messages_per_connection": 1})
    with FakeDns(records) as dns, Daemon({**core, "resolvers": [dns.address]}) as daemon:
        for _ in range(40):
            send_one(daemon.port, recipients=["a@equal.test"])
        daemon.wait_empty()
        counts = [len(hop.messages) for hop in both]
        assert sum(counts) == 40 and min(counts) >= 5, f"40 messages over equal exchangers: {counts}"
    stop(*both)


def test_null_mx_bounces_at_once():
    with FakeDns({"null.test": {"MX": [(0, "")], "A": [TWO]}}) as dns, Hop() as back, Daemon(core_for(dns=dns, back=back)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@null.test"])
        event = assert_final(daemon, "a@null.test", "bounced", "556 5.1.10")
        assert event["attempts"] <= 1, event
        report = back.wait(1)[0]
        assert b"5.1.10" in report.octets and report.sender == "", report.octets


def test_no_mx_uses_addresses():
    port, (four,) = hops_on(TWO)
    with FakeDns({"plain.test": {"A": [TWO]}}) as dns, Daemon(core_for(dns=dns, outbound={"port": port})) as daemon:
        send_one(daemon.port, recipients=["a@plain.test"])
        assert_final(daemon, "a@plain.test", "delivered")
        assert len(four.messages) == 1 and dns.asked("plain.test", "MX")
    stop(four)


def test_ipv6():
    if not has_ipv6():
        raise Skip("no IPv6 on loopback")
    port, (six,) = hops_on("::1")
    records = {"six.test": {"AAAA": ["::1"]}, "both.test": {"AAAA": ["::1"], "A": [FOUR]}}
    with FakeDns(records) as dns, Daemon(core_for(dns=dns, outbound={"port": port, "ip": "ipv6"})) as daemon:
        for recipient in ("a@six.test", "a@both.test", "a@[IPv6:::1]"):
            send_one(daemon.port, recipients=[recipient])
            assert_final(daemon, recipient, "delivered")
        assert len(six.messages) == 3
    stop(six)


def has_ipv6():
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_cname():
    port, (hop,) = hops_on(TWO)
    records = {**zone(mx=TWO), "alias.test": {"CNAME": ["real.test"]}, "real.test": {"MX": [(10, "mx.hosts.test")]},
               "toalias.test": {"MX": [(10, "an.hosts.test")]}, "an.hosts.test": {"CNAME": ["mx.hosts.test"]},
               "circle.test": {"CNAME": ["ring.test"]}, "ring.test": {"CNAME": ["circle.test"]}}
    with FakeDns(records) as dns, Daemon(core_for(dns=dns, outbound={"port": port})) as daemon:
        for recipient in ("a@alias.test", "a@toalias.test"):
            send_one(daemon.port, recipients=[recipient])
            assert_final(daemon, recipient, "delivered")
            assert hop.messages[-1].recipients == [recipient], "an alias of the domain does not change the recipient"
        send_one(daemon.port, sender="", recipients=["a@circle.test"])
        wait_until(lambda: daemon.events("destination.backoff", destination="mx:circle.test")
                   or daemon.events("recipient.bounced", recipient="a@circle.test"), 15, "an end of the CNAME circle")
        daemon.cmd("queue", "delete", "--recipient", "a@circle.test", code=None)
    stop(hop)


def test_address_literals():
    port, (hop,) = hops_on(TWO)
    with FakeDns({}) as dns, Daemon(core_for(dns=dns, outbound={"port": port})) as daemon:
        send_one(daemon.port, recipients=[f"a@[{TWO}]"])
        assert_final(daemon, f"a@[{TWO}]", "delivered")
        assert not dns.queries, f"a literal asks no DNS: {dns.queries}"
    stop(hop)


def test_names_that_do_not_exist():
    records = {"empty.test": {}, "badmx.test": {"MX": [(10, "nowhere.hosts.test")]}}
    with FakeDns(records) as dns, Daemon(core_for(dns=dns)) as daemon:
        for domain, reply in (("gone.test", "550 5.1.2"), ("empty.test", "550 5.4.4"), ("badmx.test", "550 5.4.4")):
            send_one(daemon.port, sender="", recipients=[f"a@{domain}"])
            assert_final(daemon, f"a@{domain}", "bounced", reply)


def test_dns_trouble_is_tried_again():
    port, (hop,) = hops_on(TWO)
    records = {"broken.test": "SERVFAIL", "silent.test": "TIMEOUT", "garbage.test": {"MX": "GARBAGE", "A": "GARBAGE"},
               "mxdead.test": {"MX": [(10, "fails.hosts.test")]}, "fails.hosts.test": "SERVFAIL"}
    with FakeDns(records, ttl=5) as dns, Daemon(core_for(dns=dns, outbound={"port": port}, queue={"retry": ["1s"]})) as daemon:
        for domain in records:
            if domain != "fails.hosts.test":
                send_one(daemon.port, recipients=[f"a@{domain}"])
        for domain in ("broken.test", "silent.test", "garbage.test", "mxdead.test"):
            wait_until(lambda: any(domain in e.get("destination", "") for e in daemon.events("destination.backoff"))
                       or daemon.events("recipient.deferred", recipient=f"a@{domain}"), 25, f"a deferral for {domain}")
        replies = {r["address"]: r["reply"] for m in daemon.queue() for r in m["recipients"]}
        assert all("4.4.3" in reply for reply in replies.values()) and len(replies) == 4, replies
        for domain in ("broken.test", "silent.test", "garbage.test", "mxdead.test"):
            dns.records[domain] = {"A": [TWO]}
        daemon.wait_empty(40)
        assert sorted(r for m in hop.messages for r in m.recipients) == sorted(replies), hop.messages
        assert all(daemon.events("recipient.delivered", recipient=address) for address in replies)
    stop(hop)


def test_loops_to_self():
    port = free_port()
    hop = Watched(address=TWO, port=port)
    records = {**zone(me="127.0.0.1", other=TWO, down=FOUR),
               "self.test": {"MX": [(10, "me.hosts.test")]},
               "backup.test": {"MX": [(10, "other.hosts.test"), (20, "me.hosts.test")]},
               "down.test": {"MX": [(10, "down.hosts.test"), (20, "me.hosts.test")]},
               "worse.test": {"MX": [(10, "me.hosts.test"), (20, "other.hosts.test")]}}
    listeners = [{"address": f"127.0.0.1:{port}", "role": "mx"}]
    with FakeDns(records) as dns, Daemon(core_for(dns=dns, outbound={"port": port}, listeners=listeners)) as daemon:
        for domain in ("self.test", "worse.test"):
            send_one(daemon.port, sender="", recipients=[f"a@{domain}"])
            assert_final(daemon, f"a@{domain}", "bounced", "550 5.4.6")
        assert daemon.events("destination.loop")
        assert not hop.messages, "an exchanger less preferred than ourselves was used"
        send_one(daemon.port, recipients=["a@backup.test"])
        assert_final(daemon, "a@backup.test", "delivered")
        send_one(daemon.port, recipients=["a@down.test"])
        found = wait_until(lambda: daemon.events("recipient.deferred", recipient="a@down.test")
                           or daemon.events("destination.backoff"), 10, "the better exchanger is down: wait for it")
        assert not daemon.events("recipient.bounced", recipient="a@down.test") and found
        daemon.cmd("queue", "delete", "--recipient", "a@down.test")
        final(daemon, "a@down.test")
        assert len(daemon.events("message.accepted")) == 4, "a message came back to ourselves"
    stop(hop)


def test_same_address_other_port_is_not_self():
    with Hop() as hop, FakeDns({"here.test": {"A": ["127.0.0.1"]}}) as dns:
        with Daemon(core_for(dns=dns, outbound={"port": hop.port})) as daemon:
            send_one(daemon.port, recipients=["a@here.test"])
            assert_final(daemon, "a@here.test", "delivered")


def test_hosts_table_before_dns():
    port, (hop,) = hops_on(TWO)
    records = {"mx.hosts.test": {"A": [FOUR]}, "box.test": {"A": [FOUR]}}
    core = core_for([{"match": "routed.test", "to": [f"smtp://mx.hosts.test:{port}"]}], outbound={"port": port},
                    hosts={"mx.hosts.test": [TWO], "box.test": [TWO]})
    with FakeDns(records) as dns, Daemon({**core, "resolvers": [dns.address]}) as daemon:
        for recipient in ("a@routed.test", "a@box.test"):
            send_one(daemon.port, recipients=[recipient])
            assert_final(daemon, recipient, "delivered")
        assert not dns.asked("mx.hosts.test"), "a name of the hosts table was asked of DNS"
        assert len(hop.messages) == 2
    stop(hop)


# Connections

def one_after_the_other(daemon, count, start=0):
    for number in range(start, start + count):
        send_one(daemon.port, recipients=[f"a{number}@to.test"])
        assert_final(daemon, f"a{number}@to.test", "delivered")


def test_connection_reuse_and_idle():
    with Watched() as hop, Daemon(core_for(routes_to(hop), outbound={"idle": "3s"})) as daemon:
        one_after_the_other(daemon, 12)
        assert len(hop.talks) == 1, f"12 messages one after the other on {len(hop.talks)} connections"
        hop.wait_command("^QUIT", 8)
        assert hop.talks[0].count("EHLO") == 1


def test_idle_zero_closes_after_each():
    with Watched() as hop, Daemon(core_for(routes_to(hop), outbound={"idle": "0s"})) as daemon:
        for number in range(4):
            one_after_the_other(daemon, 1, number)
            wait_until(lambda: len(hop.lines("QUIT")) == number + 1, 5, "QUIT at once")
        assert len(hop.talks) == 4


def test_messages_per_connection():
    with Watched() as hop, Daemon(core_for(routes_to(hop), outbound={"idle": "3s", "messages_per_connection": 3})) as daemon:
        one_after_the_other(daemon, 10)
        counts = [talk.count("MAIL") for talk in hop.talks]
        assert counts == [3, 3, 3, 1], counts


def test_stale_connection_is_replaced():
    gone = []

    def then_close(connection, _line):
        if len(gone) < 3:
            gone.append(connection.number)
            connection.send("250 2.0.0 taken")
            connection.hop.messages.append(None)
            return CLOSE
        return "250 2.0.0 taken"

    with Watched(replies={"DOT": then_close}) as hop, Daemon(core_for(routes_to(hop), outbound={"idle": "5s"})) as daemon:
        one_after_the_other(daemon, 5)
        daemon.wait_empty()
        assert not daemon.events("recipient.deferred"), "a reused connection that had died delayed the message"
        assert len(daemon.events("recipient.delivered")) == 5 and len(hop.messages) == 5


# Extensions

def test_pipelining_only_when_offered():
    def script(offer, seen):
        def run(connection):
            sock = connection.socket
            sock.sendall(b"220 hop.test\r\n")
            connection.read_line()
            sock.sendall(b"250-hop.test\r\n250 PIPELINING\r\n" if offer else b"250 hop.test\r\n")
            octets = sock.recv(65536)
            until = time.monotonic() + (5 if offer else 0.5)
            while b"DATA\r\n" not in octets and (left := until - time.monotonic()) > 0:
                if select.select([sock], [], [], left)[0]:
                    octets += sock.recv(65536)
            seen.append(octets)

        return run

    for offer in (True, False):
        seen = []
        with Hop(script=script(offer, seen)) as hop, Daemon(core_for(routes_to(hop))) as daemon:
            send_one(daemon.port, recipients=["a@to.test", "b@to.test"])
            wait_until(lambda: seen, 10, "a conversation")
            verbs = [line[:4] for line in seen[0].split(b"\r\n") if line]
            wanted = [b"MAIL", b"RCPT", b"RCPT", b"DATA"] if offer else [b"MAIL"]
            assert verbs == wanted, f"PIPELINING {'offered' if offer else 'not offered'}: {seen[0]!r}"
            daemon.cmd("queue", "delete", "--older", "0s")


def test_chunking_and_octets():
    body = b".\r\n..two\r\n.dot at start\r\n" + b"x" * 5000 + b"\r\n" + b"tab\tand trailing space \r\n\r\n\r\n.\r\n"
    for extensions, how in ((None, "BDAT"), (["PIPELINING", "8BITMIME"], "DATA"), ([], "DATA")):
        with Watched(ehlo=extensions) as hop, Daemon(core_for(routes_to(hop))) as daemon:
            sent = message(token(), body=body)
            send_one(daemon.port, sent, recipients=["a@to.test"])
            taken = hop.wait(1)[0]
            assert taken.how == how, taken.how
            assert taken.octets.endswith(sent) and taken.octets.startswith(b"Received: "), "octets changed on the way"
            assert taken.octets[: -len(sent)].count(b"Received:") == 1
            if how == "BDAT":
                assert hop.lines("BDAT")[0].upper().endswith("LAST") and not hop.lines("DATA")


def test_size():
    with Watched(ehlo=["SIZE 20000"]) as hop, Watched(ehlo=["PIPELINING"]) as plain, Hop() as back:
        routes = [*routes_to(hop, match="small.test"), *routes_to(plain, match="plain.test")]
        with Daemon(core_for(routes, back=back)) as daemon:
            send_one(daemon.port, sender="s@back.test", recipients=["a@small.test"])
            assert_final(daemon, "a@small.test", "delivered")
            declared = int(hop.lines("MAIL")[0].split("SIZE=")[1].split()[0])
            assert declared == len(hop.messages[0].octets), (declared, len(hop.messages[0].octets))
            send_one(daemon.port, message(token(), 30000), sender="s@back.test", recipients=["b@small.test"])
            assert_final(daemon, "b@small.test", "bounced", "552 5.3.4")
            assert len(hop.lines("MAIL")) == 1, "a message that is too large was offered"
            assert b"5.3.4" in back.wait(1)[0].octets
            send_one(daemon.port, message(token(), 30000), recipients=["c@plain.test"])
            assert_final(daemon, "c@plain.test", "delivered")
            assert "SIZE=" not in plain.lines("MAIL")[0]


def test_eight_bit():
    eight = message(token(), body="Grüße\r\n".encode())
    with Watched(ehlo=["8BITMIME"]) as able, Watched(ehlo=["PIPELINING"]) as unable:
        routes = [*routes_to(able, match="able.test"), *routes_to(unable, match="unable.test")]
        with Daemon(core_for(routes)) as daemon:
            send_one(daemon.port, eight, recipients=["a@able.test"], mail_args="BODY=8BITMIME")
            assert able.wait(1)[0].octets.endswith(eight)
            assert "BODY=8BITMIME" in able.lines("MAIL")[0]
            send_one(daemon.port, eight, sender="", recipients=["a@unable.test"], mail_args="BODY=8BITMIME")
            assert_final(daemon, "a@unable.test", "bounced", "554 5.6.3")
            assert not unable.lines("DATA")
            # Judged by the content, not by what was declared.
            send_one(daemon.port, recipients=["b@unable.test"], mail_args="BODY=8BITMIME")
            assert_final(daemon, "b@unable.test", "delivered")
            assert "BODY=" not in unable.lines("MAIL")[0]
            send_one(daemon.port, eight, recipients=["c@able.test"])
            able.wait(2)
            assert "BODY=8BITMIME" in able.lines("MAIL")[1]


def test_smtputf8():
    with Watched(ehlo=["8BITMIME", "SMTPUTF8"]) as able, Watched(ehlo=["8BITMIME"]) as unable:
        routes = [*routes_to(able, match="able.test"), *routes_to(unable, match="unable.test")]
        with Daemon(core_for(routes)) as daemon:
            send_one(daemon.port, sender="jürgen@from.test", recipients=["a@able.test"], mail_args="SMTPUTF8")
            able.wait(1)
            assert "SMTPUTF8" in able.lines("MAIL")[0] and "jürgen@from.test" in able.lines("MAIL")[0]
            send_one(daemon.port, sender="", recipients=["bärbel@unable.test"], mail_args="SMTPUTF8")
            event = wait_until(lambda: daemon.events("recipient.bounced"), 10, "a bounce")[0]
            assert event["reply"].startswith("553 5.6.7"), event
            assert not any("bärbel" in line for line in unable.lines("RCPT"))
            send_one(daemon.port, sender="plain@from.test", recipients=["a@unable.test"], mail_args="SMTPUTF8")
            assert_final(daemon, "a@unable.test", "delivered")
            assert "SMTPUTF8" not in unable.lines("MAIL")[-1]


# Recipients

def test_recipients_are_grouped_by_destination():
    with Watched() as one, Watched() as two:
        routes = [*routes_to(one, match="one.test"), *routes_to(two, match="two.test")]
        with Daemon(core_for(routes, outbound={"recipients_per_transaction": 4})) as daemon:
            recipients = [f"r{n}@{'one' if n < 10 else 'two'}.test" for n in range(12)]
            send_one(daemon.port, recipients=recipients)
            daemon.wait_empty()
            assert sorted(len(m.recipients) for m in one.messages) == [2, 4, 4], [m.recipients for m in one.messages]
            assert [m.recipients for m in two.messages] == [["r10@two.test", "r11@two.test"]]
            assert sorted(r for hop in (one, two) for m in hop.messages for r in m.recipients) == sorted(recipients)


def test_mixed_replies_within_one_transaction():
    replies = {"RCPT bad@to.test": "550 5.1.1 nobody", "RCPT busy@to.test": ["450 4.2.1 busy", "250 2.1.5 ok"]}
    with Watched(replies=replies) as hop, Daemon(core_for(routes_to(hop))) as daemon:
        send_one(daemon.port, sender="", recipients=["good@to.test", "bad@to.test", "busy@to.test"])
        assert_final(daemon, "good@to.test", "delivered", "250")
        assert_final(daemon, "bad@to.test", "bounced", "550 5.1.1")
        event = assert_final(daemon, "busy@to.test", "delivered", "250")
        assert event["attempts"] == 2, event
        assert [m.recipients for m in hop.messages] == [["good@to.test"], ["busy@to.test"]]


def test_452_on_later_recipients():
    with Sink("--rcpt-limit", "3") as sink, Daemon(core_for(routes_to(sink), queue={"retry": ["1h"]})) as daemon:
        recipients = [f"r{n}@to.test" for n in range(10)]
        send_one(daemon.port, recipients=recipients)
        got = [m.recipients for m in sink.wait(4)]
        assert [len(r) for r in got] == [3, 3, 3, 1] and sum(got, []) == recipients, got
        daemon.wait_empty()
        assert not daemon.events("recipient.deferred")


def test_452_for_the_first_recipient_is_a_refusal():
    with Watched(replies={"RCPT": ["452 4.5.3 too many", "250 2.1.5 ok"]}) as hop, Daemon(core_for(routes_to(hop))) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        assert_final(daemon, "a@to.test", "delivered")
        assert daemon.events("recipient.deferred", recipient="a@to.test"), "452 without any accepted recipient waits"


def test_full_mailbox_452_concerns_one_recipient():
    with Watched(replies={"RCPT b@to.test": ["452 4.2.2 mailbox full", "250 2.1.5 ok"]}) as hop:
        with Daemon(core_for(routes_to(hop))) as daemon:
            send_one(daemon.port, recipients=["a@to.test", "b@to.test"])
            assert_final(daemon, "b@to.test", "delivered")
            assert daemon.events("recipient.deferred", recipient="b@to.test") and len(hop.messages) == 2


# LMTP

def test_lmtp_over_tcp_and_unix():
    for unix in (False, True):
        with Sink("--lmtp", unix=unix) as sink, Daemon(core_for(routes_to(sink))) as daemon:
            sent = message(token(), 50_000)
            send_one(daemon.port, sent, recipients=["a@lists.test", "b@lists.test"])
            arrived = sink.wait(1)[0]
            assert arrived.recipients == ["a@lists.test", "b@lists.test"] and arrived.without_trace == sent
            assert_final(daemon, "a@lists.test", "delivered", "250")


def test_lmtp_replies_for_each_recipient():
    replies = {"DOT": ["250 2.0.0 stored", "450 4.2.1 locked", "550 5.2.1 closed", "250 2.0.0 stored"]}
    with Watched(lmtp=True, replies=replies) as hop, Daemon(core_for(routes_to(hop))) as daemon:
        send_one(daemon.port, sender="", recipients=["good@l.test", "busy@l.test", "bad@l.test"])
        assert_final(daemon, "good@l.test", "delivered", "250")
        assert_final(daemon, "bad@l.test", "bounced", "550 5.2.1")
        assert_final(daemon, "busy@l.test", "delivered", "250")
        assert [line for line in hop.lines("RCPT") if "busy" in line] and len(hop.lines("RCPT")) == 4, hop.lines("RCPT")
        assert not hop.lines("EHLO") and hop.lines("LHLO")


def test_lmtp_socket_that_is_not_there():
    path = os.path.join(work_dir(), "nobody")
    with Daemon(core_for([{"match": "*", "to": [f"lmtp://{path}"]}])) as daemon:
        send_one(daemon.port, recipients=["a@l.test"])
        daemon.wait_event("destination.backoff")
        with Sink("--lmtp", unix=True) as sink:
            os.symlink(sink.path, path)
            assert_final(daemon, "a@l.test", "delivered")
            sink.wait(1)


# Sources

def test_sources_and_pools():
    sources = {"one": {"ipv4": "127.0.0.11", "helo": "one.example.test"}, "two": {"ipv4": "127.0.0.12", "helo": "two.example.test"},
               "three": {"ipv4": "127.0.0.13"}}
    pools = {"both": ["one", "two"], "default": ["three"]}
    with Watched() as hop, Watched() as other:
        routes = [{**routes_to(hop, match="pool.test")[0], "pool": "both"}, *routes_to(other)]
        core = core_for(routes, sources=sources, pools=pools, outbound={"messages_per_connection": 1})
        with Daemon(core) as daemon:
            for number in range(20):
                send_one(daemon.port, recipients=[f"a{number}@pool.test"])
            hop.wait(20)
            seen = {(talk.source, talk.helo) for talk in hop.talks}
            assert seen == {("127.0.0.11", "one.example.test"), ("127.0.0.12", "two.example.test")}, seen
            shares = [sum(talk.source == f"127.0.0.{n}" for talk in hop.talks) for n in (11, 12)]
            assert min(shares) >= 4, f"a pool's sources take turns: {shares}"
            send_one(daemon.port, recipients=["a@elsewhere.test"])
            other.wait(1)
            assert (other.talks[0].source, other.talks[0].helo) == ("127.0.0.13", "mx.example.test"), other.talks


def test_no_pool_uses_hostname():
    with Watched() as hop, Daemon(core_for(routes_to(hop))) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        hop.wait(1)
        assert hop.talks[0].helo == "mx.example.test" and hop.talks[0].source == "127.0.0.1", hop.talks[0]


def test_source_that_cannot_be_bound_is_temporary():
    sources, pools = {"wrong": {"ipv4": "192.0.2.1"}}, {"wrong": ["wrong"]}
    with Watched() as hop, Daemon(core_for([{**routes_to(hop)[0], "pool": "wrong"}], sources=sources, pools=pools)) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        wait_until(lambda: daemon.events("destination.backoff") or daemon.events("recipient.deferred"), 10, "a deferral")
        assert not hop.talks
        daemon.cmd("queue", "delete", "--older", "0s")


# Size

def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def test_large_messages():
    sent = message(token(), 24 << 20)
    for options in ([], ["--no-chunking"]):
        with Sink(*options) as sink, Daemon(core_for(routes_to(sink))) as daemon:
            before = rss_kib(daemon.worker_pid())
            send_one(daemon.port, sent, recipients=["a@to.test"])
            arrived = sink.wait(1, 30)[0]
            assert arrived.how == ("DATA" if options else "BDAT")
            assert hashlib.sha256(arrived.without_trace).digest() == hashlib.sha256(sent).digest()
            grown = rss_kib(daemon.worker_pid()) - before
            assert grown < MEMORY_KIB, f"a message of 24 MiB took {grown} KiB of memory"


if __name__ == "__main__":
    run_tests(globals())
