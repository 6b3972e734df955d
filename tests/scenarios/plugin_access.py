#!/usr/bin/env python3
# The plugin access in a real daemon: who is refused, deferred, held, discarded or let through, with tables, and rules that change.
import json
import os

from lib_veredus import *  # noqa: F401,F403


def rules(*all_rules):
    return "plugin: access\nrules: " + json.dumps(all_rules) + "\n"


def guarded(hop, *all_rules, **more):
    return Daemon({"routes": routes_to(hop)}, files={"10-access.yaml": rules(*all_rules)}, **more)


def test_envelope_rules_answer_at_their_stage():
    with Hop() as hop, guarded(
        hop,
        {"name": "bad-helo", "when": {"helo": "localhost"}, "action": "reject", "reply": "5.7.5 Give your own name"},
        {"name": "busy", "when": {"recipient": "busy@example.test"}, "action": "defer", "code": 450},
        {"name": "blocked", "when": {"sender": [".bad.test", "@bad.test"]}, "not": {"recipient": "abuse@"}, "action": "reject", "reply": "Write to postmaster"},
    ) as daemon, Smtp(daemon.port) as client:
        client.cmd("EHLO localhost", "550 5.7.5 Give your own name")
        client.hello()
        client.cmd("MAIL FROM:<x@deep.bad.test>", 250)
        client.cmd("RCPT TO:<b@example.test>", "550 5.7.1 Write to postmaster")
        client.cmd("RCPT TO:<abuse@example.test>", 250)
        client.cmd("RCPT TO:<busy@example.test>", "450 4.7.1")
        assert client.data(b"Subject: a\r\n\r\nb\r\n").code == 250
        assert hop.wait(1)[0].recipients == ["abuse@example.test"]


def test_connections_are_refused_and_accepted_ones_spared():
    with Hop() as hop, guarded(
        hop,
        {"name": "friend", "when": {"client": "127.0.0.2"}, "action": "accept"},
        {"name": "foe", "when": {"client": "127.0.0.3"}, "action": "reject"},
        {"name": "all", "when": {"sender": "*"}, "action": "reject"},
    ) as daemon:
        with Smtp(daemon.port, source="127.0.0.3") as client:
            assert client.banner.text.startswith("554 5.7.1"), client.banner
        with Smtp(daemon.port, source="127.0.0.2") as client:
            client.hello()
            client.deliver(b"Subject: a\r\n\r\nb\r\n")
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@b.test>", "550 5.7.1")


def test_content_rules_refuse_hold_and_discard():
    with Hop() as hop, guarded(
        hop,
        {"name": "pills", "when": {"header": {"name": "Subject", "matches": "(?i)cheap.*pills"}}, "action": "reject"},
        {"name": "wait", "when": {"header": {"name": "X-Wait", "present": True}}, "action": "hold"},
        {"name": "drop", "when": {"size_over": "20KiB"}, "action": "discard"},
    ) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            client.envelope()
            assert client.data(b"Subject: CHEAP\r\n blue pills\r\n\r\nb\r\n").text.startswith("550 5.7.1")
            held = client.deliver(b"X-Wait: 1\r\n\r\nb\r\n")
            gone = client.deliver(b"Subject: large\r\n\r\n" + b"line of text\r\n" * 2000)
        daemon.wait_event("recipient.discarded", id=gone)
        assert "drop" in json.dumps(daemon.events("recipient.discarded", id=gone)), daemon.tail()
        assert [m["recipients"][0]["state"] for m in daemon.queue()] == ["held"], daemon.queue()
        daemon.cmd("queue", "release", held)
        assert hop.wait(1)[0].octets.count(b"X-Wait: 1") == 1


def test_tables_and_rules_that_change():
    with Hop() as hop, guarded(hop, start=False) as daemon:
        path = os.path.join(daemon.dir, "blocked")
        with open(path, "w", encoding="utf-8") as file:
            file.write("bad.test yes\nmaybe.test no\n")
        daemon.write("60-table-file.yaml", f"plugin: table-file\ninstance: blocked\nfile: {json.dumps(path)}\n")
        table = {"name": "listed", "when": {"table": {"name": "blocked", "key": "sender_domain", "equals": "yes"}}, "action": "reject"}
        daemon.write("10-access.yaml", rules(table))
        daemon.start()
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@BAD.test>", "550 5.7.1")
            client.cmd("MAIL FROM:<a@maybe.test>", 250)
        daemon.write("10-access.yaml", rules({"when": {"table": {"name": "nowhere", "key": "sender"}}, "action": "reject"}))
        assert daemon.run("reload").returncode != 0
        daemon.write("10-access.yaml", rules({"when": {"header": {"name": "A", "matches": "("}}, "action": "reject"}))
        done = daemon.run("reload")
        assert done.returncode != 0 and b"missing closing parenthesis" in done.stdout + done.stderr, done
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@bad.test>", "550 5.7.1")
        daemon.write("10-access.yaml", rules())
        daemon.cmd("reload")
        send_one(daemon.port, sender="a@bad.test")
        hop.wait(1)


run_tests(globals())
