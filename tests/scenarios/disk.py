#!/usr/bin/env python3
# Scenario: a spool that is full, read-only, torn, damaged, incomplete, of a newer version, or in use; and the offline commands on it.
# As root it runs again in a mount namespace of its own, where file systems of a few MiB can be full; else those tests are skipped.
import errno
import os
import re
import shutil
import subprocess
import sys
import time

from lib_delivery import assert_final, core_for, message, token
from lib_veredus import *

SMALL = {"segment_size": "1MiB", "inline_size": "64KiB", "reserve": "512KiB"}
MARK = "VEREDUS_SCENARIO_NAMESPACE"


def enter_namespace():
    """Starts this program again with mounts of its own; without the right to do so nothing changes."""
    if MARK in os.environ or not is_root() or not shutil.which("unshare"):
        return
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0:
        os.execvpe("unshare", ["unshare", "-m", sys.executable, *sys.argv], {**os.environ, MARK: "1"})


class Mounted:
    """A file system of a few MiB for the spool of a daemon that has not started."""

    def __init__(self, daemon, size):
        if MARK not in os.environ:
            raise Skip("needs root and mount namespaces")
        self.path = daemon.spool
        os.makedirs(self.path, exist_ok=True)
        self.mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs")

    def mount(self, *words):
        subprocess.run(["mount", *words, self.path], check=True, capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True, capture_output=True)

    def fill(self, leave=0):
        """Takes all space but `leave` octets with a file that is not ours."""
        with open(os.path.join(self.path, "foreign"), "wb") as file:
            try:
                while True:
                    file.write(b"\xff" * 65536)
                    file.flush()
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
        if leave:
            size = os.path.getsize(os.path.join(self.path, "foreign"))
            os.truncate(os.path.join(self.path, "foreign"), max(size - leave, 0))

    def free(self):
        os.unlink(os.path.join(self.path, "foreign"))

    def free_octets(self):
        about = os.statvfs(self.path)
        return about.f_bavail * about.f_frsize


def offer(port, text, recipient="a@to.test"):
    """One transaction; its last reply, wherever it was refused."""
    with Smtp(port) as client:
        client.hello()
        reply = client.cmd("MAIL FROM:<s@from.test>")
        if reply.code != 250:
            return reply
        client.cmd(f"RCPT TO:<{recipient}>", 250)
        return client.data(text)


def assert_full(reply):
    assert reply.text.startswith("452 4.3.1"), f"a full spool is answered {reply.text!r}"


def fill_by_mail(daemon, sizes, most=400):
    """Sends until refused; names and ids of what was acknowledged."""
    accepted = {}
    for number in range(most):
        name = token()
        reply = offer(daemon.port, message(name, sizes[number % len(sizes)]), f"{name}@to.test")
        if reply.code != 250:
            assert_full(reply)
            return accepted
        accepted[name] = reply.id
    raise AssertionError("the spool never got full")


def names_at(sink):
    return [arrival.recipients[0].split("@")[0] for arrival in sink.arrivals()]


def restart_with(daemon, sink):
    sink.start()
    daemon.cmd("queue", "retry", "--older", "0s", code=None)


def closed_sink():
    sink = Sink()
    sink.stop()
    return sink


def waiting_daemon(sink, **options):
    """A daemon, not started, whose mail waits for a sink that is not there."""
    return Daemon(core_for(routes_to(sink), spool_options=SMALL, queue={"retry": ["1h"]}), start=False, **options)


# Space

def test_full_of_small_messages():
    with closed_sink() as sink, waiting_daemon(sink) as daemon, Mounted(daemon, "8m"):
        daemon.start()
        full_and_drained(daemon, sink, [20_000])


def test_full_of_own_files():
    with closed_sink() as sink, waiting_daemon(sink) as daemon, Mounted(daemon, "12m"):
        daemon.start()
        full_and_drained(daemon, sink, [300_000, 3000])


def full_and_drained(daemon, sink, sizes):
    accepted = fill_by_mail(daemon, sizes)
    assert len(accepted) > 5, "hardly anything fitted"
    daemon.wait_event("spool.full")
    assert_full(offer(daemon.port, message(token(), sizes[0])))
    assert len(daemon.queue()) == len(accepted)
    restart_with(daemon, sink)
    daemon.wait_empty(20)
    wait_until(lambda: offer(daemon.port, message("again", sizes[0]), "again@to.test").code == 250, 10, "space again, by itself", 0.2)
    daemon.wait_event("spool.space_again")
    daemon.wait_empty()
    arrived = names_at(sink)
    assert sorted(set(arrived)) == sorted([*accepted, "again"]) and len(arrived) == len(accepted) + 1, "acknowledged mail is lost or doubled"
    daemon.restart()
    assert daemon.balance()[2] == 0


