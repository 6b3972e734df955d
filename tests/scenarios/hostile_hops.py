#!/usr/bin/env python3
# Scenario: next hops that vanish, stall, lie, talk garbage or without end at every stage. All of them at once, while honest mail flows;
# nothing is lost, nothing is said to be delivered that was not, memory stays bounded, and when they mend their ways all mail arrives.
import os
import time

from lib_delivery import Watched, assert_final, core_for, final, message, token
from lib_veredus import *

STAGES = ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "DOT")
TIMEOUTS = {f"{name}_timeout": "1s" for name in ("banner", "helo", "mail", "rcpt", "data", "block", "dot")}
PLAIN = ["PIPELINING", "8BITMIME"]  # no CHUNKING, so that DATA is spoken
MEMORY_KIB = (48 << 10) * (4 if "san" in os.path.basename(BUILD) else 1)


def endless_line(connection, _line):
    """A line that never ends; a client that reads it all needs all memory."""
    while True:
        connection.send(b"250 " + b"x" * 65536)


def endless_code_lines(connection, _line):
    while True:
        connection.send(b"250-" + b"y" * 60 + b"\r\n")


def dribble(connection, _line):
    """An octet now and then: the whole reply has a deadline, not each octet."""
    for _ in range(100):
        connection.send(b"2")
        if connection.hop._stopped.wait(0.3):
            break
    return CLOSE


# What no honest server does, and what comes of it: the message waits and nothing else.
WAITS = {
    "close": CLOSE, "reset": RESET, "stall": STALL, "endless-lines": endless_code_lines, "endless-line": endless_line,
    "garbage": b"\x80\x81what?\r\n", "nul": b"2\x0050 ok\r\n", "empty": b"\r\n", "no-code": b"ok then\r\n", "code-9": b"999 ok\r\n",
    "code-0": b"000 ok\r\n", "short-code": b"25 ok\r\n", "mixed-codes": b"250-ok\r\n550 no\r\n", "half-line": b"25", "dribble": dribble,
    "closing-421": "421 4.3.2 closing", "temporary": "450 4.3.2 later", "long-line": b"250 " + b"z" * 70_000 + b"\r\n",
}


def hostile_hops():
    return {f"{what}.at-{stage.lower()}": Watched(replies={stage: deed}, ehlo=PLAIN) for stage in STAGES for what, deed in WAITS.items()}


def high_water_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def test_all_of_them_at_once():
    hops = hostile_hops()
    with Hop() as good:
        routes = [*(r for name, hop in hops.items() for r in routes_to(hop, match=f"{name}.test")), *routes_to(good)]
        core = core_for(routes, outbound=TIMEOUTS, queue={"retry": ["1s"], "expire": "1h"})
        with Daemon(core) as daemon:
            pid = daemon.worker_pid()
            send_one(daemon.port, recipients=["warm@good.test"])
            good.wait(1)
            before = high_water_kib(pid)
            for name in hops:
                send_one(daemon.port, message(token(), 3000), sender="", recipients=[f"a@{name}.test"])
            slowest = honest_mail_flows(daemon, good, 30)
            wait_for_trouble(daemon, hops)
            grown = high_water_kib(pid) - before
            print(f"  {len(hops)} hostile next hops: {grown} KiB more memory, slowest honest delivery {slowest * 1000:.0f} ms")
            assert grown < MEMORY_KIB, f"{grown} KiB more"
            assert slowest < 2, f"honest mail took {slowest:.1f} s"
            assert daemon.worker_pid() == pid and not daemon.events("worker.crashed")
            assert_nothing_claimed(daemon, hops)
            mend(daemon, hops)
    for hop in hops.values():
        hop.stop()


def honest_mail_flows(daemon, good, count):
    slowest = 0
    for number in range(count):
        began = time.monotonic()
        name = token()
        send_one(daemon.port, recipients=[f"{name}@good.test"])
        good.wait(number + 2, 10)
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def troubled(daemon):
    """Recipients that were tried: each has had a reply or its destination a failure."""
    return {r["address"] for m in daemon.queue() for r in m["recipients"] if r["attempts"] or r["reply"]}


def wait_for_trouble(daemon, hops):
    wanted = {f"a@{name}.test" for name in hops if "long-line" not in name}

    def all_tried():
        done = {e["recipient"] for e in daemon.events("recipient.*") if e["event"] != "recipient.queued"}
        return wanted <= (troubled(daemon) | done)

    wait_until(all_tried, 25, lambda: f"an attempt at each hostile hop; not yet: {sorted(wanted - troubled(daemon))[:10]}", 0.2)


