#!/usr/bin/env python3
# Command lines, environments and standard input of the programs that call sendmail on a Debian system, and some of the programs themselves: each
# message arrives once, with the recipients it was meant for, and the caller hears 0; with the daemon running, killed in between, and down.
import os
import shutil
import smtplib
import socket
import subprocess
import sys
import textwrap
from email.message import EmailMessage

from lib_local import LocalHost, needs_root
from lib_sendmail import *  # noqa: F401,F403
from lib_sendmail import DROP, Host

PLAIN = "Subject: report\n\nline\n"
# name, words, standard input, recipients
CALLERS = [
    ("cron", ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"],
     "From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@host> true\nX-Cron-Env: <SHELL=/bin/sh>\n\n.\nout\xe4\r50%\r100%\n", ["root@host.test"]),
    ("anacron", ["-FAnacron", "-odi", "root"], PLAIN, ["root@host.test"]),
    ("systemd-cron", ["-i", "-B8BITMIME", "root"], PLAIN, ["root@host.test"]),
    ("at", ["-i", "ann"], "Subject: Output from your job 1\nTo: ann\n\nout\n", ["ann@host.test"]),
    ("sudo", ["-t"], "To: root\nFrom: ann\nAuto-Submitted: auto-generated\nSubject: *** SECURITY ***\n\nann : user NOT in sudoers\n\n", ["root@host.test"]),
    ("mdadm", ["-t"], "From: mdadm monitoring <root>\nTo: root\nSubject: DegradedArray\n\nx\n", ["root@host.test"]),
    ("apt-listchanges", ["-oi", "-t"], "To: root\nSubject: changes\n\n.\n", ["root@host.test"]),
    ("reportbug", ["-f", "ann@far.test", "-oi", "-oem", "submit@bugs.test"], PLAIN, ["submit@bugs.test"]),
    ("bsd-mailx", ["-i", "-t"], "To: a@far.test\nBcc: b@far.test, c@far.test\nSubject: x\n\nx\n", ["a@far.test", "b@far.test", "c@far.test"]),
    ("s-nail", ["-i", "-m", "-f", "ann@far.test", "-F", "Ann", "--", "a@far.test"], PLAIN, ["a@far.test"]),
    ("mutt", ["-oem", "-oi", "-B8BITMIME", "-f", "ann@far.test", "-N", "failure", "-R", "hdrs", "--", "a@far.test"], PLAIN, ["a@far.test"]),
    ("git send-email", ["-f", "ann@far.test", "-i", "a@far.test", "b@far.test"], "From: Ann <ann@far.test>\nTo: a@far.test\nSubject: [PATCH]\n\n---\n",
     ["a@far.test", "b@far.test"]),
    ("procmail", ["-oi", "a@far.test"], "From x Sat Nov 28 10:00:00 2026\n" + PLAIN, ["a@far.test"]),
    ("PHP", ["-t", "-i", "-fweb@far.test"], "To: a@far.test\r\nSubject: x\r\nX-PHP-Originating-Script: 33:form.php\r\n\r\nx\r\n", ["a@far.test"]),
    ("rmail's", ["-G", "-oee", "-odi", "-oi", "-fann@far.test", "a@far.test"], PLAIN, ["a@far.test"]),
    ("LSB", ["-odb", "-oeq", "-om", "-t", "-v"], "To: a@far.test\n\nx\n", ["a@far.test"]),
]


def check(sink, name, recipients, before):
    message = sink.wait(before + 1)[before]
    assert sorted(message.recipients) == sorted(recipients), (name, message.recipients)
    for field in ("From", "Date", "Message-ID"):
        wanted = 0 if name == "rmail's" else 1
        assert message.header.count(f"\r\n{field}: ") == wanted, (name, field, message.header)
    assert b"\r\nBcc" not in message.octets, name
    return message


def test_each_caller():
    with Sink() as sink, Host(sink) as host:
        for number, (name, words, text, recipients) in enumerate(CALLERS):
            env = host.little if name != "sudo" else {"VEREDUS_CONF": host.conf}
            host.sendmail(*words, stdin=text.encode("latin-1"), env=env)
            message = check(sink, name, recipients, number)
            if name == "cron":
                assert b"From: root@host.test (Cron Daemon)\r\nTo: root@host.test\r\n" in message.octets and message.octets.endswith(b"\r\n.\r\nout\xe4 50% 100%\r\n")
        assert host.events("submission.local", script="33:form.php")


def test_each_caller_without_a_daemon():
    with Sink() as sink, Host(sink) as host:
        host.stop()
        for name, words, text, recipients in CALLERS:
            host.sendmail(*words, stdin=text.encode("latin-1"))
        host.start()
        messages = sink.wait(len(CALLERS))
        wanted = sorted(tuple(sorted(recipients)) for *_, recipients in CALLERS)
        assert sorted(tuple(sorted(m.recipients)) for m in messages) == wanted


