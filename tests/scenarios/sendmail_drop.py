#!/usr/bin/env python3
# sendmail without a daemon: what it accepted is there when the daemon comes, once; whatever else lies in the drop directory harms nobody.
import os
import pwd
import signal
import socket
import stat
import subprocess
import threading
import time

from lib_sendmail import *  # noqa: F401,F403
from lib_sendmail import DROP, Host, ORDINARY

DEFER = "plugin: access\nrules:\n  - { name: later, when: { recipient: [later@far.test] }, action: defer }\n"
REJECT = "plugin: access\nrules:\n  - { name: bad, when: { header: { name: Subject, contains: bad } }, action: reject, reply: 5.7.1 Not here }\n"


def record(letter, octets=b""):
    return letter.encode() + str(len(octets)).encode() + b":" + octets + b"\n"


def records(recipient=b"a@far.test", sender=b"me@host.test", content=b"Subject: x\r\n\r\nx\r\n", more=b""):
    return record("V", b"1") + record("F", sender) + more + record("R", recipient) + record("M", content) + record("Z")


def put(host, octets, code=0):
    done = subprocess.run([DROP, "--directory", host.drop], input=octets, capture_output=True, timeout=30, check=False)
    assert done.returncode == code, (octets[:100], done)


class Stopped(Host):
    """A host whose daemon has run once, so that everything is there, and is down now."""

    def __init__(self, hop=None, **more):
        super().__init__(hop, **more)
        self.stop()


def test_accepted_while_down_and_delivered_once():
    with Sink() as sink, Stopped(sink) as host:
        for number in range(20):
            host.sendmail("-f", "me@host.test", f"a{number}@far.test", stdin=f"Subject: {number}\n\nx\n")
        assert len(host.dropped()["new"]) == 20 and not host.dropped()["tmp"]
        info = os.stat(os.path.join(host.drop, host.dropped()["new"][0]))
        assert info.st_uid == os.getuid() and stat.S_IMODE(info.st_mode) == 0o444
        host.start()
        messages = sink.wait(20)
        assert {m.recipients[0] for m in messages} == {f"a{n}@far.test" for n in range(20)}
        assert any(f"(uid {os.getuid()})" in line for line in messages[0].header.splitlines()[:2])
        assert b"Message-ID" in messages[0].octets
        wait_until(lambda: not any(host.dropped().values()), 10, lambda: f"an empty directory: {host.dropped()}")
        assert len(host.events("drop.taken")) == 20
        host.wait_empty()
        assert sink.count() == 20


def test_picked_up_while_it_runs():
    with Sink() as sink, Host(sink) as host:
        put(host, records())
        assert sink.wait(1, 5)[0].recipients == ["a@far.test"]


def test_the_owner_of_the_file_is_the_user():
    if not is_root():
        raise Skip("needs root")
    with Sink() as sink, Stopped(sink) as host:
        host.open_to(ORDINARY)
        host.sendmail("a@far.test", stdin="x\n", user=ORDINARY)
        host.start()
        message = sink.wait(1)[0]
        uid = pwd.getpwnam(ORDINARY).pw_uid
        assert message.sender == f"{ORDINARY}@host.test" and f"from {ORDINARY} (uid {uid})" in message.header
        assert host.events("submission.local")[0]["uid"] == uid