def assert_nothing_claimed(daemon, hops):
    """A recipient is delivered only if the hop took the message; else it waits with a reply that says what is wrong."""
    for event in daemon.events("recipient.delivered"):
        name = event["recipient"].split("@")[1][: -len(".test")]
        assert name not in hops or hops[name].messages or "long-line" in name, f"not delivered, but said to be: {event}"
    lost = [e for e in daemon.events("recipient.*") if e["event"] in ("recipient.bounced", "recipient.expired", "recipient.discarded")]
    assert not [e for e in lost if "long-line" not in e["recipient"]], lost[:5]
    for entry in daemon.queue():
        for recipient in entry["recipients"]:
            assert recipient["state"] == "queued" and recipient["reply"][:1] == "4", recipient


def mend(daemon, hops):
    for hop in hops.values():
        hop.replies.clear()
    daemon.wait_empty(25)
    for name, hop in hops.items():
        state = final(daemon, f"a@{name}.test")["event"]
        assert state == "recipient.delivered" and (hop.messages or "long-line" in name), (name, state)


def test_permanent_refusals_end_at_once():
    """A next hop that refuses everything for good, at any stage: bounced, and not tried again."""
    deeds = {"banner": {"BANNER": "554 5.3.2 no mail here"}, "hello": {"EHLO": "550 5.7.1 go away", "HELO": "550 5.7.1 go away"},
             "mail": {"MAIL": "550 5.7.1 go away"}, "rcpt": {"RCPT": "550 5.7.1 go away"}, "data": {"DATA": "554 5.7.1 go away"},
             "dot": {"DOT": "554 5.7.1 go away"}}
    hops = {name: Watched(replies=replies, ehlo=PLAIN) for name, replies in deeds.items()}
    routes = [r for name, hop in hops.items() for r in routes_to(hop, match=f"{name}.test")]
    with Daemon(core_for(routes, outbound=TIMEOUTS)) as daemon:
        for name in hops:
            send_one(daemon.port, sender="", recipients=[f"a@{name}.test"])
        for name, hop in hops.items():
            event = assert_final(daemon, f"a@{name}.test", "bounced", "55")
            assert event["attempts"] <= 1 and not any(m.octets for m in hop.messages), event
    for hop in hops.values():
        hop.stop()


def test_strange_but_legal():
    """Replies on many lines, octet by octet, without text, in UTF-8, with extensions nobody knows: the mail is delivered."""

    def slowly(text):
        def run(connection, _line):
            for octet in text:
                connection.send(bytes([octet]))
            return None

        return run

    deeds = {"multiline": {"MAIL": "250-2.1.0 one\r\n250-2.1.0 two\r\n250 2.1.0 three", "BANNER": "220-hello\r\n220-there\r\n220 hop"},
             "bare": {"MAIL": b"250\r\n", "RCPT": b"250 \r\n", "DOT": b"250\r\n"}, "utf8": {"DOT": "250 2.0.0 übernommen"},
             "other-codes": {"RCPT": "251 2.1.5 forwarded", "DOT": "200 fine"},
             "extensions": {"EHLO": "250-hop\r\n250-SIZE\r\n250-SIZE 99999999999999999999\r\n250-X-STRANGE=a b c\r\n250-PIPELINING extra\r\n250 HELP"},
             "ehlo-of-one-line": {"EHLO": "250 hop"}, "helo": {"EHLO": "502 5.5.1 not known"}}
    hops = {name: Watched(replies=replies, ehlo=PLAIN) for name, replies in deeds.items()}
    routes = [r for name, hop in hops.items() for r in routes_to(hop, match=f"{name}.test")]
    with Daemon(core_for(routes, outbound=TIMEOUTS)) as daemon:
        for name in hops:
            send_one(daemon.port, sender="", recipients=[f"a@{name}.test"])
        for name, hop in hops.items():
            assert_final(daemon, f"a@{name}.test", "delivered", "2")
            assert len(hop.messages) == 1, name
        for line in open(daemon.log_path, "rb"):
            line.decode("utf-8")
    for hop in hops.values():
        hop.stop()


