#!/usr/bin/env python3
# Who may send where: roles of listeners, relay rules, postmaster, LMTP, submission, PROXY, XCLIENT, and open relays that must not start.
import re
import socket
import struct

from lib_veredus import *

MESSAGE = b"Subject: roles\r\n\r\nbody\r\n"
NEAR, FAR = "127.0.0.1", "127.0.0.2"  # in relay_networks, and not
CORE = {"relay_networks": ["127.0.0.1/32"], "relay_domains": ["example.test", ".deep.test"], "routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}],
        "limits": {"errors": 100000}}


def rcpt(client, address):
    client.cmd("MAIL FROM:<a@client.test>", 250)
    reply = client.cmd(f"RCPT TO:<{address}>")
    client.cmd("RSET", 250)
    return reply


def test_mx_relays_for_networks_and_accepts_domains():
    with Daemon(CORE) as daemon, Smtp(daemon.port, source=FAR) as far, Smtp(daemon.port, source=NEAR) as near:
        far.hello()
        near.hello()
        for address in ("b@example.test", "b@EXAMPLE.Test", "b@x.deep.test", "b@a.b.deep.test", "\"quo ted\"@example.test"):
            assert rcpt(far, address).code == 250, address
            assert rcpt(near, address).code == 250, address
        for address in ("b@elsewhere.test", "b@sub.example.test", "b@deep.test", "b@xdeep.test", "b@example.test.evil.test", "b@notexample.test",
                        "b@[192.0.2.1]", "b@[127.0.0.1]", "example.test@elsewhere.test", "\"b@example.test\"@elsewhere.test",
                        "b%example.test@elsewhere.test", "@example.test:b@elsewhere.test", "example.test!b@elsewhere.test"):
            reply = rcpt(far, address)
            assert reply.text.startswith("550 5.7.1") or reply.text.startswith("554 5.7.1"), (address, reply)
            assert rcpt(near, address).code == 250, address
        for address in ("elsewhere.test!b@example.test", "b%elsewhere.test@example.test", "\"b@elsewhere.test\"@example.test"):
            rcpt(far, address)  # taken or not, it goes to example.test
        daemon.wait_event("recipient.refused")


def test_trailing_dots_and_case_do_not_open_the_door():
    with Daemon(CORE) as daemon, Smtp(daemon.port, source=FAR) as far:
        far.hello()
        for address in ("b@elsewhere.test.", "b@example.test..", "b@.example.test", "b@example.test@elsewhere.test", "b@elsewhere.test,c@example.test",
                        "b@elsewhere.test>,<c@example.test", "b@elsewhere.test c@example.test", "b@elsewhere.test\0@example.test", "b\"@elsewhere.test\"@x@example.test"):
            assert rcpt(far, address).code in (500, 501, 550, 553, 554, 555), address


def test_postmaster_is_always_there():
    with Sink() as sink, Daemon({**CORE, "routes": routes_to(sink), "postmaster": "admin@office.test", "listeners": [{"role": "mx"}, {"role": "relay"}]}) as daemon:
        for port in (daemon.port_of("mx"), daemon.port_of("relay")):
            with Smtp(port, source=FAR) as far:
                far.hello()
                far.deliver(MESSAGE, sender="", recipients=["postmaster"])
                far.deliver(MESSAGE, recipients=["PostMaster"])
                assert rcpt(far, "postmaster@elsewhere.test").code in (550, 554)
                assert rcpt(far, "root").code in (501, 550, 553, 554)
        assert {r for a in sink.wait(4) for r in a.recipients} == {"admin@office.test"}
    with Sink() as sink, Daemon({**CORE, "routes": routes_to(sink)}) as daemon:
        send_one(daemon.port, recipients=["postmaster"])
        assert sink.wait(1)[0].recipients == ["postmaster@example.test"]
    with Sink() as sink, Daemon({**CORE, "relay_domains": [], "routes": routes_to(sink)}) as daemon:
        send_one(daemon.port, recipients=["postmaster"])
        assert sink.wait(1)[0].recipients == ["postmaster@mx.example.test"]