def test_what_is_no_message_is_set_aside_once():
    with Sink() as sink, Stopped(sink) as host:
        names = {
            "new.1.1.1": b"", "new.1.1.2": records()[:-4], "new.1.1.3": records() + b"x", "new.1.1.4": b"\0" * 5000, "new.1.1.5": b"V1:2\n",
            "new.1.1.6": records(recipient=b"a@far.test\r\nRCPT TO:<evil@far.test>"), "new.1.1.7": records(sender=b"a\0b"), "new.1.1.8": b"M999999999999:x",
            "foreign": b"hello", "new.x y": b"", "work.ZZZ.1": records(), "new.": records(), ".hidden": b"",
        }
        for name, octets in names.items():
            with open(os.path.join(host.drop, name), "wb") as file:
                file.write(octets)
        os.symlink("/etc/passwd", os.path.join(host.drop, "new.2.1.1"))
        os.mkdir(os.path.join(host.drop, "new.2.1.2"))
        os.mkfifo(os.path.join(host.drop, "new.2.1.3"))
        socket.socket(socket.AF_UNIX).bind(os.path.join(host.drop, "new.2.1.4"))
        with open(os.path.join(host.drop, "new.2.1.5"), "wb") as file:
            file.write(records())
        os.link(os.path.join(host.drop, "new.2.1.5"), os.path.join(host.drop, "other-name"))
        for name, age in (("tmp.1.1.1", 7200), ("tmp.1.1.2", 0)):
            with open(os.path.join(host.drop, name), "wb") as file:
                file.write(b"V1:1\n")
            os.utime(os.path.join(host.drop, name), (time.time() - age,) * 2)
        put(host, records(recipient=b"good@far.test"))
        host.start()
        assert sink.wait(1)[0].recipients == ["good@far.test"]
        wait_until(lambda: len(host.events("drop.set_aside")) >= len(names) + 7, 15, lambda: f"{host.events('drop.set_aside')}")
        put(host, records(recipient=b"good2@far.test"))
        sink.wait(2)
        left = host.dropped()
        assert not left["new"] and not left["work"] and left["tmp"] == ["tmp.1.1.2"], left
        assert len(host.events("drop.set_aside")) == len(left["bad"]) == len(names) + 7, (len(host.events("drop.set_aside")), left)
        assert sink.count() == 2 and os.path.lexists("/etc/passwd")
        host.restart()
        put(host, records(recipient=b"good3@far.test"))
        sink.wait(3)
        assert len(host.events("drop.set_aside")) == len(names) + 7


def test_veredus_drop_takes_records_only():
    with Stopped() as host:
        bad = [b"", records()[:-1], records() + record("Z"), record("F", b"x") + records(), records(more=record("F", b"y")), records(more=record("Q", b"y")),
               records(recipient=b""), records(sender=b"a\nb"), records(sender=b"a\x7fb"), records(content=b"a\0b"), records(more=record("B", b"9BIT")),
               record("V", b"1") + record("F") + record("M", b"x") + record("Z"), record("V", b"1") + record("R", b"a") + record("Z"),
               records().replace(b"V1:1", b"V01:1"), records().replace(b"V1:1", b"V:1"), records(content=b"x" * 65537), b"V1:1\n" * 2]
        for octets in bad:
            put(host, octets, 65)
        assert host.dropped() == {"new": [], "work": [], "tmp": [], "bad": []}
        put(host, records(content=b"x" * 65536))
        for words in ([], ["--directory"], ["--directory", host.drop, "x"], ["x"]):
            done = subprocess.run([DROP, *words], input=records(), capture_output=True, timeout=30, check=False, env={})
            assert done.returncode in (64, 69, 73), (words, done)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process = subprocess.Popen([DROP, "--directory", host.drop], stdin=subprocess.PIPE, env={})
            process.stdin.write(record("V", b"1"))
            process.stdin.flush()
            wait_until(lambda: host.dropped()["tmp"], 5, "a file being written")
            process.send_signal(number)
            assert process.wait(10) == 75
            process.stdin.close()
            assert not host.dropped()["tmp"]


def test_exit_codes_when_nothing_can_be_kept():
    with Stopped() as host:
        little = dict(host.little)
        host.sendmail("a@far.test", stdin="x\n", env={**little, "VEREDUS_DROP": "/nonexistent"}, code=69)
        os.rename(host.drop, host.drop + ".away")
        host.sendmail("a@far.test", stdin="x\n", code=69)
        if is_root():
            os.mkdir(host.drop, 0o700)
            os.chmod(host.spool, 0o711)
            host.sendmail("a@far.test", stdin="x\n", user=ORDINARY, code=73)
            os.rmdir(host.drop)
        os.rename(host.drop + ".away", host.drop)
        assert not host.dropped()["new"]


def test_a_full_disk():
    if not is_root():
        raise Skip("needs root")
    with Sink() as sink, Stopped(sink) as host:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", host.drop], check=False, capture_output=True).returncode != 0:
            raise Skip("nothing can be mounted here")
        try:
            host.sendmail("a@far.test", stdin="x" * 200_000, code=75)
            assert host.dropped() == {"new": [], "work": [], "tmp": [], "bad": []}
            host.sendmail("a@far.test", stdin="x\n")
            host.start()
            sink.wait(1)
            host.stop()
        finally:
            subprocess.run(["umount", host.drop], check=False)


