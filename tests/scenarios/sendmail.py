#!/usr/bin/env python3
# sendmail(1) with a daemon that runs: what callers hand in is what arrives, who it was is recorded, and exit codes tell the truth.
import os
import pwd
import re
import signal
import subprocess
import time

from lib_hop import Hop
from lib_sendmail import *  # noqa: F401,F403
from lib_sendmail import Host, ORDINARY


GONE = "plugin: access\nrules:\n  - { name: gone, when: { recipient: [gone@far.test] }, action: reject, reply: 5.1.1 No such user, code: 550 }\n"


def login():
    return pwd.getpwuid(os.getuid()).pw_name


def arrived(sink, count=1):
    return sink.wait(count)


def header_of(message):
    return message.header.replace("\r\n\t", " ").split("\r\n")


def test_a_message_for_arguments():
    with Sink() as sink, Host(sink) as host:
        host.sendmail("root", "Bob <bob@far.test>, eve@far.test", stdin="Subject: hi\n\nbody\n", cwd=host.dir)
        message = arrived(sink)[0]
        assert sorted(message.recipients) == ["bob@far.test", "eve@far.test", "root@host.test"], message.recipients
        assert message.sender == f"{login()}@host.test"
        lines = header_of(message)
        assert any(line.startswith(f"Received: from {login()} (uid {os.getuid()}) by mx.example.test with local id ") for line in lines), lines
        for field in ("Date: ", "Message-ID: <", "From: "):
            assert sum(line.startswith(field) for line in lines) == 1, (field, lines)
        assert message.octets.endswith(b"\r\n\r\nbody\r\n")
        event = host.wait_event("submission.local")
        assert event["uid"] == os.getuid() and event["user"] == login() and event["pid"] > 1, event
        assert event["cwd"] == host.dir and "cgroup" in event and "python" in event["script"], event


def test_recipients_from_the_header():
    with Sink() as sink, Host(sink) as host:
        text = "To: a@far.test\nCc: B <b@far.test>,\n c@far.test\nBcc: d@far.test\nSubject: x\n\nbody\n"
        host.sendmail("-t", stdin=text)
        message = arrived(sink)[0]
        assert sorted(message.recipients) == [f"{x}@far.test" for x in "abcd"]
        assert b"Bcc" not in message.octets and b"d@far.test" not in message.octets.split(b"\r\n\r\n")[0].replace(b"for <", b"")
        host.sendmail("-ti", "e@far.test", stdin="Resent-To: r@far.test\nResent-Bcc: s@far.test\n" + text)
        assert sorted(arrived(sink, 2)[1].recipients) == ["e@far.test", "r@far.test", "s@far.test"]
        host.sendmail("-t", stdin="Subject: nobody\n\nx\n", code=64)
        host.sendmail("-t", stdin="To: <<<\n\nx\n", code=65)
        host.sendmail(stdin="x", code=64)
        host.sendmail("-Z", "a@far.test", stdin="x", code=64)
        host.sendmail("--", "-dash@far.test", stdin="x\n")
        assert arrived(sink, 3)[2].recipients == ["-dash@far.test"]


def test_exims_way_with_arguments():
    with Sink() as sink, Host(sink, submission={"subtract_arguments": True}) as host:
        host.sendmail("-t", "b@far.test", stdin="To: a@far.test, b@far.test\n\nx\n")
        assert arrived(sink)[0].recipients == ["a@far.test"]


def test_lines_and_dots():
    with Sink() as sink, Host(sink) as host:
        host.sendmail("-i", "a@far.test", stdin=b"From x Sat\n>From y Sat\nSubject: x\r\r\n\r\none\n.\n..\rtwo\nlast")
        assert arrived(sink)[0].octets.endswith(b"\r\n\r\none\r\n.\r\n.. two\r\nlast\r\n"), arrived(sink)[0].octets
        assert b"From x" not in arrived(sink)[0].octets
        host.sendmail("a@far.test", stdin=b"one\n..\n.\nnever\n")
        assert arrived(sink, 2)[1].octets.endswith(b"\r\n\r\none\r\n..\r\n"), arrived(sink, 2)[1].octets
        host.sendmail("-oi", "a@far.test", stdin=b"a\0b", code=65)
        host.sendmail("a@far.test", stdin=b"")
        assert len(arrived(sink, 3)) == 3


