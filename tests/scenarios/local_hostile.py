#!/usr/bin/env python3
# Local delivery under bad input: loops, fan-out, mailboxes that are something else, locks, full disks, .forward files of others, processes
# that are killed. Nothing is lost, nothing goes where it should not, and what happens twice is only what was under way.
import os
import signal
import socket
import subprocess
import time

from lib_local import *  # noqa: F401,F403
from lib_local import USERS, LocalHost


def mail(daemon, *recipients, sender="", message=b"Subject: hello\r\n\r\nbody\r\n"):
    return send_one(daemon.port, sender=sender, recipients=list(recipients), message=message)


def deferred(daemon, user, says, sender=""):
    mark = daemon.mark()
    mail(daemon, f"{user}@host.test", sender=sender)
    event = daemon.wait_event("recipient.deferred", after=mark, recipient=f"{user}@host.test")
    assert says in event["reply"] and event["reply"].startswith("45"), event


def empty_queue(daemon):
    daemon.cmd("queue", "delete", "--state", "queued", code=None)
    wait_until(lambda: daemon.balance()[2] == 0, 10, daemon.tail)


def test_aliases_that_loop_or_never_end():
    text = "a: b\nb: c\nc: a\nme: me\ndeep0: deep1\n" + "".join(f"deep{n}: deep{n + 1}\n" for n in range(1, 80)) + "deep80: bob\n"
    text += "".join(f"fan{n}: fan{n + 1}, fan{n + 1}\n" for n in range(40)) + "fan40: bob\n"
    text += "wide: " + ", ".join(f"u{n}@else.test" for n in range(300)) + "\nself: bob, self\nlist: :include:LIST\n"
    with LocalHost(settings="max_targets: 200\n", start=False) as daemon:
        with open(os.path.join(daemon.dir, "list"), "w", encoding="ascii") as file:
            file.write(f":include:{daemon.dir}/list\n")
        daemon.write_aliases(text.replace("LIST", os.path.join(daemon.dir, "list")))
        daemon.start()
        for name in ("a", "me", "deep0", "wide", "list"):
            mark = daemon.mark()
            mail(daemon, f"{name}@host.test")
            event = daemon.wait_event("recipient.bounced", after=mark, recipient=f"{name}@host.test")
            assert event["reply"].startswith("554 5.4.6"), event
        mail(daemon, "self@host.test", "fan0@host.test")  # 2^40 ways to one mailbox
        daemon.idle()
        assert daemon.count("bob") == 2 and not daemon.events("message.injected"), daemon.tail()


def test_forwards_between_users_that_loop_through_the_queue_end():
    with LocalHost() as daemon:
        daemon.put("bob", ".forward", "carol\n")
        daemon.put("carol", ".forward", "dan@host.test\n")
        daemon.put("dan", ".forward", "bob\n")
        mail(daemon, "bob@host.test", sender="admin@host.test")
        event = daemon.wait_event("recipient.bounced", recipient="bob@host.test")
        assert event["reply"].startswith("554 5.4.6 Mail forwarding loop"), event
        daemon.idle()
        assert len(daemon.events("message.injected")) <= 4 and daemon.count("admin") == 1
        assert "Mail forwarding loop" in daemon.box("admin")
        mail(daemon, "admin@host.test", message=b"Delivered-To: admin@host.test\r\nSubject: x\r\n\r\nx\r\n")
        daemon.wait_event("recipient.bounced", recipient="admin@host.test")