def test_defaults_relay_for_loopback_only():
    with Daemon({**CORE, "relay_networks": None, "relay_domains": None, "listeners": [{"role": "mx", "proxy": True}], "proxy_networks": ["127.0.0.0/8"]}) as daemon:
        for source, code in (("127.0.0.1", 250), ("127.5.5.5", 250), ("192.0.2.1", 550), ("10.0.0.1", 550)):
            with Smtp(daemon.port, banner=False) as client:
                client.send(f"PROXY TCP4 {source} 192.0.2.9 4711 25\r\n")
                client.expect(220)
                client.hello()
                assert rcpt(client, "b@elsewhere.test").code == code, source
        for source, code in (("::1", 250), ("2001:db8::1", 550), ("::ffff:127.0.0.1", 250), ("fe80::1", 550), ("::ffff:192.0.2.1", 550)):
            with Smtp(daemon.port, banner=False) as client:
                client.send(f"PROXY TCP6 {source} 2001:db8::9 4711 25\r\n")
                client.expect(220, source)
                client.hello()
                assert rcpt(client, "b@elsewhere.test").code == code, source


def test_role_relay_knows_relay_networks_only():
    with Daemon({**CORE, "listeners": [{"role": "relay"}]}) as daemon:
        with Smtp(daemon.port, source=FAR) as far:
            if far.banner.code == 220:
                far.hello()
                far.cmd("MAIL FROM:<a@client.test>", 250)
                far.cmd("RCPT TO:<b@example.test>", "550 5.7.1")
                far.cmd("RCPT TO:<b@elsewhere.test>", "550 5.7.1")
        with Smtp(daemon.port, source=NEAR) as near:
            near.hello()
            near.deliver(MESSAGE, recipients=["b@elsewhere.test", "b@example.test"])


def test_role_submission_wants_authentication():
    with Daemon({**CORE, "listeners": [{"role": "submission"}]}) as daemon:
        for source in (NEAR, FAR):
            with Smtp(daemon.port, source=source) as client:
                client.hello()
                client.cmd("MAIL FROM:<a@client.test>", "530 5.7.0")
                client.cmd("RCPT TO:<b@example.test>", 503)
                client.cmd("VRFY b@example.test")
                client.cmd("NOOP", 250)
                client.cmd("QUIT", 221)


def test_lmtp():
    with Sink() as sink, Daemon({**CORE, "routes": routes_to(sink), "listeners": [{"role": "lmtp"}, {"role": "mx"}]}) as daemon, Smtp(daemon.port) as client:
        assert client.banner.text.startswith("220 mx.example.test LMTP"), client.banner
        for verb in ("EHLO x", "HELO x"):
            client.cmd(verb, 500)
        client.cmd("MAIL FROM:<a@client.test>", 503)
        offered = client.cmd("LHLO x.test", 250).lines
        assert {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING"} <= set(offered), offered
        client.send("MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<bad\r\nRCPT TO:<c@elsewhere.test>\r\nRCPT TO:<b@example.test>\r\n")
        assert [r.code for r in client.replies(5)] == [250, 250, 501, 250, 250]
        client.cmd("DATA", 354)
        client.send(MESSAGE + b".\r\n")
        replies = client.replies(3)  # one for each RCPT that was accepted, also for the repeated one
        assert len({r.id for r in replies}) == 1
        client.envelope(recipients=["b@example.test", "c@example.test"])
        client.send(b"BDAT %d\r\n" % len(MESSAGE) + MESSAGE + b"BDAT 0 LAST\r\n")
        client.expect(250)
        assert len({r.id for r in client.replies(2)}) == 1
        client.envelope(recipients=["b@example.test", "c@example.test"])
        client.cmd("DATA", 354)
        client.send(b"bare\n\r\n.\r\n")
        assert [r.text[:9] for r in client.replies(2)] == ["550 5.6.0"] * 2
        client.cmd("MAIL FROM:<a@client.test>", 250)
        assert client.cmd("DATA").code == 503
        client.cmd("QUIT", 221)
        daemon.wait_empty()
        assert sum(len(a.recipients) for a in sink.arrivals()) == 4
        assert all(b"with LMTP id" in a.octets for a in sink.arrivals())
        with Smtp(daemon.port_of("mx")) as other:
            other.cmd("LHLO x.test", 500)


def test_lmtp_is_not_an_open_door():
    with Daemon({**CORE, "listeners": [{"role": "lmtp"}]}) as daemon, Smtp(daemon.port, source=FAR) as far:
        far.hello(verb="LHLO")
        assert rcpt(far, "b@example.test").code == 250
        assert rcpt(far, "b@elsewhere.test").text.startswith("550 5.7.1")


OPEN_RELAYS = [
    {"relay_networks": ["0.0.0.0/0"]}, {"relay_networks": ["::/0"]}, {"relay_networks": ["127.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1"]},
    {"relay_networks": ["0.0.0.0/4"]}, {"relay_networks": ["2000::/3"]}, {"relay_domains": ["*"]}, {"relay_domains": ["example.test", "*"]},
    {"xclient_networks": ["0.0.0.0/0"]}, {"proxy_networks": ["::/0"], "listeners": [{"role": "mx", "proxy": True}]},
]


def test_an_open_relay_does_not_start():
    for settings in OPEN_RELAYS:
        daemon = Daemon({**CORE, **settings}, start=False)
        try:
            checked = daemon.run("config", "check")
            assert checked.returncode == 78, (settings, checked)
            text = (checked.stdout + checked.stderr).decode()
            assert "open relay" in text and re.search(r"00-core\.yaml:\d+:\d+: ", text), text
            daemon.start(ready=False)
            assert daemon.process.wait(10) == 78, settings
        finally:
            daemon.clean()


def proxied(daemon, octets, source=NEAR):
    client = Smtp(daemon.port, source=source, banner=False)
    client.send(octets)
    return client


def proxy2(source, destination, port=4711, command=0x21, tail=b"", family=None):
    six = ":" in source
    kind = socket.AF_INET6 if six else socket.AF_INET
    body = socket.inet_pton(kind, source) + socket.inet_pton(kind, destination) + struct.pack("!HH", port, 25) + tail
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family or (0x21 if six else 0x11)]) + struct.pack("!H", len(body)) + body


