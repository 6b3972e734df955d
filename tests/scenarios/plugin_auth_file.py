#!/usr/bin/env python3
# Accounts in a file: the command that makes its lines, hashes of other programs (doveadm, openssl), files that change and break,
# permissions, the time that unknown accounts take, and too many guesses at once.
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time

import lib_sasl
from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

SUBMISSION = {"listeners": [{"role": "submission"}], "auth": {"clear_text": True, "delay": "0s"}}


def hashed(password, *words):
    """The output of `veredus auth-file hash`."""
    done = subprocess.run([VEREDUS, "auth-file", "hash", *words], input=password.encode() + b"\n", capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done
    return done.stdout.decode().strip()


def other(*words):
    """The output of another program."""
    return subprocess.run(words, capture_output=True, timeout=30, check=True).stdout.decode().strip()


def slow_secret(password, iterations=400_000):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", iterations)
    client, server = (hmac.digest(salted, text, "sha256") for text in (b"Client Key", b"Server Key"))
    return f"SCRAM-SHA-256${iterations}:{lib_sasl.b64(b'salt')}${lib_sasl.b64(hashlib.sha256(client).digest())}:{lib_sasl.b64(server)}"


class Accounts(Daemon):
    def __init__(self, *lines, start=True, core=None, **settings):
        super().__init__(core or {"loops": 2}, start=False)
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
    with Accounts("ann:" + slow_secret("pencil"), "bob:!") as daemon:
        def took(account):
            began = time.monotonic()
            assert daemon.test(account, "wrong") == "denied"
            return time.monotonic() - began

        rounds = [(took("ann"), took("nobody"), took("bob")) for _ in range(4)]
        known, *others = (min(times) for times in zip(*rounds))
        assert known > 0.1 and min(others) > known / 2, rounds


def test_too_many_at_once_are_put_off_and_the_daemon_stays_awake():
    with Accounts("ann:" + slow_secret("pencil"), at_once=1, waiting=3) as daemon:
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


def test_through_a_listener():
    lines = [hashed("pencil", "ann@a.test", "--scheme", "scram-sha-256") + ":acme acts_as=info@a.test", hashed("pen,=cil", "o=d,d", "--scheme", "scram-sha-256")]
    with Accounts(*lines, core=SUBMISSION) as daemon:
        with Smtp(daemon.port) as smtp:
            assert "AUTH SCRAM-SHA-256 PLAIN LOGIN" in smtp.hello().lines
            smtp.cmd("MAIL FROM:<ann@a.test>", "530 5.7.0")
        for speak in (lib_sasl.plain, lib_sasl.login, lib_sasl.scram):
            for initial in (True, False):
                with Smtp(daemon.port) as smtp:
                    smtp.hello()
                    assert speak(smtp, "ann@a.test", "pencils", initial=initial).text.startswith("535 5.7.8"), speak
                    assert speak(smtp, "nobody@a.test", "pencil", initial=initial).text.startswith("535 5.7.8"), speak
                    assert speak(smtp, "Ann@A.test", "pencil", initial=initial).text.startswith("235 2.7.0"), speak
                    smtp.cmd("MAIL FROM:<ann@a.test>", 250)
        for speak in (lib_sasl.plain, lib_sasl.scram):
            for acting_as, code in (("info@a.test", 235), ("ann@a.test", 235), ("boss@a.test", 535)):
                with Smtp(daemon.port) as smtp:
                    smtp.hello()
                    assert speak(smtp, "ann@a.test", "pencil", acting_as=acting_as).code == code, (speak, acting_as)
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                assert speak(smtp, "o=d,d", "pen,=cil").code == 235, "names with the octets that SCRAM escapes"
        for account in ("ann@a.test", "info@a.test", "o=d,d"):
            daemon.wait_event("auth.accepted", account=account)
        assert "pencil" not in daemon.tail(2000)


def test_several_providers():
    with Accounts(hashed("one", "ann"), start=False, core=SUBMISSION) as daemon:
        second = os.path.join(daemon.dir, "second")
        with open(os.open(second, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(hashed("two", "bob") + "\n" + hashed("two", "ann") + "\n")
        daemon.write("70-auth-file.yaml", f"plugin: auth-file\ninstance: first\nfile: {daemon.file}\n")
        daemon.write("71-auth-file.yaml", f"plugin: auth-file\ninstance: second\nfile: {second}\n")
        daemon.start()

        def codes():
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                out = [lib_sasl.plain(smtp, *pair).code for pair in (("ann", "three"),)]
            for pair in (("ann", "one"), ("ann", "two"), ("bob", "two")):
                with Smtp(daemon.port) as smtp:
                    smtp.hello()
                    out.append(lib_sasl.plain(smtp, *pair).code)
            return out

        assert codes() == [535, 235, 235, 235]
        daemon.configure({"auth": {**SUBMISSION["auth"], "providers": ["second"]}})
        daemon.cmd("reload")
        assert codes() == [535, 535, 235, 235]
        daemon.configure({"auth": {**SUBMISSION["auth"], "providers": ["second", "third"]}})
        done = daemon.run("reload")
        assert done.returncode == 78 and b"there are no accounts by the name of 'third'" in done.stdout + done.stderr, done
        assert codes() == [535, 535, 235, 235]


def test_unknown_accounts_and_scram():
    with Accounts(hashed("pencil", "ann", "--scheme", "scram-sha-256"), core=SUBMISSION) as daemon:
        def salt(name):
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                said = lib_sasl.challenge(lib_sasl.first(smtp, "SCRAM-SHA-256", f"n,,n={name},r=abcdefgh")).decode()
                return said.split(",", 1)[1]

        assert salt("ann") == salt("ann") != salt("nobody") == salt("nobody") != salt("somebody")
        assert salt("nobody").rsplit(",", 1)[1] == salt("ann").rsplit(",", 1)[1] == "i=10000"


def test_channel_binding_and_certificates_over_tls():
    with Certificates() as certificates:
        lines = (hashed("pencil", "ann", "--scheme", "scram-sha-256"), f"carl:! certificate=SHA256:{certificates.fingerprint('client')}")
        core = {**SUBMISSION, "auth": {"delay": "0s"}, "tls": {"certificates": [certificates.pair("server")], "ask_client": True}}
        with Accounts(*lines, core=core) as daemon:
            with Smtp(daemon.port) as smtp:
                assert "AUTH SCRAM-SHA-256" in smtp.hello().lines, "nothing that shows the password without TLS"
                assert lib_sasl.plain(smtp, "ann", "pencil").code == 538
                certificates.start_tls(smtp)
                assert "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in smtp.hello().lines
                assert lib_sasl.scram(smtp, "ann", "pencil", flag="y").code == 535, "it claims that -PLUS was not offered"
                assert lib_sasl.scram(smtp, "ann", "pencil", flag="p=tls-exporter", mechanism="SCRAM-SHA-256-PLUS", binding=b"x" * 32).code == 535, "of another channel"
                assert lib_sasl.scram(smtp, "ann", "pencil").code == 235, "a client that cannot bind"
            daemon.configure({"auth": {"delay": "0s", "mechanisms": ["SCRAM-SHA-256"]}})
            daemon.cmd("reload")
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                certificates.start_tls(smtp)
                assert "AUTH SCRAM-SHA-256" in smtp.hello().lines
                assert lib_sasl.scram(smtp, "ann", "pencil", flag="y").code == 235, "-PLUS is not offered, and it says so"
            daemon.configure({"auth": {"delay": "0s"}})
            daemon.cmd("reload")
            for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"):
                for password in ("pencil", "wrong"):
                    done = subprocess.run(["gsasl", "--smtp", "--starttls", "-m", mechanism, "-a", "ann", "-z", "", "-p", password, "--x509-ca-file", certificates.path("ca.pem"),
                                           *(() if mechanism.endswith("PLUS") else ("--no-cb",)), "--no-client-first", "localhost", str(daemon.port)], input=b"", capture_output=True, timeout=20, check=False)
                    assert (b"235 2.7.0" in done.stdout) == (password == "pencil") and (b"535 5.7.8" in done.stdout) == (password == "wrong"), (mechanism, password, done)
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                certificates.start_tls(smtp, "client")
                assert "AUTH EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN" in smtp.hello().lines
                assert lib_sasl.external(smtp, "ann").code == 535
                assert lib_sasl.external(smtp).code == 235
            daemon.wait_event("auth.accepted", account="carl", mechanism="EXTERNAL")
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                certificates.start_tls(smtp, "stranger")
                smtp.hello()
                assert lib_sasl.external(smtp, "carl").code == 535


if __name__ == "__main__":
    run_tests(globals())
