#!/usr/bin/env python3
# The plugin header in a real daemon: what arrives after fields were added, removed and rewritten; hostile values; bombs.
import json

from lib_veredus import *  # noqa: F401,F403


def rewritten(hop, *rules):
    return Daemon({"routes": routes_to(hop)}, files={"40-header.yaml": "plugin: header\nrules: " + json.dumps(rules) + "\n"})


def test_fields_are_added_removed_and_rewritten():
    with Hop() as hop, rewritten(
        hop,
        {"remove": ["X-Spam"], "remove_matching": [{"name": "X-Hop", "matches": "^10\\."}]},
        {"name": "mark", "when": {"header": {"name": "Subject", "contains": "hello"}}, "replace": [{"name": "Subject", "matches": "^(Re: )?", "with": "\\1[list] "}]},
        {"set": [{"name": "X-Once", "value": "{client} {sender}"}], "add": [{"name": "X-Top", "value": "{helo}", "position": "top"}, {"name": "X-Id", "value": "{id}"}]},
        {"add": [{"name": "X-Account", "value": "{account}"}]},
    ) as daemon:
        message = b"X-Spam: 1\r\nSubject: Re: hello\r\n there\r\nX-Hop: 10.1\r\nX-Once: a\r\nX-Hop: 192.1\r\nx-once: b\r\nx-spam: 2\r\n\r\nbody\r\n"
        queue_id = send_one(daemon.port, message=message)
        octets = hop.wait(1)[0].octets
        head, body = octets.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        assert body == b"body\r\n", octets
        assert lines[0] == "X-Top: client.test" or "X-Top: client.test" in lines, lines
        own = [line for line in lines if line.startswith(("X-", "x-", "Subject"))]
        assert own[1:] == ["Subject: Re: [list] hello there", "X-Once: 127.0.0.1 a@client.test", "X-Hop: 192.1", f"X-Id: {queue_id}"], own


def test_other_messages_keep_every_octet():
    with Hop() as hop, rewritten(hop, {"when": {"sender": "@other.test"}, "add": [{"name": "X-A", "value": "b"}]}) as daemon:
        message = b"Subject:  odd \r\n\t folded\r\nX:y\r\n\r\n.body\r\n"
        send_one(daemon.port, message=message)
        assert hop.wait(1)[0].octets.endswith(message)


def test_what_a_sender_wrote_begins_no_line():
    with Hop() as hop, rewritten(hop, {"add": [{"name": "X-Copy", "value": "<{header:X-Evil}>"}]}) as daemon:
        send_one(daemon.port, message=b"X-Evil: a\x01\x0b\r\n\tBcc: x@a.test\r\n\r\nbody\r\n")
        octets = hop.wait(1)[0].octets
        assert b"\r\nX-Copy: <a   Bcc: x@a.test>\r\n" in octets, octets


def test_an_expression_that_takes_too_long_defers_and_the_daemon_goes_on():
    with Hop() as hop, rewritten(hop, {"name": "bomb", "when": {"header": {"name": "Subject", "matches": "(a+)+[bc]"}}, "add": [{"name": "X-A", "value": "b"}]}) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            client.envelope()
            assert client.data(b"Subject: " + b"a" * 900 + b"!\r\n\r\nbody\r\n").text.startswith("451 4.3.0")
            client.deliver(b"Subject: abc\r\n\r\nbody\r\n")
        daemon.wait_event("header.undecided", rule="bomb")
        assert b"X-A: b" in hop.wait(1)[0].octets


run_tests(globals())