def test_filled_by_others():
    """Somebody else takes all space: refused at MAIL, what is queued is delivered meanwhile, and all is well when there is space."""
    with closed_sink() as sink, waiting_daemon(sink) as daemon, Mounted(daemon, "12m") as disk:
        daemon.start()
        names = [token() for _ in range(20)]
        for name in names:
            assert offer(daemon.port, message(name, 30_000), f"{name}@to.test").code == 250
        disk.fill()
        daemon.wait_event("spool.full")
        with Smtp(daemon.port) as client:
            client.hello()
            assert client.cmd("MAIL FROM:<s@from.test>").text.startswith("452 4.3.1")
        status = daemon.cmd("status", json=True)[0]
        assert "full" in status["spool_problem"] or "space" in status["spool_problem"], status
        restart_with(daemon, sink)
        sink.wait(20)
        daemon.wait_empty(20)
        disk.free()
        daemon.wait_event("spool.space_again")
        wait_until(lambda: offer(daemon.port, message("again")).code == 250, 10, "accepted again by itself", 0.2)
        daemon.wait_empty()
        assert sorted(names_at(sink)[:20]) == sorted(names)


def test_full_in_the_middle_of_a_message():
    """Space ends while the content comes: 452, the half is removed, the session goes on."""
    with closed_sink() as sink, waiting_daemon(sink) as daemon, Mounted(daemon, "12m") as disk:
        daemon.start()
        text = message(token(), 2_000_000)
        with Smtp(daemon.port) as client:
            client.hello()
            client.envelope(recipients=["half@to.test"])
            client.cmd("DATA", 354)
            client.send(text[:1_000_000])
            disk.fill()
            client.send(text[1_000_000:] + b".\r\n")
            assert_full(client.reply())
            client.cmd("NOOP", 250)
            disk.free()
            wait_until(lambda: client.cmd("MAIL FROM:<s@from.test>").code == 250, 10, "MAIL accepted again", 0.2)
            client.cmd("RCPT TO:<whole@to.test>", 250)
            client.data(text).id
        assert len(os.listdir(os.path.join(daemon.spool, "bodies"))) == 1, "half a message was left behind"
        restart_with(daemon, sink)
        assert sink.wait(1)[0].without_trace == text
        daemon.wait_empty()


def test_started_when_full():
    with closed_sink() as sink, waiting_daemon(sink) as daemon, Mounted(daemon, "12m") as disk:
        daemon.start()
        names = [token() for _ in range(10)]
        for name in names:
            assert offer(daemon.port, message(name, 20_000), f"{name}@to.test").code == 250
        daemon.kill9("all")
        disk.fill()
        daemon.start()
        assert len(daemon.queue()) == 10
        names += fill_by_mail(daemon, [20_000], 100)  # what the start itself gave back is used up first: at most a segment or two
        restart_with(daemon, sink)
        sink.wait(len(names))
        disk.free()
        daemon.wait_empty(20)
        assert sorted(names_at(sink)) == sorted(names)


def test_reserve_is_kept_free():
    """Without any trick: more is to be kept free than there is."""
    about = os.statvfs("/tmp")
    if about.f_bavail * about.f_frsize > 90 << 30:
        raise Skip("more free space than the setting can name")
    with Hop() as hop, Daemon(core_for(routes_to(hop), spool_options={**SMALL, "reserve": "100GiB"})) as daemon:
        with Smtp(daemon.port) as client:
            client.hello()
            assert client.cmd("MAIL FROM:<s@from.test>").text.startswith("452 4.3.1")
            client.cmd("NOOP", 250)
        daemon.wait_event("spool.full")


def test_read_only():
    with closed_sink() as sink, waiting_daemon(sink) as daemon, Mounted(daemon, "12m") as disk:
        daemon.start()
        assert offer(daemon.port, message("kept"), "kept@to.test").code == 250
        daemon.stop()
        disk.mount("-o", "remount,ro")
        daemon.start(ready=False)
        code = daemon.process.wait(20)
        assert code not in (0, 78) and re.search("[Rr]ead-only", daemon.tail()), f"exit {code}\n{daemon.tail()}"
        disk.mount("-o", "remount,rw")
        daemon.start()
        restart_with(daemon, sink)
        assert sink.wait(1)[0].recipients == ["kept@to.test"]
        daemon.wait_empty()


