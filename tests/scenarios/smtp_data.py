#!/usr/bin/env python3
# Message data as an attacker sends it: smuggling by every odd line end at every split, BDAT in every odd form, early talkers,
# NUL, sizes. Whatever is refused must leave nothing behind, and whatever is accepted must arrive as one message.
from lib_veredus import *

HEAD = b"Subject: data\r\n\r\n"
EVIL = b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\nsmuggled\r\n"
# Everything that some server has taken for the end of data, or that might be.
ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\n"[:4] + b".\r\n", b"\n\n.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
        b"\r\n.\r\r\n", b"\0\n.\n", b"\n..\r\n", b"\r\n.\rX\n", b"\x85.\x85", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n..\r\n", b"\r\n.x\r\n", b"\xe2\x80\xa8.\xe2\x80\xa8"]
PATIENT = {"limits": {"errors": 100000, "junk_commands": 1000000}, "relay_networks": ["127.0.0.1/32"], "loops": 1}


def is_defect(data):
    """Bare CR, bare LF or NUL."""
    rest = data.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest or b"\0" in rest


def unstuffed(data):
    out = data.replace(b"\r\n.", b"\r\n")
    return out[1:] if out.startswith(b".") else out


def offer(client, data, cuts=()):
    """A transaction by DATA in pieces; `data` is as it crosses the wire, without the end. One reply, then NOOP must be next."""
    client.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
    client.replies(2)
    client.expect(354)
    whole = data + b"\r\n.\r\n"
    at = [0, *[c for c in cuts if 0 < c < len(whole)], len(whole)]
    client.send_in([whole[a:b] for a, b in zip(at, at[1:])], 0.001 if cuts else 0)
    reply = client.reply()
    client.cmd("NOOP", "250 2.0.0")
    return reply


def check_offer(client, wanted, data, cuts=()):
    reply = offer(client, data, cuts)
    if is_defect(data):
        assert reply.text.startswith("550 5.6.0"), (data[-60:], cuts, reply)
    else:
        assert reply.id, (data[-60:], cuts)
        wanted.append(unstuffed(data + b"\r\n"))


def arrived(sink, wanted):
    got = sorted(a.without_trace for a in sink.wait(len(wanted), 30))
    assert got == sorted(wanted), f"{len(got)} arrived, {len(wanted)} sent; first difference {[(g, w) for g, w in zip(got, sorted(wanted)) if g != w][:1]}"
    assert not any(b"victim@" in " ".join(a.recipients).encode() for a in sink.arrivals())


def test_smuggling_by_data_at_every_split():
    wanted = []
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for end in ENDS:
            for tail in (EVIL, b""):
                check_offer(client, wanted, HEAD + b"abc" + end + tail)
            at = len(HEAD) + 3
            for cut in range(at - 1, at + len(end) + 2):
                check_offer(client, wanted, HEAD + b"abc" + end + EVIL, [cut])
            check_offer(client, wanted, HEAD + b"abc" + end + EVIL, range(at - 1, at + len(end) + 2))
        arrived(sink, wanted)


def test_smuggling_at_buffer_borders():
    wanted = []
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for size in (4096, 16384, 32768, 65536, 131072):
            for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n..\r\n"):
                for back in range(5):
                    head = HEAD + b"x" * (size - len(HEAD) - back)
                    check_offer(client, wanted, head + end + EVIL)
        arrived(sink, wanted)


def test_the_true_end_at_every_split():
    wanted = []
    body = HEAD + b"..stuffed\r\n.\x2e\r\nlast"
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for cut in range(len(body) + 5):
            check_offer(client, wanted, body, [cut])
        check_offer(client, wanted, body, range(len(body) + 5))
        for size in (65535, 65536, 65537):
            for back in range(6):
                check_offer(client, wanted, HEAD + b"x" * (size - len(HEAD) - back))
        arrived(sink, wanted)


def chunked(client, chunks, last=True):
    """BDAT with these chunks in one write; the replies."""
    out = b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\n"
    for number, chunk in enumerate(chunks):
        out += b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last and number == len(chunks) - 1 else b"") + chunk
    client.send(out)
    client.replies(2)
    return client.replies(len(chunks))


def test_smuggling_by_bdat_at_every_chunk_border():
    wanted = []
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for end in ENDS + [b"\r\n.\r\n", b"\r\n.\r\nQUIT\r\n", b"\r\n"]:
            message = HEAD + b"abc" + end + EVIL
            for cut in [0, *range(len(HEAD) + 2, len(HEAD) + 5 + len(end))]:
                replies = chunked(client, [message[:cut], message[cut:]])
                assert replies[0].text.startswith("250 2.0.0"), replies
                if is_defect(message):
                    assert replies[1].text.startswith("550 5.6.0"), (end, cut, replies)
                else:
                    assert replies[1].id
                    wanted.append(message)
                client.cmd("NOOP", 250)
        for message in (HEAD + b"abc\r", b"\n" + HEAD, HEAD + b"\0"):
            assert chunked(client, [message])[0].text.startswith("550 5.6.0"), message
        arrived(sink, wanted)