def test_put_off_and_refused():
    with Sink() as sink, Stopped(sink, files={"50-access.yaml": DEFER}) as host:
        host.sendmail("-f", "me@far.test", "later@far.test", stdin="Subject: x\n\nx\n")
        host.sendmail("-f", "me@far.test", "now@far.test", stdin="Subject: x\n\nx\n")
        host.start()
        assert sink.wait(1)[0].recipients == ["now@far.test"]
        host.wait_event("drop.deferred")
        assert len(host.dropped()["work"]) == 1
        host.stop()
        host.write("50-access.yaml", REJECT)
        host.sendmail("-f", "me@far.test", "a@far.test", stdin="Subject: bad\n\nx\n")
        host.sendmail("-f", "<>", "a@far.test", stdin="Subject: bad\n\nx\n")
        host.start()
        messages = sink.wait(3)
        assert sorted(m.recipients[0] for m in messages) == ["later@far.test", "me@far.test", "now@far.test"]
        report = next(m for m in messages if m.sender == "")
        assert b"Not here" in report.octets and b"Subject: bad" in report.octets
        wait_until(lambda: not any(host.dropped().values()), 10, lambda: f"an empty directory: {host.dropped()}")
        assert len(host.events("drop.returned")) == 2


def test_the_daemon_refuses_for_a_while():
    with Sink() as sink, Host(sink, files={"50-access.yaml": DEFER}) as host:
        host.sendmail("later@far.test", stdin="Subject: x\n\nx\n")
        host.wait_event("drop.deferred")
        host.write("50-access.yaml", "plugin: access\n")
        host.cmd("reload")
        assert sink.wait(1)[0].recipients == ["later@far.test"]


def test_a_daemon_that_does_not_answer():
    with Sink() as sink, Stopped(sink) as host:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(host.submit)
            listener.listen(5)
            threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
            host.sendmail("a@far.test", stdin="x\n")
            threading.Thread(target=lambda: answer_then_close(listener), daemon=True).start()
            host.sendmail("b@far.test", stdin="x\n")
        os.unlink(host.submit)
        assert len(host.dropped()["new"]) == 2
        host.start()
        assert sorted(m.recipients[0] for m in sink.wait(2)) == ["a@far.test", "b@far.test"]


def answer_then_close(listener):
    """Takes the whole message and dies before it answers."""
    connection = listener.accept()[0]
    connection.sendall(b"220 x\r\n")
    octets, answered = b"", 0
    while b" LAST\r\n" not in octets:
        octets += connection.recv(65536)
        for _ in range(octets.count(b"\n") - answered if b"LAST" not in octets else 0):
            connection.sendall(b"250 2.0.0 Ok, id 0SC5DPXSW0000\r\n")
            answered += 1
    connection.close()


def test_killed_again_and_again():
    with Sink() as sink, Host(sink, loops=1) as host:
        wanted, stop = [], threading.Event()

        def caller(name):
            for number in range(40):
                host.sendmail("-f", "me@host.test", f"{name}{number}@far.test", stdin=f"Subject: {name}{number}\n\nx\n")
                wanted.append(f"{name}{number}@far.test")
                if stop.is_set():
                    return

        threads = [threading.Thread(target=caller, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for _ in range(4):
            before = len(wanted)
            wait_until(lambda: len(wanted) > before + 5 or not any(t.is_alive() for t in threads), 20, "progress")
            host.kill9("all")
            host.start()
        stop.set()
        for thread in threads:
            thread.join()
        wait_until(lambda: not host.dropped()["new"] and not host.dropped()["work"], 30, lambda: f"an empty directory: {host.dropped()}\n{host.tail()}")
        host.wait_empty(40)
        got = [r for m in sink.arrivals() for r in m.recipients]
        assert set(got) == set(wanted), set(wanted) ^ set(got)
        subjects = {}
        for message in sink.arrivals():
            identity = next(line for line in message.header.splitlines() if line.startswith("Message-ID"))
            subjects.setdefault(message.recipients[0], set()).add(identity)
        doubled = {to: ids for to, ids in subjects.items() if len(ids) > 1}
        assert not doubled, f"handed in once, stored twice: {doubled}"


if __name__ == "__main__":
    run_tests(globals())
