#!/usr/bin/env python3
# Accounts of a real Dovecot: right and wrong passwords, canonical names, temporary failures, a Dovecot that is not there, is started again,
# or lacks PLAIN; and a counterfeit one that stalls, lies and splits its lines.
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading

import lib_sasl
from lib_dovecot import Dovecot
from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

GREETING = b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n"


class Asking(Daemon):
    def __init__(self, path, core=None, **settings):
        super().__init__(core or {"loops": 2}, start=False)
        more = "".join(f"{key}: {value}\n" for key, value in settings.items())
        self.write("70-auth-dovecot.yaml", f"plugin: auth-dovecot\nsocket: {path}\n{more}")
        self.start()

    def test(self, account, password):
        done = self.run("auth", "test", "auth-dovecot", account, "--json", stdin=password.encode() + b"\n")
        said = json.loads(done.stdout)
        return said["account"] if said["result"] == "ok" else said["result"]


def test_scripts():
    run_scripts("auth-dovecot", "strict")
    run_scripts("auth-dovecot", "chaos")


def test_passwords_of_a_real_dovecot():
    users = {"ann": "{PLAIN}pencil", "bob@a.test": "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"}
    with Dovecot(users) as dovecot, Asking(dovecot.socket) as daemon:
        assert daemon.test("ann", "pencil") == "ann"
        assert daemon.test("ANN", "pencil") == "ann", "Dovecot's name counts"
        assert daemon.test("bob@a.test", "Hello world!") == "bob@a.test"
        assert [daemon.test(*pair) for pair in (("ann", "pencils"), ("nobody", "pencil"), ("bob@a.test", "hello world!"))] == ["denied"] * 3
        m = daemon.metrics()
        assert m["veredus_plugin_auth_dovecot_proven_total"] == 3 and m["veredus_plugin_auth_dovecot_denied_total"] == 3, m
        assert m["veredus_plugin_auth_dovecot_connections_total"] == 1, m
        assert "pencil" not in daemon.tail(1000)


def test_names_cannot_leave_their_field():
    with Dovecot({"ann": "{PLAIN}pencil"}) as dovecot, Asking(dovecot.socket) as daemon:
        for name in ("ann\tuser=bob", "x\nAUTH\t9\tPLAIN\tservice=smtp\tresp=AGFubgBwZW5jaWw=", "ann\rx", "a\x01nn", "ånn", "a" * 255):
            assert daemon.test(name, "pencil") == "denied", name
        assert daemon.test("ann", "p\tq\nr") == "denied"
        assert daemon.test("ann", "pencil") == "ann", dovecot.log()


def test_many_questions_at_once():
    with Dovecot({f"user{n}": f"{{PLAIN}}word{n}" for n in range(20)}, delay="1 secs") as dovecot, Asking(dovecot.socket) as daemon:
        said = {}

        def ask(n):
            said[n] = daemon.test(f"user{n}", f"word{n}" if n % 3 else "wrong")

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == {n: f"user{n}" if n % 3 else "denied" for n in range(20)}, said


def test_a_dovecot_that_comes_and_goes():
    with Dovecot({"ann": "{PLAIN}pencil"}) as dovecot:
        dovecot.stop()
        with Asking(dovecot.socket) as daemon:
            assert daemon.test("ann", "pencil") == "temporary"
            assert "is Dovecot running" in daemon.wait_event("auth-dovecot.lost")["reason"]
            dovecot.start()
            wait_until(lambda: daemon.test("ann", "pencil") == "ann", 15, daemon.tail)
            daemon.wait_event("auth-dovecot.again")
            dovecot.stop()
            assert daemon.test("ann", "pencil") == "temporary"
            dovecot.start()
            wait_until(lambda: daemon.test("ann", "pencil") == "ann", 15, daemon.tail)
            assert daemon.test("ann", "wrong") == "denied"


def test_temporary_failures_are_no_refusals():
    broken = "passdb {\n driver = checkpassword\n args = /nonexistent/checker\n}\n"
    with Dovecot({}, passdb=broken) as dovecot, Asking(dovecot.socket) as daemon:
        assert daemon.test("ann", "pencil") == "temporary", dovecot.log()
        daemon.wait_event("auth-dovecot.temporary", account="ann")


def test_a_dovecot_without_plain():
    with Dovecot({"ann": "{PLAIN}pencil"}, mechanisms="cram-md5") as dovecot, Asking(dovecot.socket) as daemon:
        assert daemon.test("ann", "pencil") == "temporary"
        assert "does not offer the mechanism PLAIN" in daemon.wait_event("auth-dovecot.lost")["reason"]