def test_senders_and_names():
    with Sink() as sink, Host(sink) as host:
        cases = [(("-f", "x@y.test"), "x@y.test"), (("-fx@y.test",), "x@y.test"), (("-r", "N <x@y.test>"), "x@y.test"), (("-f", ""), ""), (("-f<>",), ""),
                 (("-f", "cron"), "cron@host.test")]
        for number, (words, sender) in enumerate(cases, 1):
            host.sendmail(*words, "-FCronDaemon", "a@far.test", stdin="Subject: x\n\nx\n")
            message = arrived(sink, number)[number - 1]
            assert message.sender == sender, (words, message.sender)
            assert any(line.startswith("From: CronDaemon <") for line in header_of(message)), header_of(message)
        host.sendmail("-f", "<<", "a@far.test", stdin="x\n", code=65)
        host.sendmail("-G", "a@far.test", stdin="Subject: x\nBcc: hidden@far.test\n\nx\n")
        message = arrived(sink, len(cases) + 1)[len(cases)]
        assert not re.search(r"(?m)^(From|Date|Message-ID|Bcc):", message.header), message.header


def test_reports_are_asked_for():
    with Hop(ehlo=["DSN", "8BITMIME", "PIPELINING"]) as hop, Host(hop) as host:
        host.sendmail("-N", "success,delay", "-R", "hdrs", "-V", "id+2B1", "-B8BITMIME", "a@far.test", stdin="Subject: x\n\nx\n")
        hop.wait(1)
        mail = next(line for line in hop.commands if line.upper().startswith("MAIL"))
        rcpt = next(line for line in hop.commands if line.upper().startswith("RCPT"))
        assert "RET=HDRS" in mail and "ENVID=id+2B1" in mail and "NOTIFY=SUCCESS,DELAY" in rcpt, (mail, rcpt)
        done = host.sendmail("-N", "sometimes", "-R", "half", "-V", "x" * 101, "a@far.test", stdin="x\n")
        assert done.stderr.count(b"warning") == 3
        host.sendmail("-B", "9BIT", "a@far.test", stdin="x\n", code=64)


def test_hostile_process():
    with Sink() as sink, Host(sink) as host:
        shell = f"exec {host.bin}/sendmail a@far.test "
        for number, how in enumerate(("1>&- 2>&-", "2>&-"), 1):
            subprocess.run(["/bin/sh", "-c", shell + how], input=b"Subject: x\n\nx\n", env=host.little, check=True, timeout=30)
            arrived(sink, number)
        done = subprocess.run(["/bin/sh", "-c", shell + "<&- >&- 2>&-"], env=host.little, check=False, timeout=30)
        assert done.returncode == 0
        gone = os.path.join(host.dir, "gone")
        os.mkdir(gone)
        subprocess.run(["/bin/sh", "-c", f"rmdir {gone}; trap '' PIPE CHLD; {host.bin}/sendmail a@far.test"], input=b"x\n", env=host.little, cwd=gone, check=True,
                       timeout=30)
        arrived(sink, 4)
        done = host.sendmail("a@far.test", stdin="x\n", env={"VEREDUS_CONF": host.conf})
        arrived(sink, 5)
        for value in ("a\nBcc: evil@far.test", "a\rb", "a\x01", "\xff\xfe"):
            done = host.sendmail("-F", value, "a@far.test", stdin="Subject: x\n\nx\n", code=None)
            assert done.returncode == 0, done.stderr
        for message in arrived(sink, 9):
            assert b"evil" not in message.octets or b"\nBcc" not in message.octets
        for bad in ("a@far.test\nRCPT TO:<evil@far.test>", "a@b\rc", "a b", "<", "a@b\x7f.test"):
            host.sendmail("--", bad, stdin="x\n", code=65)


def test_refused_recipients_are_reported_to_the_sender():
    files = {"50-access.yaml": GONE}
    with Sink() as sink, Host(sink, files=files) as host:
        host.sendmail("-f", "me@far.test", "a@far.test", "gone@far.test", stdin="Subject: x\n\nx\n")
        messages = arrived(sink, 2)
        report = next(m for m in messages if m.sender == "")
        assert report.recipients == ["me@far.test"] and b"No such user" in report.octets and b"gone@far.test" in report.octets
        assert [m.recipients for m in messages if m.sender] == [["a@far.test"]]
        done = host.sendmail("-oep", "a@far.test", "gone@far.test", stdin="x\n")
        assert b"gone@far.test" in done.stderr
        host.sendmail("-oep", "gone@far.test", stdin="x\n", code=69)