def test_s_nail():
    if not shutil.which("s-nail"):
        raise Skip("s-nail is not installed")
    with Sink() as sink, Host(sink) as host:
        env = {**host.little, "HOME": host.dir, "TMPDIR": host.dir}
        done = subprocess.run(["s-nail", "-:/", "-Sv15-compat", "-Ssendwait", f"-Smta={host.bin}/sendmail", "-s", "hello", "-b", "hidden@far.test", "a@far.test"],
                              input=b"text\n.\nmore\n", env=env, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, done
        message = sink.wait(1)[0]
        assert sorted(message.recipients) == ["a@far.test", "hidden@far.test"] and b"Subject: hello" in message.octets
        assert b"hidden" not in message.octets and message.octets.endswith(b"more\r\n")


def test_python():
    with Sink() as sink, Host(sink) as host:
        message = EmailMessage()
        message["To"], message["From"], message["Subject"] = "a@far.test", "ann@far.test", "x"
        message.set_content("text\n.\n")
        host.sendmail("-t", "-oi", stdin=message.as_bytes())
        sink.wait(1)
        # Another program that speaks SMTP to a pipe.
        script = textwrap.dedent("""
            import smtplib, socket, subprocess, sys
            ours, theirs = socket.socketpair()
            process = subprocess.Popen([sys.argv[1], "-bs"], stdin=theirs, stdout=theirs)
            theirs.close()
            class Pipe(smtplib.SMTP):
                def _get_socket(self, *_):
                    return ours
            with Pipe("pipe", 25, local_hostname="me.test") as smtp:
                smtp.sendmail("ann@far.test", ["b@far.test"], "Subject: y\\n\\n.\\ny\\n")
            sys.exit(process.wait(20))
        """)
        done = subprocess.run([sys.executable, "-c", script, os.path.join(host.bin, "sendmail")], env=host.little, capture_output=True, timeout=40, check=False)
        assert done.returncode == 0, done
        assert sink.wait(2)[1].octets.endswith(b"\r\n\r\n.\r\ny\r\n")
        # And with the submission socket itself, which is an ordinary SMTP server.
        class Unix(smtplib.SMTP):
            def _get_socket(self, *_):
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(host.submit)
                return connection
        with Unix("unix", 25, local_hostname="me.test") as smtp:
            smtp.send_message(message)
        sink.wait(3)


def test_many_at_once_while_workers_die():
    with Sink() as sink, Host(sink) as host:
        names = [f"m{n}@far.test" for n in range(60)]
        running = []
        for number, name in enumerate(names):
            process = subprocess.Popen([os.path.join(host.bin, "sendmail"), "-i", name], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=host.little)
            process.stdin.write(b"Subject: x\n\nx\n")
            process.stdin.close()
            running.append(process)
            if number in (20, 40):
                pid = host.worker_pid()
                host.kill9()
                wait_until(lambda: host.worker_pid() != pid, 10, "a new worker")
        for process in running:
            assert process.wait(60) == 0, process.stderr.read()
            process.stderr.close()
        wait_until(lambda: {r for m in sink.arrivals() for r in m.recipients} == set(names), 40, lambda: f"all: {sink.count()} {host.dropped()}\n{host.tail()}")
        ids = {}
        for message in sink.arrivals():
            ids.setdefault(message.recipients[0], set()).add(next(line for line in message.header.split("\r\n") if line.startswith("Message-ID")))
        assert all(len(found) == 1 for found in ids.values()), {to: found for to, found in ids.items() if len(found) > 1}


def test_users_of_this_host():
    needs_root()
    with LocalHost(aliases="root: bob\nteam: bob, carol\n", core={"origin": "host.test"}) as host:
        links = os.path.join(host.dir, "bin")
        os.mkdir(links)
        os.symlink(VEREDUS, os.path.join(links, "sendmail"))

        def sendmail(*words, text):
            done = subprocess.run([os.path.join(links, "sendmail"), *words], input=text, env={"VEREDUS_CONF": host.conf, "VEREDUS_DROP": DROP}, capture_output=True,
                                  timeout=30, check=False)
            assert done.returncode == 0, done

        def mailbox(user):
            path = os.path.join(host.mail, user)
            return open(path, "rb").read() if os.path.exists(path) else b""

        sendmail("-FCronDaemon", "-i", "-oem", "root", text=b"From: root (Cron Daemon)\nTo: root\nSubject: Cron\n\n.\nout\n")
        wait_until(lambda: b"out" in mailbox("bob"), 15, lambda: host.tail())
        assert b"\nTo: root@host.test\n" in mailbox("bob") and b"\n.\nout\n" in mailbox("bob")
        host.stop()
        sendmail("-t", "-fbob", text=b"To: team, nosuchuser\nSubject: later\n\nwhile down\n")
        host.start()
        wait_until(lambda: b"while down" in mailbox("carol"), 15, lambda: host.tail())
        wait_until(lambda: b"nosuchuser@host.test" in mailbox("bob") and b"5.1.1" in mailbox("bob"), 15, lambda: host.tail())
        assert mailbox("carol").count(b"Subject: later") == 1
        host.wait_empty()


if __name__ == "__main__":
    run_tests(globals())