# Damage

class Filled:
    """A spool with messages that wait, whose daemon has ended; and the sink they are for."""

    def __init__(self, count=12, size=3000, clean=True, large=0):
        self.sink = closed_sink()
        self.daemon = waiting_daemon(self.sink)
        self.daemon.start()
        self.names = [token() for _ in range(count)]
        self.ids = {}
        for number, name in enumerate(self.names):
            text = message(name, 200_000 if number < large else size)
            self.ids[name] = offer(self.daemon.port, text, f"{name}@to.test").id
        if clean:
            self.daemon.stop()
        else:
            self.daemon.kill9("all")

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        try:
            self.daemon.__exit__(kind, *rest)
        finally:
            self.sink.__exit__()

    def segments(self):
        folder = os.path.join(self.daemon.spool, "segments")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def place_of(self, name):
        """Segment and offset of the text of a message."""
        for path in self.segments():
            with open(path, "rb") as file:
                at = file.read().find(f"This is {name}".encode())
            if at >= 0:
                return path, at
        raise AssertionError(f"{name} is in no segment")

    def body_of(self, name):
        folder = os.path.join(self.daemon.spool, "bodies")
        for entry in os.listdir(folder):
            with open(os.path.join(folder, entry), "rb") as file:
                if f"This is {name}".encode() in file.read():
                    return os.path.join(folder, entry)
        raise AssertionError(f"{name} has no file")

    def deliver(self, expected):
        """Starts the daemon: exactly these arrive, whole, and nothing else does."""
        self.sink.start()
        self.daemon.start()
        self.daemon.cmd("queue", "retry", "--older", "0s", code=None)
        wait_until(lambda: len(names_at(self.sink)) >= len(expected), 15,
                   lambda: f"{len(expected)} messages, {len(names_at(self.sink))} there\n{self.daemon.tail()}")
        assert sorted(names_at(self.sink)) == sorted(expected), (names_at(self.sink), expected)
        for arrival in self.sink.arrivals():
            name = arrival.recipients[0].split("@")[0]
            assert arrival.without_trace == message(name, len(arrival.without_trace) - 72), f"{name} arrived changed"

    def verify(self):
        return self.daemon.run("spool", "verify")


def overwrite(path, at, octets):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(octets)


def tear(path, at):
    """What a power cut may leave: everything from here on was never written."""
    size = os.path.getsize(path)
    os.truncate(path, at)
    os.truncate(path, size)


def test_torn_tail():
    with Filled(clean=False) as spool:
        path, at = spool.place_of(spool.names[-1])
        tear(path, at + 500)
        spool.deliver(spool.names[:-1])
        events = spool.daemon.events("spool.torn_tail") + spool.daemon.events("spool.damaged")
        assert events and events[0]["file"].startswith("segments/"), "a torn end is reported"
        spool.daemon.wait_empty()


def test_cut_file():
    with Filled(clean=False) as spool:
        path, at = spool.place_of(spool.names[-1])
        os.truncate(path, at + 500)
        spool.deliver(spool.names[:-1])
        spool.daemon.wait_empty()


def test_flipped_octets():
    for clean in (False, True):
        with Filled(clean=clean) as spool:
            bad = spool.names[4]
            path, at = spool.place_of(bad)
            overwrite(path, at + 20, b"\0\xff\0\xff")
            verified = spool.verify()
            assert verified.returncode != 0, f"spool verify saw nothing: {verified.stdout}"
            spool.deliver([name for name in spool.names if name != bad])
            events = [e for e in spool.daemon.events("spool.*") if e["event"] in ("spool.damaged", "spool.read_failed")]
            assert events, f"damage is not reported (clean: {clean})\n{spool.daemon.tail()}"
            assert not spool.daemon.events("recipient.delivered", recipient=f"{bad}@to.test")
            spool.daemon.cmd("queue", "delete", "--older", "0s", code=None)
            spool.daemon.wait_empty()


def test_many_flipped_octets():
    """Damage all over a segment: whatever record is whole is delivered."""
    with Filled(count=30, clean=False) as spool:
        bad = spool.names[3::5]
        for name in bad:
            path, at = spool.place_of(name)
            overwrite(path, at + 50, os.urandom(400))
        spool.deliver([name for name in spool.names if name not in bad])
        assert len(os.listdir(os.path.join(spool.daemon.spool, "set-aside"))) >= 1
        left = [r["address"].split("@")[0] for m in spool.daemon.queue() for r in m["recipients"]]
        assert set(left) <= set(bad), f"whole messages were not delivered: {left}"
        spool.daemon.cmd("queue", "delete", "--older", "0s", code=None)
        spool.daemon.wait_empty()