def test_bdat_forms():
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("BDAT 0 LAST", 503)
            client.send(b"BDAT 27\r\nMAIL FROM:<e@client.test>\r\nNOOP\r\n")
            client.expect(503)
            client.expect("250 2.0.0", "NOOP")
            client.envelope()
            client.send(b"BDAT %d\r\n" % len(HEAD) + HEAD)
            client.expect(250)
            for line in ("MAIL FROM:<a@client.test>", "RCPT TO:<b@example.test>", "DATA"):
                client.cmd(line, 503)
            client.cmd("NOOP", 250)
            client.cmd("VRFY x", 252)
            client.send(b"bdat 0\r\nBDAT 3\r\nabcBDAT 0 last\r\n")
            client.expect(250)
            client.expect(250)
            assert client.reply().id
            client.envelope()
            client.send(b"BDAT 4\r\nabc")
            client.send(b"dNOOP\r\n")
            client.replies(2)
            client.cmd("RSET", 250)
            client.cmd("BDAT 0 LAST", 503)
        for words in (b"", b"x", b"-1", b"+5", b"5 FIRST", b"5 LAST 6", b"0x10", b"99999999999999999999", b"1e3", b"5,5"):
            with Smtp(daemon.port) as client:
                client.hello()
                client.envelope()
                client.send(b"BDAT " + words + b"\r\nMAIL FROM:<evil@client.test>\r\nRCPT TO:<victim@example.test>\r\n")
                replies = parse_replies(client.read_all()) if words != b"99999999999999999999" else [client.reply()]
                assert replies[0].code in (501, 552, 503, 554) and all(r.code >= 400 for r in replies), (words, replies)
        assert [a.without_trace for a in sink.wait(1)] == [HEAD + b"abc"]