def test_lies_about_extensions():
    cases = {"lie-size": "bounced", "lie-extensions": None, "lie-chunking": None, "lie-pipelining": None, "no-ehlo": "delivered"}
    sinks = {name: Sink("--fail", name) for name in cases}
    routes = [r for name, sink in sinks.items() for r in routes_to(sink, match=f"{name}.test")]
    try:
        with Daemon(core_for(routes, outbound=TIMEOUTS)) as daemon:
            for name in cases:
                body = "ü\r\n".encode() if name == "lie-extensions" else b"plain\r\n"
                send_one(daemon.port, message(token(), body=body), sender="", recipients=[f"a@{name}.test"], mail_args="BODY=8BITMIME")
            for name, state in cases.items():
                if state:
                    assert_final(daemon, f"a@{name}.test", state)
            for name in cases:
                wait_until(lambda: daemon.events("recipient.*", recipient=f"a@{name}.test") or daemon.events("destination.backoff"), 10, name)
            for event in daemon.events("recipient.delivered"):
                name = event["recipient"].split("@")[1][: -len(".test")]
                assert sinks[name].wait(1), f"said to be delivered, but the sink has nothing: {event}"
            daemon.cmd("queue", "delete", "--older", "0s", code=None)
            daemon.wait_empty()
    finally:
        for sink in sinks.values():
            sink.__exit__()


def early_reply(connection):
    """Says 250 while the message still comes, and goes away: the rest was never read."""
    connection.send(b"220 hop.test\r\n")
    while True:
        line = connection.read_line()
        if line.startswith("EHLO"):
            connection.send(b"250 hop.test\r\n")
        elif line.startswith("DATA"):
            connection.send(b"354 go on\r\n")
            connection.file.read(100_000)
            connection.send(b"250 2.0.0 taken already\r\n")
            return
        else:
            connection.send(b"250 ok\r\n")


def test_reply_before_the_end_of_the_message_counts_for_nothing():
    with Hop(script=early_reply) as hop, Daemon(core_for(routes_to(hop), outbound=TIMEOUTS)) as daemon:
        send_one(daemon.port, message(token(), 20 << 20), sender="", recipients=["a@to.test"])
        wait_until(lambda: daemon.events("recipient.*", recipient="a@to.test") or daemon.events("destination.backoff"), 15, "a deferral")
        assert not daemon.events("recipient.delivered"), "a reply to half a message was taken for a delivery"
        daemon.cmd("queue", "delete", "--older", "0s")
        daemon.wait_empty()


def test_replies_nobody_asked_for():
    """Two replies for one command: the second must not answer the next command, or a message seems delivered that is not."""
    for stage in ("MAIL", "RCPT", "EHLO"):
        twice = {"MAIL": "250 2.1.0 ok\r\n250 2.1.0 ok", "RCPT": "250 2.1.5 ok\r\n250 2.1.5 ok", "EHLO": "250 hop.test\r\n250 hop.test"}[stage]
        with Hop(replies={stage: twice}, ehlo=[]) as hop, Daemon(core_for(routes_to(hop), outbound=TIMEOUTS)) as daemon:
            send_one(daemon.port, sender="", recipients=["a@to.test"])
            wait_until(lambda: daemon.events("recipient.*", recipient="a@to.test") or daemon.events("destination.backoff"), 10, "an attempt")
            if daemon.events("recipient.delivered"):
                assert hop.messages, f"two replies to {stage}: delivered, but the hop has nothing"
            daemon.cmd("queue", "delete", "--older", "0s", code=None)
            daemon.wait_empty()


def test_uncertain_deliveries_are_logged_and_repeated():
    """No answer to the dot: it may have arrived, so it is sent again and the log says why there may be two."""
    with Watched(replies={"DOT": [CLOSE, STALL, "250 2.0.0 taken"]}, ehlo=PLAIN) as hop:
        with Daemon(core_for(routes_to(hop), outbound=TIMEOUTS)) as daemon:
            send_one(daemon.port, sender="", recipients=["a@to.test"])
            event = assert_final(daemon, "a@to.test", "delivered")
            assert event["attempts"] == 3, event
            assert len(daemon.events("attempt.uncertain")) == 2 and len(hop.messages) == 1


def test_421_in_the_middle_keeps_what_was_decided():
    """Two recipients are decided, then the hop closes: only the undecided one is tried again."""
    replies = {"RCPT no@to.test": "550 5.1.1 nobody", "RCPT later@to.test": ["421 4.3.2 closing", "250 2.1.5 ok"]}
    with Watched(replies=replies, ehlo=[]) as hop, Daemon(core_for(routes_to(hop), outbound=TIMEOUTS)) as daemon:
        send_one(daemon.port, sender="", recipients=["no@to.test", "later@to.test"])
        assert_final(daemon, "no@to.test", "bounced", "550 5.1.1")
        assert_final(daemon, "later@to.test", "delivered")
        assert len([line for line in hop.lines("RCPT") if "no@to.test" in line]) == 1, hop.lines("RCPT")


if __name__ == "__main__":
    run_tests(globals())