PROXY = {**CORE, "listeners": [{"role": "mx", "proxy": True}], "proxy_networks": ["127.0.0.1/32"], "relay_networks": ["127.0.0.1/32", "192.0.2.0/24"]}


def test_proxy_headers():
    good = {b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 25\r\n": "203.0.113.7", b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 25\r\n": "2001:db8::7",
            proxy2("203.0.113.8", "192.0.2.1"): "203.0.113.8", proxy2("2001:db8::8", "2001:db8::1"): "2001:db8::8",
            proxy2("203.0.113.9", "192.0.2.1", tail=b"\x04\x00\x03abc\x02\x00\x04host"): "203.0.113.9",
            b"PROXY UNKNOWN\r\n": "127.0.0.1", b"PROXY UNKNOWN whatever it is\r\n": "127.0.0.1", proxy2("1.2.3.4", "5.6.7.8", command=0x20): "127.0.0.1"}
    with Daemon(PROXY) as daemon:
        for header, client_ip in good.items():
            with proxied(daemon, header) as client:
                client.expect(220, header)
                client.hello()
                denied = rcpt(client, "b@elsewhere.test").code == 550
                assert denied == (client_ip != "127.0.0.1"), header
                queue_id = client.deliver(MESSAGE)
                assert client_ip in daemon.wait_event("message.accepted", id=queue_id)["client"], header
                head = daemon.cmd("queue", "cat", queue_id).split("\r\n\r\n")[0]
                assert client_ip in head, head
        with proxied(daemon, proxy2("192.0.2.50", "192.0.2.1")) as client:
            client.expect(220)
            client.hello()
            assert rcpt(client, "b@elsewhere.test").code == 250, "relay_networks count for the client behind the proxy"
        header = proxy2("203.0.113.8", "192.0.2.1", tail=b"\x04\x00\x01x")
        for pieces in ([header[i : i + 1] for i in range(len(header))], [header[:13], header[13:]], [b"PROXY TCP4 203.0.1", b"13.7 192.0.2.1 4711 25\r", b"\n"]):
            client = Smtp(daemon.port, banner=False)
            client.send_in(pieces)
            client.expect(220)
            client.close()


