#!/usr/bin/env python3
# Accounts in a file: the command that makes its lines, hashes of other programs (doveadm, openssl), files that change and break,
# permissions, the time that unknown accounts take, and too many guesses at once.
import base64
import hashlib
import hmac
import json
import os
import statistics
import subprocess
import threading
import time

from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts


def hashed(password, *words):
    """The output of `veredus auth-file hash`."""
    done = subprocess.run([VEREDUS, "auth-file", "hash", *words], input=password.encode() + b"\n", capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done
    return done.stdout.decode().strip()


def other(*words):
    """The output of another program."""
    return subprocess.run(words, capture_output=True, timeout=30, check=True).stdout.decode().strip()


class Accounts(Daemon):
    def __init__(self, *lines, start=True, **settings):
        super().__init__({"loops": 2}, start=False)
        self.file = os.path.join(self.dir, "accounts")
        self.put(*lines)
        more = "".join(f"{key}: {value}\n" for key, value in settings.items())
        self.write("70-auth-file.yaml", f"plugin: auth-file\nfile: {self.file}\ncheck: 100ms\n{more}")
        if start:
            self.start()

    def put(self, *lines, mode=0o640):
        with open(self.file + ".new", "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        os.chmod(self.file + ".new", mode)
        os.rename(self.file + ".new", self.file)

    def test(self, account, password):
        done = self.run("auth", "test", "auth-file", account, stdin=password.encode() + b"\n")
        return done.stdout.decode().strip() or done.stderr.decode()


def test_scripts():
    before = os.umask(0o027)  # accounts that everybody can read are refused
    try:
        run_scripts("auth-file", "strict")
        run_scripts("auth-file", "chaos")
    finally:
        os.umask(before)


def test_lines_that_the_command_makes():
    with Accounts(*(hashed("pencil", scheme, "--scheme", scheme) for scheme in ("argon2id", "yescrypt", "scram-sha-256"))) as daemon:
        for scheme in ("argon2id", "yescrypt", "scram-sha-256"):
            assert daemon.test(scheme, "pencil") == "ok"
            assert daemon.test(scheme.upper(), "pencil") == "ok"
            assert daemon.test(scheme, "Pencil") == "denied"
        assert daemon.test("nobody", "pencil") == "denied"
        [said] = [line for line in [daemon.run("auth", "test", "auth-file", "YesCrypt", "--json", stdin=b"pencil\n").stdout.decode()]]
        assert json.loads(said) == {"result": "ok", "mechanisms": ["PLAIN", "LOGIN"], "account": "yescrypt", "tenant": ""}, said
        m = daemon.metrics()
        assert m["veredus_plugin_auth_file_proven_total"] == 7 and m["veredus_plugin_auth_file_denied_total"] == 4, m
        assert "pencil" not in daemon.tail(1000)


def test_the_command_refuses():
    for words, stdin, code, text in [((), b"", 65, "empty"), ((), b"\n", 65, "empty"), (("--scheme", "md5"), b"x\n", 65, "there is no scheme 'md5'"),
                                     (("--color",), b"x\n", 64, "no option"), (("a", "b"), b"x\n", 64, "one account"), (("a b",), b"x\n", 65, "without spaces"),
                                     (("--scheme", "scram-sha-256"), b"a\x07\n", 65, "SASLprep"), ((), b"x" * 1500 + b"\n", 65, "more than 1024")]:
        done = subprocess.run([VEREDUS, "auth-file", "hash", *words], input=stdin, capture_output=True, timeout=30, check=False)
        assert done.returncode == code and text in done.stderr.decode() and not done.stdout, (words, done)


def test_hashes_of_other_programs():
    lines = [f"{scheme.lower()}:{other('doveadm', 'pw', '-s', scheme, '-p', 'pencil')}" for scheme in ("ARGON2ID", "BLF-CRYPT", "SHA512-CRYPT", "SCRAM-SHA-256")]
    lines.append("openssl:" + other("openssl", "passwd", "-6", "pencil") + ":acme")
    with Accounts(*lines) as daemon:
        for name in ("argon2id", "blf-crypt", "sha512-crypt", "scram-sha-256", "openssl"):
            assert daemon.test(name, "pencil") == "ok", name
            assert daemon.test(name, "pencils") == "denied", name


def test_mechanisms_follow_the_accounts():
    scram, plain = hashed("pencil", "ann", "--scheme", "scram-sha-256"), hashed("pencil", "bob")
    print_of = "certificate=SHA256:" + "ab" * 32

    def offered(*lines, **settings):
        with Accounts(*lines, **settings) as daemon:
            return json.loads(daemon.run("auth", "test", "auth-file", "x", "--json", stdin=b"x\n").stdout)["mechanisms"]

    assert offered(scram) == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    assert offered(scram, plain) == ["PLAIN", "LOGIN"]
    assert offered(scram, plain, scram="yes") == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]
    assert offered(scram, scram="no") == ["PLAIN", "LOGIN"]
    assert offered("carl:! " + print_of) == ["EXTERNAL", "PLAIN", "LOGIN"]
    assert offered("# nobody yet") == ["PLAIN", "LOGIN"]


def test_a_changed_file_is_taken_and_a_broken_one_is_not():
    with Accounts(hashed("one", "ann")) as daemon:
        assert daemon.test("ann", "one") == "ok"
        mark = daemon.mark()
        daemon.put(hashed("two", "ann", "--scheme", "scram-sha-256"))
        daemon.wait_event("auth-file.loaded", after=mark, accounts="1")
        daemon.wait_event("auth-file.mechanisms", after=mark)
        assert [daemon.test("ann", password) for password in ("one", "two")] == ["denied", "ok"]
        mark = daemon.mark()
        daemon.put(hashed("two", "ann"), "", "bob:clear")
        event = daemon.wait_event("auth-file.refused", after=mark)
        assert event["reason"] == f"{daemon.file}:3: no hash that is known or safe; make one with 'veredus auth-file hash'", event
        assert daemon.test("ann", "two") == "ok"
        mark = daemon.mark()
        daemon.put(hashed("three", "ann"), mode=0o644)
        assert "(mode 0644)" in daemon.wait_event("auth-file.refused", after=mark)["reason"]
        assert daemon.test("ann", "two") == "ok"
        os.chmod(daemon.file, 0o600)
        daemon.put(hashed("four", "ann"))
        wait_until(lambda: daemon.test("ann", "four") == "ok", 10, daemon.tail)


def test_files_that_refuse_the_configuration():
    daemon = Accounts("ann:!", "ann:!", start=False)
    try:
        for mend, text in ((None, "accounts:2: the account 'ann' stands in line 1 too"), (lambda: daemon.put("ann:!", mode=0o644), "everybody on this host can read"),
                           (lambda: os.remove(daemon.file), "No such file"), (lambda: daemon.write("70-auth-file.yaml", "plugin: auth-file\n"), "'file' is missing")):
            if mend:
                mend()
            daemon.start(ready=False)
            assert daemon.process.wait(20) == 78
            assert text in daemon.tail() and "70-auth-file.yaml:" in daemon.tail(), (text, daemon.tail())
    finally:
        daemon.clean()


def test_unknown_accounts_take_the_time_of_others():
    with Accounts(hashed("pencil", "ann")) as daemon:
        def took(account):
            times = []
            for _ in range(15):
                began = time.monotonic()
                assert daemon.test(account, "wrong") == "denied"
                times.append(time.monotonic() - began)
            return statistics.median(times)

        def idle():  # what the command costs without a hash
            times = []
            for _ in range(15):
                began = time.monotonic()
                daemon.cmd("status")
                times.append(time.monotonic() - began)
            return statistics.median(times)

        base, known, unknown = idle(), took("ann"), took("nobody")
        assert known > base and unknown - base > (known - base) / 2, (base, known, unknown)


def test_too_many_at_once_are_put_off_and_the_daemon_stays_awake():
    slow = hashlib.pbkdf2_hmac("sha256", b"pencil", b"salt", 400_000)
    keys = [hmac.digest(slow, text, "sha256") for text in (b"Client Key", b"Server Key")]
    secret = "SCRAM-SHA-256$400000:" + base64.b64encode(b"salt").decode() + "$" + ":".join(
        base64.b64encode(octets).decode() for octets in (hashlib.sha256(keys[0]).digest(), keys[1]))
    with Accounts("ann:" + secret, at_once=1, waiting=3) as daemon:
        said = []
        threads = [threading.Thread(target=lambda: said.append(daemon.test("ann", "wrong"))) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(said) == {"denied", "temporary"}, said
        m = daemon.metrics()
        assert m["veredus_plugin_auth_file_busy_total"] == said.count("temporary")
        assert daemon.test("ann", "pencil") == "ok"


if __name__ == "__main__":
    run_tests(globals())