def test_smtp_on_a_pipe():
    with Sink() as sink, Host(sink) as host:
        talk = "EHLO me\nMAIL FROM:<ann>\nRCPT TO:<a@far.test>\nDATA\nSubject: x\n\none\n..two\n.\nQUIT\n"
        for number, octets in enumerate((talk, talk.replace("\n", "\r\n")), 1):
            done = host.sendmail("-bs", stdin=octets)
            codes = [line[:3] for line in done.stdout.split(b"\r\n") if line[3:4] == b" "]
            assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"], done.stdout
            assert arrived(sink, number)[number - 1].octets.endswith(b"\r\n\r\none\r\n.two\r\n")
        events = host.events("submission.local")
        assert len(events) == 2 and events[0]["uid"] == os.getuid()


def test_verify():
    files = {"50-access.yaml": GONE + "  - { name: later, when: { recipient: [later@far.test] }, action: defer }\n"}
    with Host(files=files) as host:
        assert b"a@far.test ... deliverable" in host.sendmail("-bv", "a@far.test").stdout
        assert b"undeliverable" in host.sendmail("-bv", "a@far.test", "gone@far.test", code=67).stdout
        host.sendmail("-bv", "later@far.test", code=75)
        host.sendmail("-bv", code=64)
        assert not host.queue()


def test_the_queue():
    with Host(queue={"retry": ["1h"]}) as host:
        assert host.call("mailq").stdout == b"Mail queue is empty\n"
        host.sendmail("-f", "me@host.test", "a@far.test", "b@far.test", stdin="Subject: x\n\nx\n")
        wait_until(lambda: host.queue()[0]["recipients"][0]["attempts"], 10, "an attempt")
        for words in (("mailq",), ("sendmail", "-bp"), ("sendmail", "-b", "p")):
            lines = host.call(*words, user=ORDINARY if is_root() else None).stdout.decode().splitlines()
            assert lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------", lines
            assert re.fullmatch(r"[0-9A-Z]{13}[*! ]? +\d+ +\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d me@host.test", lines[1]), lines[1]
            assert lines[2].lstrip().startswith("(") and lines[2].endswith(")"), lines
            assert {line.strip() for line in lines[3:] if "@" in line and not line.lstrip().startswith("(")} == {"a@far.test", "b@far.test"}, lines
            assert re.fullmatch(r"-- \d+ Kbytes in 1 Request\.", lines[-1]) and lines[-2] == "", lines
        assert len(json.loads(host.call("mailq", "--json").stdout)["recipients"]) == 2
        shown = host.cmd("queue", "show", host.queue()[0]["id"])
        assert f"came from   this host, user {login()} (uid {os.getuid()})\n" in shown, shown
        assert host.events("message.accepted", client=f"local uid {os.getuid()}", helo=login()), host.tail()
        before = host.queue()[0]["recipients"][0]["attempts"]
        host.sendmail("-q")
        wait_until(lambda: host.queue()[0]["recipients"][0]["attempts"] > before, 10, "another attempt")
        for words in (("-q15m",), ("-qp",), ("-qI", host.queue()[0]["id"]), ("-qRfar.test",), ("-qSme@host.test",), ("-bh",), ("-bV",)):
            host.sendmail(*words)
        host.call("runq")
        host.call("newaliases")
        host.sendmail("-bi")
        assert b"already" in host.sendmail("-bd").stdout
        if is_root():
            host.sendmail("-q", user=ORDINARY, code=77)
        host.stop()
        assert b"a@far.test" in host.call("mailq").stdout  # who may read the spool does not need the daemon
        if is_root():
            host.call("mailq", user=ORDINARY, code=69)
        assert host.sendmail("-bs", stdin="QUIT\n", code=69).stdout.startswith(b"421 ")
        host.sendmail("-bv", "a@far.test", code=69)
        host.start()
        host.cmd("queue", "delete", "--older", "0s")
    host = Host(start=False)
    try:
        host.call("newaliases")
        host.sendmail("-q", code=69)
    finally:
        host.clean()


def test_queue_only_waits_for_the_flush():
    with Sink() as sink, Host(sink, queue={"retry": ["1h"]}) as host:
        host.sendmail("-odq", "later@far.test", stdin="Subject: x\n\nx\n")
        host.sendmail("-odi", "now@far.test", stdin="Subject: x\n\nx\n")
        assert arrived(sink)[0].recipients == ["now@far.test"]
        waiting = host.queue()[0]["recipients"][0]
        assert waiting["address"] == "later@far.test" and waiting["attempts"] == 0, waiting
        host.sendmail("-q")
        assert arrived(sink, 2)[1].recipients == ["later@far.test"]