def test_missing_segment():
    with Filled(count=60, size=40_000) as spool:
        paths = spool.segments()
        assert len(paths) >= 3, paths
        with open(paths[1], "rb") as file:
            octets = file.read()
        os.unlink(paths[1])
        spool.deliver([name for name in spool.names if f"This is {name}".encode() not in octets])
        spool.daemon.wait_empty()


def test_missing_body():
    with Filled(large=4) as spool:
        bad = spool.names[1]
        gone = spool.body_of(bad)
        os.unlink(gone)
        assert spool.verify().returncode != 0
        spool.deliver([name for name in spool.names if name != bad])
        event = spool.daemon.wait_event("spool.missing")
        assert os.path.basename(gone) in event["file"], event
        assert not spool.daemon.events("recipient.delivered", recipient=f"{bad}@to.test")
        spool.daemon.cmd("queue", "delete", "--older", "0s", code=None)
        spool.daemon.wait_empty()


def test_damaged_body():
    for damage in ("flip", "short"):
        with Filled(large=4) as spool:
            bad = spool.names[2]
            path = spool.body_of(bad)
            if damage == "flip":
                overwrite(path, 100_000, b"\0\xff\0\xff")
            else:
                os.truncate(path, 150_000)
            assert spool.verify().returncode != 0
            spool.sink.start()
            spool.daemon.start()
            spool.daemon.cmd("queue", "retry", "--older", "0s", code=None)
            wait_until(lambda: len(names_at(spool.sink)) >= len(spool.names) - 1, 15, "all the others")
            whole = [a for a in spool.sink.arrivals() if a.recipients[0] == f"{bad}@to.test"]
            assert not whole or damage == "flip", "a body that is too short was delivered"
            if damage == "short":
                assert not spool.daemon.events("recipient.delivered", recipient=f"{bad}@to.test")
            spool.daemon.cmd("queue", "delete", "--older", "0s", code=None)
            spool.daemon.wait_empty()


def test_foreign_files():
    with Filled(large=2) as spool:
        for name in ("garbage", "segments/garbage", "segments/99999998.log", "segments/00000000.log", "segments/short.log", "bodies/garbage"):
            with open(os.path.join(spool.daemon.spool, name), "wb") as file:
                file.write(os.urandom(5000))
        os.mkdir(os.path.join(spool.daemon.spool, "segments/directory"))
        spool.deliver(spool.names)
        spool.daemon.wait_empty()


def test_empty_and_zero_segments():
    with Filled() as spool:
        number = int(os.path.basename(spool.segments()[-1])[:8])
        for offset, octets in ((1, b""), (2, bytes(1 << 20))):
            with open(os.path.join(spool.daemon.spool, f"segments/{number + offset:08}.log"), "wb") as file:
                file.write(octets)
        spool.deliver(spool.names)
        spool.daemon.wait_empty()


# Version and lock

def test_newer_version_is_left_alone():
    with Filled() as spool:
        path = os.path.join(spool.daemon.spool, "format")
        with open(path, encoding="ascii") as file:
            text = file.read()
        with open(path, "w", encoding="ascii") as file:
            file.write(text.replace("veredus-spool 1.", "veredus-spool 9."))
        before = {p: os.stat(p).st_mtime_ns for p in spool.segments()}
        spool.daemon.start(ready=False)
        assert spool.daemon.process.wait(20) != 0
        event = spool.daemon.wait_event("spool.version")
        assert "9." in str(event), event
        assert before == {p: os.stat(p).st_mtime_ns for p in spool.segments()}, "a spool of a newer version was touched"
        assert spool.verify().returncode != 0
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        spool.deliver(spool.names)
        spool.daemon.wait_empty()


def test_two_daemons_on_one_spool():
    with Hop() as hop, Daemon(core_for(routes_to(hop))) as first:
        second = Daemon({**core_for(routes_to(hop)), "spool": first.spool}, start=False)
        second.start(ready=False)
        try:
            assert second.process.wait(20) != 0, "two daemons on one spool"
            event = second.wait_event("spool.locked")
            assert str(first.worker_pid()) in str(event), f"the message should name who has it: {event}"
            assert len(second.events("worker.started")) == 1, "the supervisor tried it again and again"
        finally:
            second.clean()
        send_one(first.port, recipients=["a@to.test"])
        assert_final(first, "a@to.test", "delivered")


