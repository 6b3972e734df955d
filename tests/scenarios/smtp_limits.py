#!/usr/bin/env python3
# Limits, time and rude clients: error and junk counts, recipients, connections, rates, time-outs, slow readers, clients that vanish.
import resource
import time

from lib_veredus import *

MESSAGE = b"Subject: limits\r\n\r\nbody\r\n"
UNREACHED = {"routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]}


def limits(**values):
    return {**UNREACHED, "limits": values}


def sessions(daemon):
    return daemon.cmd("status", json=True)[0]["sessions"]


def test_too_many_errors():
    with Daemon(UNREACHED) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            for _ in range(19):
                client.cmd("FOO", 500)
            client.send("FOO\r\nNOOP\r\nNOOP\r\n")
            codes = [reply.code for reply in parse_replies(client.read_all())]
            assert codes[-1] == 421 and 250 not in codes and len(codes) <= 2, codes
        daemon.wait_event("session.too_many_errors")
    with Daemon(limits(errors=3)) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for _ in range(2):
            client.envelope()
            client.cmd("RSET", 250)
            client.cmd("BAR", 500)
        client.send("MAIL FROM:<bad\r\nMAIL FROM:<a@client.test>\r\n")
        assert parse_replies(client.read_all())[-1].code == 421


def test_too_much_junk():
    with Daemon(limits(junk_commands=5)) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for _ in range(3):  # a message starts the count anew
            for word in ("NOOP", "RSET", "VRFY x", "HELP"):
                assert client.cmd(word).code < 300
            client.deliver(MESSAGE)
        client.send("NOOP\r\n" * 40)
        replies = parse_replies(client.read_all())
        assert 4 <= len(replies) < 40 and replies[-1].code == 421, replies


def test_recipients_of_a_transaction():
    with Sink() as sink, Daemon({**limits(recipients=5, errors=3), "routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<a@client.test>", 250)
        client.send("".join(f"RCPT TO:<r{i}@example.test>\r\n" for i in range(40)))
        replies = client.replies(40)
        assert [r.code for r in replies] == [250] * 5 + [452] * 35 and replies[5].enhanced == "4.5.3", replies[4:7]
        assert client.data(MESSAGE).id, "452 is no error: the connection goes on"
        got = [r for a in sink.wait(1) for r in a.recipients]
        assert sorted(got) == [f"r{i}@example.test" for i in range(5)], got


def test_the_default_of_recipients_is_1000():
    with Sink() as sink, Daemon({"routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<a@client.test>", 250)
        client.send("".join(f"RCPT TO:<r{i}@example.test>\r\n" for i in range(1001)))
        replies = client.replies(1001)
        assert [r.code for r in replies] == [250] * 1000 + [452]
        client.data(MESSAGE).id
        wait_until(lambda: sum(len(a.recipients) for a in sink.arrivals()) == 1000, 15, "1000 recipients at the sink")


def test_an_address_given_twice_gets_one_copy():
    with Sink() as sink, Daemon({"routes": routes_to(sink)}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.envelope(recipients=["b@example.test", "b@example.test", "b@EXAMPLE.test", "B@example.test", "c@example.test", "b@example.test"])
        client.data(MESSAGE).id
        daemon.wait_empty()
        got = sorted(r for a in sink.arrivals() for r in a.recipients)
        assert got in (["B@example.test", "b@example.test", "c@example.test"], ["b@example.test", "c@example.test"]), got
        accepted, finished, queued = daemon.balance()
        assert (accepted, finished, queued) == (len(got), len(got), 0)


def test_connections_of_one_client():
    core = {**limits(connections_per_client=3), "exempt_networks": ["127.0.0.9/32"]}
    with Daemon(core) as daemon:
        held = [Smtp(daemon.port) for _ in range(3)]
        with Smtp(daemon.port) as client:
            assert client.banner.code in (421, 450, 554) and client.closed()
        Smtp(daemon.port, source="127.0.0.2").close()
        exempt = [Smtp(daemon.port, source="127.0.0.9") for _ in range(8)]
        assert all(c.banner.code == 220 for c in exempt)
        held.pop().cmd("QUIT", 221)
        wait_until(lambda: Smtp(daemon.port).banner.code == 220, 5, "room again after QUIT")
        for client in held + exempt:
            client.close()
        daemon.wait_event("session.refused")


def test_fifty_connections_of_a_client_by_default_but_not_for_relay_networks():
    with Daemon({**UNREACHED, "relay_networks": ["127.0.0.1/32"], "exempt_networks": ["127.0.0.1/32"]}) as daemon:
        near = [Smtp(daemon.port) for _ in range(60)]
        far = [Smtp(daemon.port, source="127.0.0.2") for _ in range(51)]
        assert [c.banner.code for c in near] == [220] * 60
        assert [c.banner.code for c in far[:50]] == [220] * 50 and far[50].banner.code == 421, far[50].banner
        for client in near + far:
            client.close()


def test_connections_of_a_network_and_of_all():
    with Daemon({**limits(connections_per_network=4), "exempt_networks": []}) as daemon:
        held = [Smtp(daemon.port, source=f"127.0.0.{i}") for i in range(1, 5)]
        assert Smtp(daemon.port, source="127.0.0.7").banner.code in (421, 554)
        assert Smtp(daemon.port, source="127.0.1.7").banner.code == 220
        for client in held:
            client.close()
    with Daemon(limits(connections=4)) as daemon:
        held = [Smtp(daemon.port) for _ in range(4)]
        late = Smtp(daemon.port, banner=False)
        late.socket.settimeout(1)
        try:
            assert late.reply().code == 421
        except (TimeoutError, EOFError):
            pass  # waiting in the backlog, or closed, is as good
        for client in held:
            client.cmd("QUIT", 221)
            client.close()
        wait_until(lambda: Smtp(daemon.port).banner.code == 220, 5, "room again")


def test_rates():
    core = {**UNREACHED, "relay_networks": ["127.0.0.0/8"], "exempt_networks": ["127.0.0.9/32"]}
    with Daemon({**core, "limits": {"connection_rate": 5}}) as daemon:
        codes = []
        for _ in range(8):
            with Smtp(daemon.port) as client:
                codes.append(client.banner.code)
        assert codes[:5] == [220] * 5 and codes[-1] == 421, codes
        assert Smtp(daemon.port, source="127.0.0.9").banner.code == 220
    with Daemon({**core, "limits": {"message_rate": 3, "recipient_rate": 100}}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for _ in range(3):
            client.deliver(MESSAGE)
        assert client.cmd("MAIL FROM:<a@client.test>").code in (421, 450, 451, 452)
    with Daemon({**core, "limits": {"recipient_rate": 4}}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<a@client.test>", 250)
        codes = [client.cmd(f"RCPT TO:<r{i}@example.test>").code for i in range(6)]
        assert codes[:4] == [250] * 4 and codes[5] in (450, 451, 452), codes
        assert client.data(MESSAGE).id


def test_messages_and_octets_of_one_connection():
    with Daemon(limits(messages_per_connection=2)) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.deliver(MESSAGE)
        client.deliver(MESSAGE)
        assert client.cmd("MAIL FROM:<a@client.test>").code == 421 and client.closed()
        assert send_one(daemon.port)
    with Daemon(limits(bytes_per_connection="64KiB")) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.envelope()
        client.cmd("DATA", 354)
        try:
            client.send(b"x" * 1000000)
        except OSError:
            pass
        replies = client.read_all()
        assert replies[:3] in (b"421", b""), replies
        assert daemon.queue() == []


def test_a_ban_after_too_many_errors():
    with Daemon({**limits(errors=2, ban="10m"), "exempt_networks": []}) as daemon:
        with Smtp(daemon.port, source="127.0.0.2") as client:
            client.hello()
            client.send("FOO\r\nFOO\r\n")
            client.read_all()
        daemon.wait_event("session.banned")
        assert wait_until(lambda: Smtp(daemon.port, source="127.0.0.2").banner.code != 220, 5, "the ban")
        assert Smtp(daemon.port, source="127.0.0.3").banner.code == 220


def test_timeouts():
    with Daemon(limits(command_timeout="1s", data_timeout="1s")) as daemon:
        began = time.monotonic()
        idle = Smtp(daemon.port)
        half = Smtp(daemon.port)
        half.hello()
        half.send("MAIL FR")
        body = Smtp(daemon.port)
        body.hello()
        body.envelope()
        body.cmd("DATA", 354)
        body.send(b"Subject: x\r\n\r\nhalf")
        chunk = Smtp(daemon.port)
        chunk.hello()
        chunk.envelope()
        chunk.send(b"BDAT 1000 LAST\r\nhalf")
        for client in (idle, half, body, chunk):
            reply = client.reply()
            assert reply.text.startswith("421 4.4.2") and client.closed(), reply
        assert 0.8 < time.monotonic() - began < 8
        assert len(daemon.events("session.timeout")) == 4 and daemon.queue() == []
        drip = Smtp(daemon.port)
        began = time.monotonic()
        try:
            for octet in b"NOOP " + b"x" * 1000:
                drip.send(bytes([octet]))
                drip.socket.settimeout(0.1)
                try:
                    assert drip.reply().code == 421
                    break
                except TimeoutError:
                    pass
        except (EOFError, OSError):
            pass
        assert time.monotonic() - began < 10, "a command dripped in octet by octet keeps the connection for ever"


def test_a_client_that_never_reads():
    with Daemon({**limits(command_timeout="2s", junk_commands=1000000), "loops": 1}) as daemon:
        client = Smtp(daemon.port)
        client.hello()
        before = resident(daemon.worker_pid())
        client.socket.settimeout(1)
        sent = 0
        try:
            while sent < 256 << 20:
                sent += client.socket.send(b"NOOP\r\n" * 10000)
        except (TimeoutError, OSError):
            pass
        grown = resident(daemon.worker_pid()) - before
        assert grown < 16 << 20 or sanitized(), f"{grown >> 20} MiB for replies nobody reads"
        assert send_one(daemon.port), "others are served meanwhile"
        wait_until(lambda: sessions(daemon) == 0, 15, "the session ends in time")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


def test_clients_that_vanish_at_any_octet():
    dialogue = [b"EHLO c.test\r\n", b"MAIL FROM:<a@client.test> SIZE=100\r\n", b"RCPT TO:<b@example.test>\r\n", b"BDAT 30\r\n" + b"A: b\r\n\r\n" + b"x" * 20 + b"\r\n",
                b"RSET\r\n", b"MAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.test>\r\n", b"DATA\r\n", b"Subject: x\r\n\r\nhalf a message\r\n."]
    whole = sum(map(len, dialogue))
    with Daemon(UNREACHED) as daemon:
        for cut in range(whole + 1):
            client = Smtp(daemon.port)
            left = cut
            for part in dialogue:
                client.send(part[:left])
                if left < len(part):
                    break
                left -= len(part)
                if part in (dialogue[0], dialogue[6]):  # nothing may be sent before these replies
                    client.replies(1 if part == dialogue[0] else 7)
            (client.abort if cut % 2 else client.close)()
        wait_until(lambda: sessions(daemon) == 0, 10, "no session left")
        assert daemon.queue() == [] and daemon.balance() == (0, 0, 0)
        assert send_one(daemon.port)


def test_a_client_that_vanishes_after_the_dot_before_its_reply():
    with Sink() as sink, Daemon({"routes": routes_to(sink)}) as daemon:
        for i in range(50):
            client = Smtp(daemon.port)
            client.hello()
            client.envelope(sender=f"s{i}@client.test")
            client.cmd("DATA", 354)
            client.send(MESSAGE + b".\r\n")
            client.abort()
        wait_until(lambda: sessions(daemon) == 0, 10, "no session left")
        daemon.wait_empty()
        accepted = daemon.balance()[0]
        got = [a.sender for a in sink.arrivals()]
        assert len(got) == len(set(got)) == accepted, (len(got), accepted)  # stored or not, but told in one way only


def test_many_idle_connections():
    with Daemon({**limits(connections=3000), "exempt_networks": ["127.0.0.0/8"]}) as daemon:
        before = resident(daemon.worker_pid())
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(1000, (hard if soft < 1200 else soft) - 200)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 200), hard))
        held = [Smtp(daemon.port) for _ in range(wanted)]
        for client in held:
            client.hello()
        each = (resident(daemon.worker_pid()) - before) / wanted
        print(f"   {wanted} idle connections, {each / 1024:.1f} KiB each")
        assert each < 32 * 1024 or sanitized(), f"{each / 1024:.1f} KiB for an idle connection"
        assert send_one(daemon.port)
        for client in held:
            client.close()
        wait_until(lambda: sessions(daemon) == 0, 10, "no session left")


run_tests(globals())