def test_senders_that_are_given_to_somebody():
    if not is_root():
        raise Skip("needs root")
    with Sink() as sink, Host(sink, auth={"senders": [{"match": "boss@host.test", "accounts": ["boss"]}, {"match": "team@host.test", "accounts": [ORDINARY]}]}) as host:
        host.sendmail("-f", "boss@host.test", "-oep", "a@far.test", stdin="x\n", user=ORDINARY, code=77)
        host.sendmail("-f", "team@host.test", "a@far.test", stdin="x\n", user=ORDINARY)
        host.sendmail("-f", "boss@host.test", "a@far.test", stdin="x\n")
        assert [message.sender for message in arrived(sink, 2)] == ["team@host.test", "boss@host.test"]


def test_uucp():
    with Sink() as sink, Host(sink) as host:
        host.call("rmail", "a@far.test", stdin="From ann Sat Nov 28 10:42:44 2026 remote from far.test\nSubject: x\n\n.\nx\n")
        message = arrived(sink)[0]
        assert message.sender == "ann@far.test" and message.octets.endswith(b"\r\n\r\n.\r\nx\r\n"), message.octets
        host.call("rmail", "-i", "-f", "b@far.test", "--", "a@far.test", stdin="Subject: x\n\nx\n")
        assert arrived(sink, 2)[1].sender == "b@far.test"


def test_other_users():
    if not is_root():
        raise Skip("needs root")
    with Sink() as sink, Host(sink) as host:
        host.sendmail("a@far.test", stdin="x\n", user=ORDINARY)
        entry = pwd.getpwnam(ORDINARY)
        message = arrived(sink)[0]
        assert message.sender == f"{ORDINARY}@host.test" and f"(uid {entry.pw_uid})" in message.header
        assert host.wait_event("submission.local")["uid"] == entry.pw_uid


def test_a_signal_before_the_end_leaves_nothing():
    with Sink() as sink, Host(sink) as host:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process = subprocess.Popen([os.path.join(host.bin, "sendmail"), "a@far.test"], stdin=subprocess.PIPE, env=host.little)
            process.stdin.write(b"Subject: x\n\nx\n")
            process.stdin.flush()
            wait_until(lambda: os.path.exists(f"/proc/{process.pid}/fd/2"), 5, "the process")
            time.sleep(0)
            process.send_signal(number)
            assert process.wait(10) != 0
            process.stdin.close()
        assert not host.events("message.accepted") and host.dropped()["new"] == [] and sink.count() == 0


def test_everybody_can_reach_the_socket_whatever_the_umask():
    if not is_root():
        raise Skip("needs root")
    before = os.umask(0o077)
    try:
        with Sink() as sink, Host(sink) as host:
            os.umask(before)
            for path in (host.dir, host.conf, host.bin):
                os.chmod(path, 0o755)
            for name in os.listdir(host.conf):
                os.chmod(os.path.join(host.conf, name), 0o644)
            host.sendmail("a@far.test", stdin="x\n", user=ORDINARY)
            assert sink.wait(1)[0].recipients == ["a@far.test"] and not host.dropped()["new"]
    finally:
        os.umask(before)


def interrupted(host, count, longest):
    """Addresses whose sendmail was sent a signal at some moment of its life, by what it said in the end."""
    said = {True: [], False: []}
    for number in range(count):
        address = f"s{number}@far.test"
        process = subprocess.Popen([os.path.join(host.bin, "sendmail"), "-i", address], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=host.little)
        process.stdin.write(b"Subject: x\n\nx\n")
        process.stdin.close()
        until = time.monotonic() + longest * number / count
        while time.monotonic() < until:
            pass
        process.send_signal((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)[number % 3])
        said[process.wait(20) == 0].append(address)
    return said


def test_a_signal_at_any_moment():
    with Sink() as sink, Host(sink) as host:
        began = time.monotonic()
        host.sendmail("first@far.test", stdin="x\n")
        longest = 1.5 * (time.monotonic() - began)
        said = interrupted(host, 60, longest)
        host.wait_empty()
        wait_until(lambda: sink.count() >= len(said[True]) + 1, 10, "messages")
        assert sorted(r for m in sink.arrivals() for r in m.recipients) == sorted(said[True] + ["first@far.test"])
        assert said[True] and said[False], said
        host.stop()
        down = interrupted(host, 60, longest)
        assert len(host.dropped()["new"]) == len(down[True]) and not host.dropped()["tmp"], (down, host.dropped())
        assert down[True] and down[False], down


if __name__ == "__main__":
    run_tests(globals())