def test_mailboxes_that_are_something_else_wait_for_the_administrator():
    with LocalHost(options=["--lock-wait=1", "--default-user=nobody"], aliases='out: /etc/veredus-never\nlink: "LINK"\n', start=False) as daemon:
        target = os.path.join(daemon.dir, "target")
        for path, owner in ((target, 0), (os.path.join(daemon.dir, "linked"), USERS["nobody"])):
            with open(path, "w", encoding="ascii") as file:
                file.write("secret")
            os.chown(path, owner, owner)
        link = os.path.join(daemon.dir, "a-link")
        os.symlink(os.path.join(daemon.dir, "linked"), link)
        daemon.write_aliases(f"link: {link}\nfile: {daemon.dir}/target\n")
        daemon.start()
        box = lambda user: os.path.join(daemon.mail, user)
        os.symlink(target, box("bob"))
        os.mkdir(box("carol"))
        with open(box("dan"), "w", encoding="ascii") as file:
            file.write("secret")
        os.chown(box("dan"), USERS["carol"], USERS["carol"])
        deferred(daemon, "bob", "is a symbolic link")
        deferred(daemon, "carol", "is a directory")
        deferred(daemon, "dan", f"belongs to user {USERS['carol']}")
        with open(box("admin"), "w", encoding="ascii") as file:
            file.write("secret")
        os.chown(box("admin"), USERS["admin"], USERS["admin"])
        os.link(box("admin"), box("vmail"))
        deferred(daemon, "admin", "hard links")
        deferred(daemon, "link", "symbolic link")
        deferred(daemon, "file", "belongs to user 0")
        for path in (target, os.path.join(daemon.dir, "linked"), box("dan"), box("admin")):
            with open(path, encoding="ascii") as file:
                assert file.read() == "secret", path
        os.unlink(box("bob"))  # mended: what waited arrives
        wait_until(lambda: daemon.count("bob") == 1, 10, daemon.tail)
        empty_queue(daemon)


def test_root_gets_no_mail_but_by_alias_or_setting():
    with LocalHost() as daemon:
        deferred(daemon, "root", "nothing is delivered as root")
        assert os.listdir(daemon.mail) == []
        daemon.write_aliases("root: admin\n")
        wait_until(lambda: daemon.count("admin") == 1, 10, daemon.tail)
    with LocalHost(settings="root_to: admin\n") as daemon:
        mail(daemon, "root@host.test")
        daemon.idle()
        assert daemon.count("admin") == 1


def test_locks_are_waited_for_and_stale_ones_broken():
    with LocalHost(options=["--lock-wait=1", "--stale-lock=3600"]) as daemon:
        lock = os.path.join(daemon.mail, "bob.lock")
        with open(lock, "w", encoding="ascii") as file:
            file.write("1\n")
        deferred(daemon, "bob", "is locked")
        mail(daemon, "carol@host.test")  # nobody else waits for it
        wait_until(lambda: daemon.count("carol") == 1, 10, daemon.tail)
        assert os.path.exists(lock) and daemon.count("bob") == 0
        os.utime(lock, (time.time() - 7200, time.time() - 7200))
        wait_until(lambda: daemon.count("bob") == 1, 15, daemon.tail)
        wait_until(lambda: not os.path.exists(lock), 5, "the lock is removed")


def test_a_full_disk_and_a_full_mailbox():
    with LocalHost(options=["--file-limit=20000"]) as daemon:
        mail(daemon, "bob@host.test")
        daemon.idle()
        before = daemon.box("bob")
        mail(daemon, "bob@host.test", message=b"Subject: big\r\n\r\n" + b"x" * 60 * 500 + b"\r\n")
        event = daemon.wait_event("recipient.deferred")
        assert "452 4.2.2" in event["reply"], event
        assert daemon.box("bob") == before
        empty_queue(daemon)
    with LocalHost() as daemon:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=2775", "none", daemon.mail], check=False, capture_output=True).returncode != 0:
            raise Skip("no small file system can be mounted here")
        try:
            os.chown(daemon.mail, 0, 61010)
            mail(daemon, "bob@host.test")
            daemon.idle()
            before = daemon.box("bob")
            mail(daemon, "bob@host.test", message=b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 2000)
            event = daemon.wait_event("recipient.deferred")
            assert "452 4.3.1" in event["reply"], event
            assert daemon.box("bob") == before
            empty_queue(daemon)
        finally:
            subprocess.run(["umount", "-l", daemon.mail], check=True)


def test_forward_files_that_others_could_have_written_are_not_followed():
    with LocalHost() as daemon:
        daemon.put("bob", ".forward", "x@else.test\n", mode=0o666)
        deferred(daemon, "bob", "may be written by others")
        daemon.put("carol", ".forward", "x@else.test\n", owner="dan")
        deferred(daemon, "carol", "belongs to somebody else")
        os.symlink("/etc/passwd", os.path.join(daemon.homes, "dan", ".forward"))
        deferred(daemon, "dan", "is a symbolic link")
        os.unlink(os.path.join(daemon.homes, "dan", ".forward"))
        daemon.put("admin", ".forward", '"|id -u > $HOME/id; id -G >> $HOME/id; cat > /dev/null"\n')
        mail(daemon, "admin@host.test")
        wait_until(lambda: daemon.home("admin", "id").count("\n") == 2, 10, daemon.tail)
        assert daemon.home("admin", "id") == f"{USERS['admin']}\n{USERS['admin']}\n", daemon.home("admin", "id")
        assert not daemon.events("message.injected")
        empty_queue(daemon)


