#!/usr/bin/env python3
# SMTP as a strict tester sees it: order of commands, EHLO, syntax, parameters, replies. Message data is smtp_data.py's, who may
# do what smtp_roles.py's, limits and time smtp_limits.py's.
import calendar
import itertools
import re
import time

from lib_veredus import *

MESSAGE = b"Subject: conformance\r\n\r\nbody\r\n"
UNREACHED = {"routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]}  # accepted mail stays in the queue
PATIENT = {**UNREACHED, "limits": {"errors": 100000, "junk_commands": 1000000}}


def test_banner_and_ehlo():
    with Daemon(UNREACHED) as daemon, Smtp(daemon.port) as client:
        assert re.match(r"220 mx\.example\.test ESMTP( |$)", client.banner.text), client.banner
        reply = client.hello()
        assert reply.lines[0].split(" ")[0] == "mx.example.test", reply
        offered = {line.split(" ")[0]: line.split(" ")[1:] for line in reply.lines[1:]}
        for word in ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"):
            assert offered.get(word) == [], (word, reply)
        assert offered["SIZE"] == [str(50 * 1024 * 1024)], reply
        for word in ("BINARYMIME", "STARTTLS", "AUTH", "XCLIENT", "ETRN"):
            assert word not in offered, reply
        for line in reply.lines[1:]:
            assert re.fullmatch(r"[A-Z0-9][A-Z0-9-]*( [!-~]+)*", line), f"RFC 5321 ehlo-line: {line!r}"
        assert client.cmd("HELO client.test", 250).text == "250 mx.example.test"


def test_helo_names():
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        for name in ("client.test", "[127.0.0.1]", "[IPv6:::1]", "single", "under_score.test", "a" * 255):
            client.hello(name)
        client.cmd("eHlO client.test", 250)
        for bad in ("", " ", "a b", "a" * 256, "a\tb", "b\x7fc", "b\u00fccher.test"):
            assert client.cmd(f"EHLO {bad}").code in (500, 501), bad
        client.cmd("EHLO", 501)
        client.cmd("HELO", 501)
        client.cmd("LHLO client.test", 500)


# The model of the server's state that a client may rely on. A state is one of fresh ready mail rcpt chunks failed.
def expected(state, command):
    """The reply's code and the state after it."""
    if command in ("EHLO x.test", "HELO x.test"):
        return 250, "ready"
    if command == "RSET":
        return 250, "fresh" if state == "fresh" else "ready"
    if command == "NOOP":
        return 250, state
    if command.startswith("MAIL"):
        return (250, "mail") if state == "ready" else (503, state)
    if command.startswith("RCPT"):
        return (250, "rcpt") if state in ("mail", "rcpt") else (503, state)
    if command == "DATA":
        return (250, "ready") if state == "rcpt" else (503, state)
    if state not in ("rcpt", "chunks"):
        return 503, state
    return 250, "ready" if command.endswith("LAST") else "chunks"


def play(client, state, command):
    code, after = expected(state, command)
    if command == "DATA" and code == 250:
        client.cmd("DATA", 354)
        client.send(MESSAGE + b".\r\n")
    elif command.startswith("BDAT"):
        client.send(f"{command}\r\n".encode() + MESSAGE[: int(command.split()[1])])
    else:
        client.send(command + "\r\n")
    reply = client.reply()
    assert reply.code == code, f"in state {state}, {command}: wanted {code}, got {reply}"
    return after


def test_every_order_of_commands():
    commands = ["EHLO x.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@example.test>", "DATA", "BDAT 10", "BDAT 10 LAST", "RSET", "NOOP"]
    with Daemon(PATIENT) as daemon:
        for words in itertools.product(commands, repeat=2):
            with Smtp(daemon.port) as client:
                state = "fresh"
                for command in words:
                    state = play(client, state, command)
        with Smtp(daemon.port) as client:
            client.hello()
            for words in itertools.product(commands, repeat=4):
                state = play(client, "ready", "RSET")
                for command in words:
                    state = play(client, state, command)


def test_a_transaction_is_over_after_data_rset_and_ehlo():
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.deliver(MESSAGE)
        client.cmd("RCPT TO:<b@example.test>", 503)
        client.cmd("DATA", 503)
        for ends in ("RSET", "EHLO client.test", "HELO client.test"):
            client.envelope()
            client.cmd(ends, 250)
            client.cmd("DATA", 503)
        client.envelope()
        client.cmd("MAIL FROM:<other@client.test>", 503)
        assert client.data(MESSAGE).id, "a refused MAIL leaves the transaction as it was"


def test_no_valid_recipients():
    with Daemon({**PATIENT, "relay_networks": []}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<a@client.test>", 250)
        client.cmd("RCPT TO:<b@elsewhere.test>", "550 5.7.1")
        assert client.cmd("DATA").code in (503, 554)
        client.cmd("RCPT TO:<b@example.test>", 250)
        client.cmd("RCPT TO:<c@elsewhere.test>", "550 5.7.1")
        queue_id = client.data(MESSAGE).id
        assert [r["address"] for r in daemon.queue(queue_id)[0]["recipients"]] == ["b@example.test"]


def test_acceptance_and_what_the_queue_shows():
    with Daemon(UNREACHED) as daemon:
        queue_id = send_one(daemon.port, sender="Some.One@client.test", recipients=["b@example.test", "C@elsewhere.test"])
        item = daemon.queue(queue_id)[0]
        assert item["id"] == queue_id and item["sender"] == "Some.One@client.test", item
        assert [r["address"] for r in item["recipients"]] == ["b@example.test", "C@elsewhere.test"], item
        event = daemon.wait_event("message.accepted", id=queue_id)
        assert event["recipients"] == 2 and event["sender"] == "Some.One@client.test", event
        ids = {send_one(daemon.port) for _ in range(50)} | {queue_id}
        assert len(ids) == 51, "ids repeat"


MAIL_GOOD = ["", "SIZE=100", "size=0", "BODY=8BITMIME", "BODY=7BIT", "body=8bitmime", "SMTPUTF8", "RET=FULL", "RET=hdrs", "ENVID=abc+2Bdef",
             "SIZE=52428800", "SIZE=5 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=x", "  SIZE=5   RET=HDRS"]
MAIL_BAD = {"SIZE": 501, "SIZE=": 501, "SIZE=abc": 501, "SIZE=-1": 501, "SIZE=1 SIZE=2": 501, "SIZE=52428801": 552, "SIZE=99999999999999999999": 552,
            "SIZE=" + "9" * 60: 501, "BODY=BINARYMIME": 5, "BODY=NINEBIT": 501, "BODY": 501, "SMTPUTF8=yes": 501, "RET=ALL": 501, "RET=": 501,
            "ENVID=": 501, "ENVID=a+0": 501, "ENVID=a+0Ab": 501, "ENVID=a+00b": 501, "ENVID=a=b": 501, "ENVID=" + "x" * 101: 501,
            "FOO": 555, "FOO=bar": 555, "AUTH=<>": 555, "NOTIFY=NEVER": 555, "=": 5, "RET=FULL RET=FULL": 501}
RCPT_GOOD = ["", "NOTIFY=NEVER", "NOTIFY=SUCCESS,FAILURE,DELAY", "notify=delay", "ORCPT=rfc822;b+2Bc@example.test", "NOTIFY=FAILURE ORCPT=rfc822;x"]
RCPT_BAD = {"NOTIFY": 501, "NOTIFY=": 501, "NOTIFY=NEVER,DELAY": 501, "NOTIFY=SOON": 501, "NOTIFY=DELAY,DELAY": 501, "NOTIFY=,": 501,
            "ORCPT=": 501, "ORCPT=rfc822": 501, "ORCPT=;x": 501, "ORCPT=rfc822;a+0D+0Ab": 501, "ORCPT=rfc822;a+00": 501,
            "ORCPT=rfc822;" + "x" * 501: 501, "SIZE=5": 555, "FOO=1": 555}


def test_parameters():
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for words in MAIL_GOOD:
            client.cmd(f"MAIL FROM:<a@client.test> {words}", "250 2.1.0")
            client.cmd("RSET", 250)
        for words, code in MAIL_BAD.items():
            client.cmd(f"MAIL FROM:<a@client.test> {words}", code)
            client.cmd("RCPT TO:<b@example.test>", 503)
        client.cmd("MAIL FROM:<a@client.test>", 250)
        for words in RCPT_GOOD:
            client.cmd(f"RCPT TO:<b@example.test> {words}", "250 2.1.5")
        for words, code in RCPT_BAD.items():
            client.cmd(f"RCPT TO:<b@example.test> {words}", code)


SENDERS_GOOD = ["<>", "<a@client.test>", "<\"quo ted\"@client.test>", "<\"a\\\"b>c\"@client.test>", "<a+tag!#$%&'*/=?^_`{|}~-@client.test>",
                "<a@[127.0.0.1]>", "<a@[IPv6:2001:db8::1]>", "<@one.test,@two.test:a@client.test>", "<a@xn--bcher-kva.test>", "<" + "l" * 64 + "@client.test>",
                "<a.b.c@a-b.c1.test>"]
SENDERS_BAD = ["", "a@client.test", "<a@client.test", "a@client.test>", "<a@>", "<@client.test>", "<a>", "<a b@client.test>", "<a@client..test>", "<a..b@client.test>",
               "<.a@client.test>", "<a.@client.test>", "<a@-client.test>", "<a@client-.test>", "<a@client.test>x", "<a@b@client.test>", "<a@[300.1.1.1]>",
               "<a@[IPv6:xyz]>", "<a@" + "x" * 64 + ".test>", "<a@" + "abcdefg." * 32 + "test>", "<" + "l" * 600 + "@client.test>",
               "<a(comment)@client.test>", "<a@b_c\x01.test>", "<\"open@client.test>", "<a\\@client.test>", "<@one.test a@client.test>", "<<a@client.test>>",
               "<a@client.test>,<b@client.test>", "<a;b@client.test>", "<$(id)@[client.test>", "<|/bin/sh@client.test>x"]


def test_addresses():
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for path in SENDERS_GOOD:
            client.cmd(f"MAIL FROM:{path}", 250)
            client.cmd("RSET", 250)
        for path in SENDERS_BAD:
            reply = client.cmd(f"MAIL FROM:{path}")
            assert reply.code in (500, 501, 553, 555), (path, reply)
        client.cmd("MAIL FROM:<>", 250)
        for path in SENDERS_GOOD[1:]:
            client.cmd(f"RCPT TO:{path}", 250)
        for path in SENDERS_BAD + ["<>"]:
            reply = client.cmd(f"RCPT TO:{path}")
            assert reply.code in (500, 501, 553, 555) or (path == "<a>" and reply.code == 550), (path, reply)
        client.cmd("RCPT", 501)
        client.cmd("rcpt to:<last@example.test>", 250)
        assert client.data(MESSAGE).id


def test_smtputf8():
    with Sink() as sink, Daemon({**PATIENT, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<j\u00f6rg@b\u00fccher.test>", "553 5.6.7")
        client.cmd("MAIL FROM:<a@client.test>", 250)
        client.cmd("RCPT TO:<\u7528\u6237@example.test>", "553 5.6.7")
        client.cmd("RSET", 250)
        client.cmd("MAIL FROM:<j\u00f6rg@b\u00fccher.test> SMTPUTF8", 250)
        for bad in (b"\xff@example.test", b"\xc3@example.test", b"\xed\xa0\x80@example.test", b"\xc0\xaf@example.test", b"\xf4\x90\x80\x80@example.test"):
            assert client.cmd(b"RCPT TO:<" + bad + b">").code in (500, 501, 553), bad
        client.cmd("RCPT TO:<\u7528\u6237@example.test>", 250)
        assert client.data("Subject: \u7528\r\n\r\nx\r\n".encode()).id
        client.deliver(MESSAGE, mail_args="SMTPUTF8")
        one, two = sorted(sink.wait(2), key=lambda a: len(a.sender.encode()), reverse=True)
        assert (one.sender, one.recipients) == ("j\u00f6rg@b\u00fccher.test", ["\u7528\u6237@example.test"]), (one.sender, one.recipients)
        assert "SMTPUTF8" in one.args.upper().split() and b"with UTF8SMTP" in one.octets, (one.args, one.header)
        assert "SMTPUTF8" not in two.args.upper().split(), "demanded although neither envelope nor header needs it"


def test_dsn_parameters_travel():
    with Sink() as sink, Daemon({**UNREACHED, "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.deliver(MESSAGE, mail_args="RET=HDRS ENVID=e+2B1", rcpt_args="NOTIFY=FAILURE,DELAY ORCPT=rfc822;o+3Dx@example.test")
        got = sink.wait(1)[0]
        assert set(got.args.upper().split()) >= {"RET=HDRS", "ENVID=E+2B1"}, got.args
        words = dict(word.split("=", 1) for word in got.recipient_args[0].split())
        assert set(words["NOTIFY"].upper().split(",")) == {"FAILURE", "DELAY"}, words
        assert words["ORCPT"] == "rfc822;o+3Dx@example.test", words


def test_vrfy_expn_help_noop():
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.cmd("NOOP", 250)
        client.cmd("HELP", 214)
        client.hello()
        client.cmd("NOOP with words", 250)
        client.cmd("VRFY someone@example.test", 252)
        client.cmd("VRFY", 501)
        assert client.cmd("EXPN list").code in (502, 550, 252)
        client.cmd("HELP MAIL", 214)
        client.cmd("RSET now", 501)
        client.cmd("QUIT now", 501)
        for word in ("TURN", "SEND", "SOML", "SAML", "ETRN x", "X", "STARTTLS", "AUTH PLAIN AAAA", "XCLIENT NAME=x", "XFORWARD NAME=x", "XEXCH50 1 2"):
            assert client.cmd(word).code in (500, 501, 502, 503, 504, 550), word
        reply = client.cmd("QUIT", "221 2.0.0")
        assert client.closed() and reply.code == 221


def test_enhanced_codes_everywhere():
    lines = ["NOOP", "RSET", "MAIL FROM:<a@client.test>", "RCPT TO:<b@example.test>", "RCPT TO:<bad", "MAIL FROM:<x@y.test>", "FOO", "VRFY x", "RSET", "DATA", "BDAT", ]
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for line in lines:
            reply = client.cmd(line)
            assert reply.enhanced and reply.enhanced[0] == reply.text[0], f"{line}: {reply}"


def test_raw_input_is_never_echoed():
    mark = b"xYzZy"
    lines = [b"EHLO %s .test", b"%s", b"FOO %s", b"MAIL FROM:<%s", b"MAIL FROM:<%s@client.test> FOO=%s", b"RCPT TO:<%s@elsewhere.test>", b"VRFY %s", b"EXPN %s",
             b"HELP %s", b"NOOP %s", b"MAIL FROM:<a@client.test>", b"RCPT TO:<%s@elsewhere.test>", b"RCPT TO:<%s\x1b[2J@elsewhere.test>",
             b"RCPT TO:<%s\xff@elsewhere.test>", b"RCPT TO:<%s\0@elsewhere.test>", b"BDAT 0 %s"]
    with Daemon({**PATIENT, "relay_networks": []}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for line in lines:
            reply = client.cmd(line.replace(b"%s", mark))
            assert mark not in reply.raw and mark.lower() not in reply.raw.lower(), reply


def test_lines_have_a_limit_and_an_end():
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("NOOP " + "x" * (2048 - 7), 250)
        for length in (2049, 2050, 4096, 60000):
            client.cmd("NOOP " + "x" * (length - 7), "500 5.5.2")
        client.send("NOOP\n")
        client.expect("500 5.5.2", "bare LF")
        for line in (b"NOOP \0", b"NOOP \x01", b"NO\tOP", b"NOOP a\rb", b"\xe4\xf6\xfc x", b"NOOP \xff", b"NOOP \x7f"):
            if not line[:1].isalpha():
                continue
            client.cmd(line, 500)
        client.cmd("", 500)
        client.cmd("NOOP", 250)
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        try:
            for _ in range(2000):
                client.send(b"x" * 65536)
        except OSError:
            pass
        daemon.wait_event("command.refused")
        assert send_one(daemon.port)


def test_not_smtp_is_shown_the_door():
    client_hello = bytes.fromhex("16030100c8010000c40303") + b"\x07" * 190
    with Daemon(PATIENT) as daemon:
        for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT mx.example.test:25 HTTP/1.1\r\n\r\n", b"PUT /x HTTP/1.0\r\n",
                      b"POST / HTTP/1.1\r\nContent-Length: 70\r\n\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\n",
                      b"{\"json\": 1}\r\n", b"\0\0\0\0\r\n", client_hello, b"\xff\xfb\x01\r\n", b" NOOP\r\n"):
            with Smtp(daemon.port) as client:
                client.send(words)
                replies = parse_replies(client.read_all())
                assert len(replies) == 1 and replies[0].code in (421, 500, 501, 502, 503, 521, 554), (words, replies)


def test_pipelining_whole_and_at_every_split():
    group = (b"MAIL FROM:<a@client.test> SIZE=30\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<nobody@\r\nRCPT TO:<c@example.test>\r\nNOOP\r\n"
             b"BDAT 6\r\nA: b\r\nBDAT 5 LAST\r\n\r\nx\r\nVRFY x\r\nRSET\r\n")
    codes = [250, 250, 501, 250, 250, 250, 250, 252, 250]
    with Daemon(PATIENT) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for cut in range(len(group)):
            client.send_in([group[:cut], group[cut:]], 0.001)
            got = [reply.code for reply in client.replies(len(codes))]
            assert got == codes, f"cut at {cut} {group[:cut][-20:]!r}: {got}"
        client.send_in([group[i : i + 1] for i in range(len(group))], 0)
        assert [reply.code for reply in client.replies(len(codes))] == codes
        count = 300
        client.send(group * count)
        assert [reply.code for reply in client.replies(len(codes) * count)] == codes * count
        client.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
        client.replies(2)
        client.expect(354)
        client.send(MESSAGE + b".\r\nMAIL FROM:<a@client.test>\r\nRSET\r\nQUIT\r\n")
        assert [reply.code for reply in client.replies(4)] == [250, 250, 250, 221] and client.closed()


def test_received_field():
    with Sink() as sink, Daemon({**UNREACHED, "routes": routes_to(sink)}) as daemon:
        began = int(time.time())
        with Smtp(daemon.port) as client:
            client.hello("what(ever);\\x")
            first = client.deliver(MESSAGE)
            client.cmd("HELO plain.test", 250)
            second = client.deliver(MESSAGE, recipients=["b@example.test", "c@example.test"])
        one, two = sorted(sink.wait(2), key=lambda a: len(a.recipients))
        text = one.octets[: one.octets.index(MESSAGE)].decode("ascii")
        assert text.count("Received:") == 1 and all(len(line) <= 998 for line in text.split("\r\n")), text
        flat = re.sub(r"\s+", " ", text)
        found = re.fullmatch(r"Received: from (\S+) \((?:\S+ )?\[127\.0\.0\.1\]\) by mx\.example\.test with ESMTP id (\S+) for <b@example\.test>; (.*) ", flat)
        assert found and found[2] == first, flat
        assert not re.search(r"[();\\]", found[1]), "the name from EHLO breaks out of its place"
        when = time.strptime(found[3][:-6], "%a, %d %b %Y %H:%M:%S")
        offset = int(found[3][-5:-2]) * 3600
        assert began - 2 <= calendar.timegm(when) - offset <= time.time() + 2, found[3]
        flat = re.sub(r"\s+", " ", two.octets[: two.octets.index(MESSAGE)].decode("ascii"))
        assert f"with SMTP id {second};" in flat and "for <" not in flat, flat


run_tests(globals())