def test_bad_proxy_headers():
    bad = [b"EHLO x.test\r\n", b"PROXY TCP4 203.0.113.7\r\n", b"PROXY TCP4 a b 1 2\r\n", b"PROXY TCP4 203.0.113.7 192.0.2.1 99999 25\r\n", b"PROXY TCP6 203.0.113.7 192.0.2.1 1 25\r\n",
           b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 25\n", b"PROXY TCP4 " + b"1" * 200 + b"\r\n", b"PROXY UDP4 203.0.113.7 192.0.2.1 4711 25\r\n", b"proxy tcp4 203.0.113.7 192.0.2.1 1 25\r\n",
           b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + b"\1" * 12, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04" + b"\1" * 4, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + b"\1" * 65535, b"\r\n\r\n\0\r\nQUIT\r\n", b"\0" * 300]
    with Daemon(PROXY) as daemon:
        for header in bad:
            with proxied(daemon, header) as client:
                client.socket.shutdown(socket.SHUT_WR)
                out = client.read_all()
                assert not out.startswith(b"220"), (header[:60], out)
        with proxied(daemon, b"PROXY TCP4 127.0.0.1 192.0.2.1 4711 25\r\n", source=FAR) as liar:
            assert not liar.read_all().startswith(b"220"), "a PROXY header from outside proxy_networks was believed"
        daemon.wait_event("session.proxy_failed")
    with Daemon(CORE) as daemon, Smtp(daemon.port, source=FAR) as client:  # no proxy: it is just a wrong command
        assert client.cmd("PROXY TCP4 127.0.0.1 192.0.2.1 4711 25").code in (500, 503)


def test_xclient():
    with Daemon({**CORE, "xclient_networks": ["127.0.0.1/32"]}) as daemon:
        with Smtp(daemon.port) as client:
            words = next(line for line in client.hello().lines if line.startswith("XCLIENT")).split()
            assert {"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN"} <= set(words), words
            assert client.cmd("XCLIENT").code == 501
            assert client.cmd("XCLIENT FOO=bar").code == 501
            assert client.cmd("XCLIENT ADDR=999.1.1.1").code == 501
            assert client.cmd("XCLIENT NAME=a+0D+0Ab ADDR=203.0.113.5").code == 501
            client.cmd("XCLIENT NAME=far.test ADDR=203.0.113.5 PORT=4711 HELO=said.test PROTO=ESMTP", "220 mx.example.test")
            client.hello("said.test")
            assert rcpt(client, "b@elsewhere.test").code == 550
            queue_id = client.deliver(MESSAGE)
            event = daemon.wait_event("message.accepted", id=queue_id)
            assert "203.0.113.5" in event["client"] and event["helo"] == "said.test", event
            assert "far.test [203.0.113.5]" in daemon.cmd("queue", "cat", queue_id).split("\r\n\r\n")[0]
            client.cmd("MAIL FROM:<a@client.test>", 250)
            client.cmd("XCLIENT ADDR=127.0.0.1", 503)
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("XCLIENT ADDR=IPV6:2001:db8::5 NAME=[UNAVAILABLE]", 220)
            client.hello()
            assert rcpt(client, "b@elsewhere.test").code == 550
            client.deliver(MESSAGE)
            client.send("XCLIENT NAME=x.test\r\nNOOP\r\n")  # commands sent behind it: refused or unsynchronised, never run as the new client
            replies = parse_replies(client.read_all())
            assert replies[0].code in (503, 550), replies
        with Smtp(daemon.port, source=FAR) as client:
            assert not any(line.startswith("XCLIENT") for line in client.hello().lines)
            assert client.cmd("XCLIENT ADDR=127.0.0.1").code in (500, 502, 503, 550)
            assert rcpt(client, "b@elsewhere.test").code == 550


def test_ipv6_and_several_listeners():
    six = f"[::1]:{free_port('::1')}"
    with Daemon({**CORE, "relay_networks": ["loopback"], "listeners": [{"role": "mx"}, {"address": six, "role": "mx"}, {"role": "relay"}]}) as daemon:
        with Smtp(int(six.rsplit(":", 1)[1]), host="::1") as client:
            client.hello()
            queue_id = client.deliver(MESSAGE, recipients=["b@elsewhere.test"])
            assert "[IPv6:::1]" in daemon.cmd("queue", "cat", queue_id).split("\r\n\r\n")[0]
            assert "::1" in daemon.wait_event("message.accepted", id=queue_id)["client"]
        assert send_one(daemon.port_of("relay"))


run_tests(globals())