def test_commands_that_hang_are_ended_and_repeat_nothing_else():
    with LocalHost(aliases="both: \\bob, |exec sleep 1000\n", options=["--time-limit=1", "--default-user=nobody"]) as daemon:
        mail(daemon, "both@host.test")
        wait_until(lambda: len(daemon.events("recipient.deferred", recipient="both@host.test")) >= 2, 15, daemon.tail)
        assert "took more than 1 s" in daemon.events("recipient.deferred")[0]["reply"]
        assert daemon.count("bob") == 1, daemon.tail()
        daemon.write_aliases("both: \\bob, :blackhole:\n")
        daemon.idle()
        assert daemon.count("bob") == 1


def helper_pid(daemon):
    return daemon.events("helper.started")[-1]["pid"]


def test_a_killed_helper_and_a_killed_daemon_lose_nothing():
    with LocalHost(core={"queue": {"retry": ["300ms"]}}) as daemon:
        # Slow enough to be caught in between.
        daemon.put("bob", ".forward", '"|sleep 0.05; cat >> $HOME/got"\n')
        for number in range(30):
            send_one(daemon.port, sender="", recipients=["bob@host.test", "carol@host.test"], message=f"Subject: n{number}.\r\n\r\nx\r\n".encode())
        wait_until(lambda: "Subject: n" in daemon.home("bob", "got"), 10, daemon.tail)
        os.kill(helper_pid(daemon), signal.SIGKILL)
        daemon.wait_event("helper.crashed")
        wait_until(lambda: len(daemon.events("helper.started")) == 2, 10, daemon.tail)
        daemon.kill9("worker")
        daemon.wait_ready()
        daemon.kill9("all")
        daemon.start()
        daemon.idle(40)
        got, box = daemon.home("bob", "got"), daemon.box("carol")
        for number in range(30):
            assert f"Subject: n{number}.\n" in got, number
            assert f"Subject: n{number}.\n" in box, number
        # Twice only what was under way at one of the three kills: as many as the helper has children.
        assert got.count("Subject: ") <= 30 + 3 * 20 and daemon.count("carol") <= 30 + 3 * 20, (got.count("Subject: "), daemon.count("carol"))
        assert box.count("From MAILER-DAEMON ") == daemon.count("carol"), "no torn message"


def test_as_an_ordinary_user_the_helper_delivers_to_that_user_only():
    number = USERS["bob"]
    daemon = LocalHost(start=False)
    with daemon:
        # setpriv takes numbers: no account is needed.
        for path in (daemon.dir, daemon.conf, daemon.mail):
            os.chown(path, number, number)
        os.chmod(daemon.mail, 0o755)
        daemon.core["helpers"][0].pop("user")
        daemon.configure({})
        daemon.command = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", VEREDUSD]
        daemon.start()
        mail(daemon, "bob@host.test")
        wait_until(lambda: daemon.count("bob") == 1, 10, daemon.tail)
        deferred(daemon, "carol", "delivers to its own user only")
        assert daemon.events("local.unprivileged"), daemon.tail()
        empty_queue(daemon)


def test_hostile_addresses_stay_names():
    with LocalHost() as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<a@from.test>", 250)
        for local in ('"../carol"', '"bob/../carol"', '"|id"', '"/etc/passwd"', '":include:/etc/passwd"', '"bob carol"', "bob$(id)", '"bob\\\\"', "-bob", ".bob", '"\\\\bob"', "x" * 64):
            reply = client.cmd(f"RCPT TO:<{local}@host.test>")
            assert reply.code in (501, 550, 553), (local, reply)
        client.cmd('RCPT TO:<"bob"@host.test>', 250)
        client.cmd('RCPT TO:<"bob+../../x"@host.test>', 250)
        client.cmd('RCPT TO:<"bob+$(id);x"@host.test>', 250)
        client.data(b"Subject: x\r\n\r\nx\r\n")
        daemon.idle()
        assert daemon.count("bob") == 3 and os.listdir(daemon.mail) == ["bob"]


if __name__ == "__main__":
    run_tests(globals())