# Offline commands

def test_verify_and_list():
    with Filled(large=3) as spool:
        done = spool.verify()
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        listed = spool.daemon.cmd("spool", "list", json=True)
        assert {entry["id"] for entry in listed} == set(spool.ids.values())
        assert {entry["recipients"][0]["address"] for entry in listed} == {f"{name}@to.test" for name in spool.names}
        assert spool.ids[spool.names[0]] in spool.daemon.cmd("spool", "list")
        spool.deliver(spool.names)
        spool.daemon.wait_empty()


def test_export_and_import():
    target = os.path.join(work_dir(), "export")
    with Filled(large=3) as spool, Hop() as hop:
        spool.daemon.cmd("spool", "export", target)
        assert os.path.getsize(target)
        with waiting_daemon(hop) as other:
            other.start()
            other.stop()
            other.cmd("spool", "import", target)
            assert {entry["id"] for entry in other.cmd("spool", "list", json=True)} == set(spool.ids.values())
            assert other.run("spool", "verify").returncode == 0
            other.start()
            other.cmd("queue", "retry", "--older", "0s", code=None)
            hop.wait(len(spool.names))
            other.wait_empty()
            got = {m.recipients[0].split("@")[0]: m.octets for m in hop.messages}
            for number, name in enumerate(spool.names):
                assert got[name].endswith(message(name, 200_000 if number < 3 else 3000)), f"{name} changed on the way"
        spool.deliver(spool.names)
        spool.daemon.wait_empty()
    shutil.rmtree(os.path.dirname(target))


def test_export_of_a_damaged_spool_saves_the_rest():
    target = os.path.join(work_dir(), "export")
    with Filled(clean=False) as spool:
        bad = spool.names[4]
        path, at = spool.place_of(bad)
        overwrite(path, at + 20, b"\0\xff\0\xff")
        spool.daemon.cmd("spool", "export", target, code=None)
        with open(target, "rb") as file:
            saved = file.read()
        missing = [name for name in spool.names if f"This is {name}".encode() not in saved and name != bad]
        assert not missing, f"{len(missing)} readable messages were not exported"
        spool.deliver([name for name in spool.names if name != bad])
        # A worker that saw the supervisor die first had time to seal the segment: then the damaged message is known, and held.
        assert {r["address"] for m in spool.daemon.queue() for r in m["recipients"]} <= {f"{bad}@to.test"}
        spool.daemon.cmd("queue", "delete", "--older", "0s", code=None)
        spool.daemon.wait_empty()
    shutil.rmtree(os.path.dirname(target))


def test_offline_commands_beside_a_running_daemon():
    with Filled() as spool:
        spool.daemon.start()
        before = spool.daemon.balance()
        assert spool.daemon.run("spool", "list").returncode in (0, 75), "reading beside the daemon: done, or refused clearly"
        target = os.path.join(work_dir(), "export")
        spool.daemon.cmd("spool", "export", target)
        done = spool.daemon.run("spool", "import", target)
        assert done.returncode != 0 and done.stderr, "import beside a running daemon must be refused"
        assert spool.daemon.balance() == before
        spool.daemon.stop()
        spool.deliver(spool.names)
        spool.daemon.wait_empty()
        shutil.rmtree(os.path.dirname(target))


def test_import_of_a_damaged_export_keeps_what_came_before():
    target = os.path.join(work_dir(), "export")
    with Filled() as spool, Hop() as hop:
        spool.daemon.cmd("spool", "export", target)
        os.truncate(target, os.path.getsize(target) * 2 // 3)
        with waiting_daemon(hop) as other:
            other.start()
            other.stop()
            done = other.run("spool", "import", target)
            assert done.returncode != 0 and done.stderr, "half an export was imported without a word"
            got = {entry["id"] for entry in other.cmd("spool", "list", json=True)}
            assert 3 <= len(got) < len(spool.names) and got <= set(spool.ids.values()), got
            again = other.run("spool", "import", "/dev/null")
            assert again.returncode != 0
            other.start()
            other.cmd("queue", "retry", "--older", "0s", code=None)
            hop.wait(len(got))
            other.wait_empty()
        spool.deliver(spool.names)
        spool.daemon.wait_empty()
    shutil.rmtree(os.path.dirname(target))


if __name__ == "__main__":
    enter_namespace()
    run_tests(globals())
