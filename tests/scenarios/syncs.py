#!/usr/bin/env python3
# Scenario: strace is witness that nothing is acknowledged before it is on stable storage, and that few syncs are needed for it.
import os
import re
import shutil

from lib_delivery import core_for, message, token
from lib_trace import SENDS, SYNCS, WRITES, read_trace
from lib_veredus import *

TRACED = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,ftruncate,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,sync_file_range,mmap"
LONGEST = 400_000  # of the octets of one call that are kept in the trace


class Traced(Daemon):
    """A daemon under strace, which is its grandchild's debugger: signals and exit codes are the daemon's own."""

    def __init__(self, core, **options):
        if not shutil.which("strace"):
            raise AssertionError("strace is not installed; ./dev test installs it")
        self.trace = os.path.join(work_dir(), "trace")
        core = {**core, "spool_options": {"segment_size": "4MiB", **core.get("spool_options", {})}}  # short traces
        command = ["strace", "-D", "-f", "-y", "-s", str(LONGEST), "-e", f"trace={TRACED}", "-o", self.trace, VEREDUSD]
        super().__init__(core, command=command, **options)

    def calls(self):
        """The whole trace; the daemon must have ended."""
        return read_trace(self.trace)

    def clean(self):
        super().clean()
        shutil.rmtree(os.path.dirname(self.trace), ignore_errors=True)


class Spool:
    """The calls of a trace that touch the spool, and the replies."""

    def __init__(self, calls, path):
        self.calls, self.path = calls, path.rstrip("/") + "/"
        self.writes = [c for c in calls if c.name in WRITES and c.target.startswith(self.path)]
        self.syncs = [c for c in calls if c.name in SYNCS and c.target.startswith(self.path[:-1])]
        self.mapped = [c for c in calls if c.name == "mmap" and self.path in c.text and "PROT_WRITE" in c.text and "MAP_SHARED" in c.text]

    def reply(self, queue_id):
        found = [c for c in self.calls if c.name in SENDS and "socket:[" in c.target and f"queued as {queue_id}" in c.text]
        assert len(found) == 1, f"{len(found)} sends of the 250 for {queue_id}"
        return found[0]

    def last_write(self, text, directory, reply):
        """The last write of this text that began before the reply; written again later it would be compaction."""
        found = [c for c in self.writes if c.began < reply.began and text in c.text and f"/{directory}/" in c.target]
        assert found, f"no write with {text!r} below {directory}/"
        assert all(c.ok() for c in found), "a write failed"
        return max(found, key=lambda c: c.ended)

    def assert_synced(self, write, reply):
        """A successful sync of the file that began after the write had ended and ended before the reply began."""
        assert write.ended < reply.began, f"written after the 250: {write.target}"
        good = [s for s in self.syncs if s.target == write.target and s.result == 0 and s.began > write.ended and 0 <= s.ended < reply.began]
        assert good, f"no sync of {write.target} between its last write and the 250"

    def assert_name_is_stable(self, path, reply):
        """The directory was synced after the file got the name that it had when the reply was sent."""
        made = [c for c in self.calls if c.ok() and c.began < reply.began and (
            (c.name in ("openat", "open", "creat") and "O_CREAT" in c.text and c.opened == path)
            or (c.name.startswith(("rename", "link")) and c.paths and c.paths[-1].endswith(os.path.basename(path))))]
        assert made, f"{path} came from nowhere"
        folder, born = os.path.dirname(path), max(c.ended for c in made)
        good = [s for s in self.syncs if s.target == folder and s.result == 0 and s.began > born and 0 <= s.ended < reply.began]
        assert good, f"no sync of {folder} between the making of {os.path.basename(path)} and the 250"


def accept(daemon, names, texts):
    """Sends the messages one after the other on one connection, each to NAME@to.test; queue ids in order."""
    with Smtp(daemon.port) as client:
        client.hello()
        return [client.deliver(text, recipients=[f"{name}@to.test"]) for name, text in zip(names, texts)]


def refusing_hop():
    return Hop(replies={"MAIL": "450 4.3.2 later"})


def test_inline_messages_are_synced_before_250():
    with refusing_hop() as hop, Traced(core_for(routes_to(hop))) as daemon:
        names = [token() for _ in range(5)]
        sizes = (300, 4096, 20_000, 60_000, 100_000)
        ids = accept(daemon, names, [message(name, size) for name, size in zip(names, sizes)])
        daemon.stop()
        spool = Spool(daemon.calls(), daemon.spool)
        assert not spool.mapped, "the spool is written through a mapping; this proof does not see that"
        for name, queue_id in zip(names, ids):
            reply = spool.reply(queue_id)
            write = spool.last_write(f"This is {name}", "segments", reply)
            spool.assert_synced(write, reply)
            spool.assert_name_is_stable(write.target, reply)