def test_a_failed_chunk_is_read_to_its_end_and_the_rest_refused():
    with Daemon({**PATIENT, "limits": {**PATIENT["limits"], "message_size": "10KiB"}, "routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]}) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            client.envelope()
            client.send(b"BDAT 9000\r\n" + HEAD + b"x" * (9000 - len(HEAD)))
            client.expect(250)
            evil = b"MAIL FROM:<evil@client.test>\r\n" * 100
            client.send(b"BDAT %d\r\n" % len(evil) + evil + b"NOOP\r\n")
            client.expect("552 5.3.4")
            client.expect("250 2.0.0", "NOOP")
            client.send(b"BDAT 5 LAST\r\nabcde")
            client.expect(503)
            client.cmd("DATA", 503)
            client.cmd("RSET", 250)
            assert client.deliver(HEAD, how="bdat")
            client.envelope()
            client.send(b"BDAT 20000 LAST\r\n" + b"y" * 20000)
            client.expect("552 5.3.4")
            assert client.deliver(HEAD, how="bdat")
        with Smtp(daemon.port) as client:
            client.hello()
            client.envelope()
            client.send(b"BDAT 4000000000 LAST\r\n")
            assert client.reply().code == 552 and client.closed()
        assert len(daemon.queue()) == 2


def test_many_tiny_chunks():
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        message = HEAD + b"tiny chunks\r\n" * 50
        replies = chunked(client, [message[i : i + 1] for i in range(len(message))])
        assert replies[-1].id and sink.wait(1)[0].without_trace == message
        replies = chunked(client, [b""] * 2000 + [HEAD])
        assert replies[-1].id
        count = 300000  # of one octet: refused at some number, or taken; never a crash, never out of step
        client.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\n" + b"BDAT %d\r\n" % len(HEAD) + HEAD)
        client.replies(3)
        for _ in range(count // 10000):
            client.send(b"BDAT 1\r\nx" * 10000)
            replies = client.replies(10000)
            if any(r.code >= 400 for r in replies):
                assert replies[-1].code in (503, 552), replies[-1]
                break
        client.cmd("RSET", 250)
        assert client.deliver(HEAD)


def test_early_talkers():
    with Daemon(PATIENT) as daemon:
        for source in ("127.0.0.1", "127.0.0.2"):
            # Behind EHLO, HELO and DATA nothing may be queued before their reply.
            for words in (b"EHLO x.test\r\nMAIL FROM:<a@client.test>\r\n", b"HELO x.test\r\nNOOP\r\n"):
                with Smtp(daemon.port, source=source) as client:
                    client.send(words)
                    replies = parse_replies(client.read_all())
                    assert [r.text[:9] for r in replies] == ["503 5.5.1"], (words, replies)
            with Smtp(daemon.port, source=source) as client:
                client.hello()
                client.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n" + HEAD + b".\r\n")
                replies = parse_replies(client.read_all())
                assert [r.code for r in replies] == [250, 250, 503], replies
        daemon.wait_event("session.early_talker")
        assert daemon.queue() == []


def test_early_before_the_banner():
    with Daemon({**PATIENT, "listeners": [{"role": "mx", "proxy": True}], "proxy_networks": ["127.0.0.0/8"]}) as daemon:
        with Smtp(daemon.port, banner=False) as client:  # behind a PROXY header the order is certain
            client.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\nEHLO x.test\r\n")
            replies = parse_replies(client.read_all())
            assert [r.text[:9] for r in replies] == ["503 5.5.1"], replies
        daemon.wait_event("session.early_talker")


def test_normalise_only_where_told_and_only_line_feeds():
    core = {**PATIENT, "bare_newlines": "normalise", "normalise_networks": ["127.0.0.1/32"], "relay_domains": ["example.test"]}
    with Sink() as sink, Daemon({**core, "routes": routes_to(sink)}) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            assert offer(client, b"Subject: s\n\nabc\n..x\ny\n.z").id
            assert offer(client, b"Subject: t\n\nabc\n.\n" + EVIL).id, "a bare LF ends no data"
            assert offer(client, b"Subject: u\n\nabc\n.\r\n" + EVIL).id
            assert offer(client, HEAD + b"a\rb").text.startswith("550 5.6.0")
            assert offer(client, HEAD + b"a\0b\n").text.startswith("550 5.6.0")
            assert chunked(client, [b"Subject: v\n\nabc\n.\n"])[-1].id
        with Smtp(daemon.port, source="127.0.0.2") as client:
            client.hello()
            assert offer(client, b"Subject: s\n\nabc").text.startswith("550 5.6.0")
        got = {a.without_trace.split(b"\r\n")[0]: a for a in sink.wait(4)}
        assert got[b"Subject: v"].without_trace == b"Subject: v\r\n\r\nabc\r\n.\r\n"
        for arrival in sink.arrivals():
            assert not is_defect(arrival.octets), arrival.octets
            assert arrival.recipients == ["b@example.test"]
        assert b"RCPT TO:<victim@" in got[b"Subject: t"].octets and b"RCPT TO:<victim@" in got[b"Subject: u"].octets


def test_size_limits():
    limit = 100 * 1024
    core = {**PATIENT, "limits": {**PATIENT["limits"], "message_size": limit, "header_size": "10KiB"}}
    with Sink() as sink, Daemon({**core, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        assert f"SIZE {limit}" in client.hello().lines
        exact = HEAD + b"x" * (limit - len(HEAD) - 2) + b"\r\n"
        for how in ("data", "bdat"):
            assert client.deliver(exact, how=how)
            client.envelope()
            reply = client.data(exact[:-2] + b"y\r\n") if how == "data" else client.bdat(exact[:-2] + b"y\r\n")
            assert reply.text.startswith("552 5.3.4"), reply
            client.envelope(mail_args=f"SIZE={limit}")
            wide = b"X: " + b"y" * 20000 + b"\r\n\r\nb\r\n"
            reply = client.data(wide) if how == "data" else client.bdat(wide)
            assert reply.code == 552, reply
        dotted = HEAD + b"." * 10 + b"\r\n" + b".\r\n" * ((limit - len(HEAD) - 12) // 3)
        assert len(dotted) <= limit and client.deliver(dotted), "stuffed dots count for nothing"
        sink.wait(3)


def test_endless_data_is_cut_off():
    core = {**PATIENT, "limits": {**PATIENT["limits"], "message_size": "64KiB"}}
    with Daemon(core) as daemon:
        for piece in (b"x" * 65536, b"x\n" * 32768, b"\0" * 65536, b"A: b\r\n" * 10000):
            with Smtp(daemon.port) as client:
                client.hello()
                client.envelope()
                client.cmd("DATA", 354)
                sent = 0
                try:
                    while sent < 64 << 20:
                        client.send(piece)
                        sent += len(piece)
                except OSError:
                    pass
                assert sent < 64 << 20, "64 MiB were read for a limit of 64 KiB"
        assert daemon.queue() == []


def test_loops_are_broken_by_received_fields():
    with Daemon({**PATIENT, "limits": {**PATIENT["limits"], "received_hops": 5}, "routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]}) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            hop = b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
            assert client.deliver(hop * 5 + HEAD)
            client.envelope()
            reply = client.data(hop * 5 + b"ReCeIvEd:\r\n x\r\n" + HEAD)
            assert reply.text.startswith("550 5.4.6") or reply.text.startswith("554 5.4.6"), reply
            assert client.deliver(HEAD + hop * 60, how="bdat"), "Received in a body is text"
        daemon.wait_event("message.loop")


run_tests(globals())
