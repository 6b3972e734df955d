#!/usr/bin/env python3
# Octet-exact round trips: what a client sent is what the next hop gets, below the Received field; by DATA and by BDAT on both sides.
import os
import random
import re

from lib_veredus import *

KIB = 1024
PATIENT = {"limits": {"errors": 100000, "junk_commands": 1000000}, "loops": 1, "outbound": {"idle": "2s"}}


def lines(size, seed=1):
    """Text of exactly that many octets in lines of varied length, dots and trailing blanks among them."""
    draw = random.Random(seed)
    out = bytearray()
    while len(out) < size:
        line = bytes(draw.choice(b"abc .=\t-") for _ in range(draw.randrange(0, 70)))
        out += (b"." + line if draw.random() < 0.2 else line) + b"\r\n"
    out = out[: size - 2].replace(b"\r\n", b"\0").replace(b"\r", b"x").replace(b"\n", b"x").replace(b"\0", b"\r\n") if size >= 2 else b"x" * size
    return bytes(out + b"\r\n")[:size] if size >= 2 else bytes(out)


MIME = (b"Return-Path: <kept@client.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_x\"\r\n\r\npreamble\r\n--=_x\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n--=_x\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"QUJD" * 19 + b"\r\n" + b"RA==\r\n--=_x--\r\nepilogue\r\n")

SMALL = {
    "ordinary": b"From: a@client.test\r\nTo: b@example.test\r\nBcc: hidden@example.test\r\nSubject: ordinary\r\n\r\nHello.\r\n",
    "dot lines": b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n. \r\n.\r\n\r\n.\r\n",
    "begins with a dot": b".\r\n..odd: header\r\n\r\n.x\r\n",
    "only a dot": b".\r\n",
    "empty line only": b"\r\n",
    "empty lines": b"\r\n\r\n\r\n\r\n",
    "only headers": b"Subject: no body\r\nX-A: b\r\n",
    "headers and empty line": b"Subject: empty body\r\n\r\n",
    "odd folds": b"Subject: a\r\n b\r\n\tc\r\n \r\n\t\t \r\nX-Empty:\r\nX-Space: \r\n  \r\nx-CASE : kept\r\nno colon at all\r\n continued\r\n: no name\r\n\r\nbody\r\n",
    "fold first": b" begins with a fold\r\nSubject: x\r\n\r\nbody\r\n",
    "many same headers": b"".join(b"Received: from h%d by x; Mon, 1 Jan 2024 00:00:00 +0000\r\n" % i for i in range(20)) + b"\r\nx\r\n",
    "8-bit": b"Subject: bits\r\n\r\n" + bytes(b for b in range(1, 256) if b not in (10, 13)) + b"\r\n",
    "8-bit headers": "Subject: gr\u00fc\u00df\u00e9\r\n\r\nx\r\n".encode(),
    "trailing blanks": b"Subject: blanks\r\n\r\na \r\nb\t\r\n \r\n\r\n\r\n",
    "mime": MIME,
    "from line": b"From someone Mon Jan  1 00:00:00 2024\r\nSubject: mbox\r\n\r\nFrom here\r\n>From there\r\n",
    "controls": b"Subject: c\r\n\r\n\x01\x02\x07\x08\x0b\x0c\x1a\x1b\x7f\r\n",
    "long line": b"Subject: long\r\n\r\n" + b"x" * 100000 + b"\r\nshort\r\n" + b"." * 100001 + b"\r\n",
    "long header line": b"Subject: " + b"y" * 50000 + b"\r\n " + b"z" * 50000 + b"\r\n\r\nb\r\n",
    "boundary": b"Subject: dot at the end\r\n\r\nbody\r\n.",
}
OPEN_ENDED = {"no final newline": b"Subject: open\r\n\r\nno newline", "header without newline": b"Subject: open", "empty": b"", "one octet": b"x", "ends with dot": b"a: b\r\n\r\n."}


def by_bdat_only(message):
    return not message.endswith(b"\r\n")


FIELD = re.compile(rb"Received: [^\r\n]+\r\n(?:[ \t][^\r\n]+\r\n)*")


def received(arrival, message, what):
    """One Received field, and then the message exactly. A next hop that is given DATA gets the CRLF that the end needs."""
    got = arrival.octets
    wanted = [message]
    if by_bdat_only(message) and arrival.how == "DATA":
        wanted.append(message + b"\r\n")
    if any(got.endswith(w) and FIELD.fullmatch(got[: len(got) - len(w)]) for w in wanted):
        return
    got = arrival.without_trace
    at = next((i for i, (a, b) in enumerate(zip(got, message)) if a != b), min(len(got), len(message)))
    raise AssertionError(f"{what}: {len(message)} octets sent, {len(got)} arrived ({arrival.how}); differ at {at}: {got[at - 20:at + 20]!r}, {message[at - 20:at + 20]!r}")


def round_trip(messages, sink_options=(), core=None, wanted_how=None):
    """Every message by DATA where that is possible and by BDAT in several chunkings; all must arrive exactly."""
    draw = random.Random(7)
    with Sink(*sink_options) as sink, Daemon({**PATIENT, **(core or {}), "routes": routes_to(sink)}) as daemon, Smtp(daemon.port, timeout=60) as client:
        client.hello()
        sent = {}
        for what, message in messages.items():
            ways = [("bdat", None), ("bdat", cuts(draw, message)), ("bdat", [0, len(message)])]
            if len(message) <= 300:
                ways.append(("bdat", [1] * len(message)))
            if not by_bdat_only(message):
                ways.append(("data", None))
            for how, chunks in ways:
                args = "BODY=8BITMIME" if any(b > 127 for b in message) else ""
                sent[client.deliver(message, how=how, chunks=chunks, mail_args=args)] = (what, how, message)
        for arrival in sink.wait(len(sent), 40):
            queue_id = re.search(r"\bid ([0-9A-Z]{13})", arrival.header)[1]
            what, how, message = sent.pop(queue_id)
            received(arrival, message, f"{what} by {how}")
            assert wanted_how in (None, arrival.how), (arrival.how, wanted_how)
        assert not sent, f"never arrived: {[(w, h) for w, h, _ in sent.values()]}"
        daemon.wait_empty()


def cuts(draw, message):
    """Sizes of chunks, with luck between CR and LF or before a dot."""
    if len(message) < 3:
        return None
    at = sorted({draw.randrange(1, len(message)) for _ in range(4)} | {message.find(b"\r\n", len(message) // 2) + 1 or 1})
    return [b - a for a, b in zip([0, *at], at)]


def test_small_messages_to_bdat():
    round_trip({**SMALL, **OPEN_ENDED}, wanted_how="BDAT")


def test_small_messages_to_data():
    round_trip({**SMALL, **OPEN_ENDED}, ["--no-chunking"], wanted_how="DATA")


def sized():
    out = {}
    head = b"Subject: sized\r\n\r\n"
    for border in (4 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB):
        for size in range(border - 2, border + 3):
            out[f"{size} octets"] = head + lines(size - len(head), size)
    return out


def test_sizes_around_borders():
    round_trip(sized())
    round_trip(sized(), ["--no-chunking"])


def test_sizes_around_the_border_between_log_and_file():
    head = b"Subject: inline\r\n\r\n"
    border = 8 * KIB
    messages = {f"{size} octets": head + lines(size - len(head), size) for size in range(border - 3, border + 4)}
    messages["dots at the border"] = head + b"x" * (border - len(head) - 3) + b"\r\n.\r\n..\r\n.\r\n"
    messages["long line over the border"] = head + b"y" * 40000 + b"\r\n"
    for options in ([], ["--no-chunking"]):
        round_trip(messages, options, {"spool_options": {"inline_size": border}})


def test_large_messages_have_a_file_of_their_own():
    head = b"Subject: large\r\n\r\n"
    block = lines(1 << 16, 3)
    large = head + block * 80 + b"last\r\n"
    for options in ([], ["--no-chunking"], ["--no-chunking", "--no-8bitmime", "--no-pipelining"]):
        with Sink(*options) as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port, timeout=60) as client:
            client.hello()
            client.deliver(large)
            client.deliver(large, how="bdat", chunks=[1000000, 65536, 1, 65535])
            client.deliver(large, how="bdat", mail_args=f"SIZE={len(large)}")
            for arrival in sink.wait(3, 40):
                received(arrival, large, "5 MiB")
            daemon.wait_empty()
            wait_until(lambda: not left_over(daemon.spool, len(large)), 5, "bodies of finished messages are still there")


def left_over(folder, size):
    """Files that can only be the body of a message of that size."""
    out = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            if os.path.exists(path) and size <= os.path.getsize(path) < size + 65536:
                out.append(path)
    return out


def test_memory_does_not_grow_with_the_message():
    with Sink() as sink, Daemon({**PATIENT, "limits": {"message_size": "200MiB"}, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port, timeout=60) as client:
        client.hello()
        client.deliver(b"Subject: warm\r\n\r\n" + b"x" * 200000 + b"\r\n")
        sink.wait(1)
        before = peak(daemon.worker_pid())
        client.envelope()
        client.cmd("DATA", 354)
        client.send(b"Subject: 100 MiB\r\n\r\n")
        block = lines(1 << 20, 5)
        for _ in range(100):
            client.send(stuffed(block))
        client.send(b".\r\n")
        assert client.reply().id
        sink.wait(2, 40)
        grown = peak(daemon.worker_pid()) - before
        assert grown < 48 << 20 or sanitized(), f"memory grew by {grown >> 20} MiB for a message of 100 MiB"


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024


def test_a_message_survives_a_restart_exactly():
    with Sink() as sink, Daemon({**PATIENT, "queue": {"retry": ["300ms"]}, "spool_options": {"inline_size": "8KiB"}, "routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]}) as daemon:
        sent = {}
        chosen = {k: SMALL[k] for k in ("dot lines", "odd folds", "8-bit", "long line", "only headers")} | OPEN_ENDED
        with Smtp(daemon.port) as client:
            client.hello()
            for message in chosen.values():
                sent[client.deliver(message, how="bdat", mail_args="BODY=8BITMIME")] = message
        for queue_id, message in sent.items():
            assert daemon.run("queue", "cat", queue_id).stdout.endswith(message), queue_id
        daemon.configure({"routes": routes_to(sink)})
        daemon.restart()
        for arrival in sink.wait(len(sent), 20):
            received(arrival, sent.pop(re.search(r"\bid ([0-9A-Z]{13})", arrival.header)[1]), "after a restart")


run_tests(globals())