def test_own_file_messages_are_synced_before_250():
    with refusing_hop() as hop, Traced(core_for(routes_to(hop), spool_options={"inline_size": "16KiB"})) as daemon:
        names = [token() for _ in range(4)]
        last = [token() for _ in names]
        texts = [message(name, size) + f"end {end}\r\n".encode() for name, end, size in zip(names, last, (17_000, 200_000, 1_000_000, 3_000_000))]
        ids = accept(daemon, names, texts)
        assert_files(daemon, names, last, ids)


def test_own_file_messages_by_bdat_are_synced_before_250():
    with refusing_hop() as hop, Traced(core_for(routes_to(hop), spool_options={"inline_size": "16KiB"})) as daemon:
        name, end = token(), token()
        text = message(name, 300_000) + f"end {end}\r\n".encode()
        with Smtp(daemon.port) as client:
            client.hello()
            ids = [client.deliver(text, recipients=[f"{name}@to.test"], how="bdat", chunks=[10_000, 1, 150_000])]
        assert_files(daemon, [name], [end], ids)


def assert_files(daemon, names, last, ids):
    daemon.stop()
    spool = Spool(daemon.calls(), daemon.spool)
    for name, end, queue_id in zip(names, last, ids):
        reply = spool.reply(queue_id)
        first = spool.last_write(f"This is {name}", "bodies", reply)
        closing = spool.last_write(f"end {end}", "bodies", reply)
        assert first.target == closing.target, "a body in two files"
        touched = [c for c in spool.writes if c.target == first.target and c.began < reply.began]
        assert all(c.ok() for c in touched)
        spool.assert_synced(max(touched, key=lambda c: c.ended), reply)
        spool.assert_name_is_stable(first.target, reply)
        record = spool.last_write(f"{name}@to.test", "segments", reply)
        assert record.began > closing.began, "the record was written before the body it names"
        spool.assert_synced(record, reply)


def test_reports_are_synced_before_the_failure_is_final():
    """A bounce is durable before the recipient is recorded as bounced: the report's record is synced, then the state is written."""
    with Hop() as back, Hop(replies={"RCPT": "550 5.1.1 nobody"}) as hop:
        with Traced(core_for(routes_to(hop), back=back)) as daemon:
            send_one(daemon.port, sender="s@back.test", recipients=["gone@to.test"])
            back.wait(1)
            daemon.wait_empty()
            report = daemon.events("bounce.queued")[0]["id"]
            daemon.stop()
            spool = Spool(daemon.calls(), daemon.spool)
            written = next(c for c in spool.writes if "multipart/report" in c.text and "/segments/" in c.target)
            state = [c for c in spool.writes if c.began > written.ended and "550 5.1.1 nobody" in c.text]
            assert report and state, "no state record behind the report's"
            first = min(state, key=lambda c: c.began)
            good = [s for s in spool.syncs if s.target == written.target and s.result == 0 and written.ended < s.began and s.ended < first.began]
            assert good, "the failure was recorded before its report was stable"


def test_few_syncs_for_one_client():
    """One client, one message after the other, all of it delivered: the message's own sync and at most one for its end."""
    count = 20
    with Sink() as sink, Traced(core_for(routes_to(sink))) as daemon:
        accept(daemon, ["first"], [message(token(), 3000)])
        sink.wait(1)
        names = [token() for _ in range(count)]
        ids = accept(daemon, names, [message(name, 3000) for name in names])
        sink.wait(count + 1, 40)
        daemon.wait_empty()
        daemon.stop()
        spool = Spool(daemon.calls(), daemon.spool)
        begin = min(c.began for c in spool.writes if names[0] in c.text)
        end = spool.reply(ids[-1]).began
        within = [s for s in spool.syncs if begin < s.began < end]
        assert count <= len(within) <= 2 * count + 2, f"{len(within)} syncs for {count} messages"
        for name, queue_id in zip(names, ids):
            reply = spool.reply(queue_id)
            spool.assert_synced(spool.last_write(f"This is {name}", "segments", reply), reply)


def test_group_commit_under_load():
    """Many clients share syncs; every one of their messages was still synced before its 250."""
    with Sink() as sink, Traced(core_for(routes_to(sink))) as daemon:
        with Load(daemon.port, "--connections", "40", "--messages", "400", "--size", "2000", "--pipelining") as load:
            load.wait()
            acknowledged = load.acknowledged()
        sink.wait(400, 60)
        daemon.stop()
        spool = Spool(daemon.calls(), daemon.spool)
        assert len(acknowledged) == 400
        writes = {}
        for call in spool.writes:
            for name in re.findall(r"X-Load-Id: ([\w.-]+)", call.text):
                writes[name] = call
        for name, queue_id in acknowledged.items():
            spool.assert_synced(writes[name], spool.reply(queue_id))
        until = max(spool.reply(queue_id).began for queue_id in acknowledged.values())
        begin = min(call.began for call in writes.values())
        within = [s for s in spool.syncs if begin < s.began < until]
        assert len(within) < 200, f"{len(within)} syncs for 400 messages of 40 clients"


if __name__ == "__main__":
    run_tests(globals())