class Counterfeit:
    """A server on a Unix socket; `talk(connection)` runs for each connection."""

    def __init__(self, talk):
        self.dir = work_dir()
        self.socket = os.path.join(self.dir, "auth")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket)
        self.listener.listen(8)
        self.talk, self.over = talk, threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection, contextlib.suppress(OSError):
            self.talk(self, connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.listener.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def read_id(connection):
    """The number of the next AUTH line."""
    seen = b""
    while b"\tresp=" not in seen or not seen.endswith(b"\n"):
        octets = connection.recv(4096)
        if not octets:
            raise OSError("gone")
        seen += octets
    return [line for line in seen.split(b"\n") if line.startswith(b"AUTH\t")][-1].split(b"\t")[1]


def test_counterfeits():
    def octet_by_octet(_, connection):
        for octet in GREETING:
            connection.sendall(bytes([octet]))
        for octet in b"OK\t" + read_id(connection) + b"\tuser=an\x01tn\n":
            connection.sendall(bytes([octet]))

    def silent(server, _):
        server.over.wait(20)

    def mute(server, connection):
        connection.sendall(GREETING)
        read_id(connection)
        server.over.wait(20)

    def other_number(server, connection):
        connection.sendall(GREETING)
        read_id(connection)
        connection.sendall(b"OK\t4000000000\tuser=root\n")
        server.over.wait(20)

    def nonsense(_, connection):
        connection.sendall(GREETING)
        read_id(connection)
        connection.sendall(b"OK\tnothing\n")

    def second_step(server, connection):
        connection.sendall(GREETING)
        connection.sendall(b"CONT\t" + read_id(connection) + b"\t\n")
        server.over.wait(20)

    def old(_, connection):
        connection.sendall(b"VERSION\t2\t0\nDONE\n")

    def endless(_, connection):
        while True:
            connection.sendall(b"x" * 4096)

    def vanishes(_, connection):
        connection.sendall(GREETING)
        read_id(connection)

    cases = [(octet_by_octet, "temporary", None), (silent, "temporary", None), (mute, "temporary", None), (other_number, "temporary", None),
             (nonsense, "temporary", "without the number"), (second_step, "temporary", None), (old, "temporary", "another version"),
             (endless, "temporary", "more than 8192"), (vanishes, "temporary", "closed the connection")]
    for talk, expected, reason in cases:
        with Counterfeit(talk) as server, Asking(server.socket, query_timeout="500ms") as daemon:
            assert daemon.test("ann", "pencil") == expected, talk
            if reason:
                assert reason in daemon.wait_event("auth-dovecot.lost")["reason"], talk


def test_through_a_listener_with_a_master_user():
    with Certificates() as certificates, Dovecot({"ann": "{PLAIN}pencil", "info": "{PLAIN}other"}, masters={"boss": "{PLAIN}key"}) as dovecot:
        core = {"listeners": [{"role": "submission"}], "auth": {"delay": "0s"}, "tls": {"certificates": [certificates.pair("server")]}}
        with Asking(dovecot.socket, core=core) as daemon:
            with Smtp(daemon.port) as smtp:
                assert not [line for line in smtp.hello().lines if line.startswith("AUTH")], "only with TLS"
                certificates.start_tls(smtp)
                assert "AUTH PLAIN LOGIN" in smtp.hello().lines
                assert lib_sasl.plain(smtp, "ann", "wrong").text.startswith("535 5.7.8")
                assert lib_sasl.plain(smtp, "ann", "pencil", acting_as="info").code == 535, "ann is no master"
                assert lib_sasl.plain(smtp, "boss", "key").code == 535, "a master only acts as others"
                assert lib_sasl.plain(smtp, "boss", "key", acting_as="info").text.startswith("235 2.7.0")
            assert "rip=127.0.0.1" in dovecot.log() or "127.0.0.1" in dovecot.log(), "Dovecot knows the client"
            for words in (["-au", "ann", "-ap", "pencil", "-a", "PLAIN"], ["-au", "ANN", "-ap", "pencil", "-a", "LOGIN"]):
                done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(daemon.port), "-tls", *words, "-f", "ann@a.test", "-t", "b@example.test", "--quit-after", "RCPT"],
                                      capture_output=True, timeout=30, check=False)
                assert done.returncode == 0 and b"235 2.7.0" in done.stdout, done
            daemon.wait_event("auth.accepted", account="info", mechanism="PLAIN")
            daemon.wait_event("auth.accepted", account="ann", mechanism="LOGIN")


if __name__ == "__main__":
    run_tests(globals())
