#!/usr/bin/env python3
# Scenario: certificates as ACME clients leave them, in directories that only root may enter, and a worker that is not root: the supervisor
# hands over what the configuration names, and nothing else. Needs root.
import json
import os
import subprocess
import threading

from lib_veredus import *
from tls_inbound import make_pair, names_shown

USER = "nobody"


class Acme:
    """/etc/letsencrypt: archive/NAME/privkeyN.pem, and live/NAME/privkey.pem that links to the newest. 0700 and 0600, root's."""

    def __init__(self, directory):
        self.dir = os.path.join(directory, "letsencrypt")
        self.numbers = {}
        for part in ("live", "archive"):
            os.makedirs(os.path.join(self.dir, part), mode=0o700)

    def renew(self, name, subject=None):
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        archive, live = (os.path.join(self.dir, part, name) for part in ("archive", "live"))
        for path in (archive, live):
            os.makedirs(path, mode=0o700, exist_ok=True)
        pair = make_pair(archive, f"new{number}", [subject or name])
        for kind, made in (("fullchain", pair["cert"]), ("privkey", pair["key"])):
            os.rename(made, os.path.join(archive, f"{kind}{number}.pem"))
            os.chmod(os.path.join(archive, f"{kind}{number}.pem"), 0o600)
            link = os.path.join(live, f"{kind}.pem")
            os.symlink(f"../../archive/{name}/{kind}{number}.pem", link + ".new")
            os.rename(link + ".new", link)
        return self.pair(name)

    def pair(self, name):
        return {"cert": os.path.join(self.dir, "live", name, "fullchain.pem"), "key": os.path.join(self.dir, "live", name, "privkey.pem")}


def keys_daemon(acme_names=("a.test",), start=True, **tls):
    """A daemon whose worker is not root, and where its certificates are."""
    if not is_root():
        raise Skip("needs root")
    daemon = Daemon(start=False)
    os.chmod(daemon.dir, 0o755)
    acme = Acme(daemon.dir)
    pairs = [acme.renew(name) for name in acme_names]
    daemon.configure({"user": USER, "tls": {"certificates": pairs, **tls}})
    if start:
        daemon.start()
    return daemon, acme


def test_keys_that_only_root_reads_are_used_and_renewed():
    daemon, acme = keys_daemon()
    with daemon:
        status = open(f"/proc/{daemon.worker_pid()}/status", encoding="ascii").read()
        assert "\nUid:\t65534\t" in status, status
        assert subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", "cat", acme.pair("a.test")["key"]], capture_output=True, check=False).returncode != 0
        assert names_shown(daemon.port) == "a.test"
        stop, failed = threading.Event(), []

        def talk():
            while not stop.is_set():
                try:
                    names_shown(daemon.port)
                except Exception as problem:  # pylint: disable=broad-except
                    failed.append(problem)

        talkers = [threading.Thread(target=talk) for _ in range(3)]
        for talker in talkers:
            talker.start()
        try:
            for number in range(2):
                acme.renew("a.test", f"renewed{number}.test")
                wait_until(lambda: names_shown(daemon.port) == f"renewed{number}.test", 20, daemon.tail)
        finally:
            stop.set()
            for talker in talkers:
                talker.join()
        assert not failed, failed[0]


def test_a_worker_that_was_restarted_has_them_too():
    daemon, _ = keys_daemon()
    with daemon:
        daemon.kill9("worker")
        daemon.wait_event("worker.ready", timeout=20)
        wait_until(lambda: names_shown(daemon.port) == "a.test", 20, daemon.tail)


def test_a_reload_names_new_ones():
    daemon, acme = keys_daemon()
    with daemon:
        fresh = acme.renew("b.test")
        daemon.configure({"tls": {"certificates": [fresh, acme.pair("a.test")]}})
        daemon.cmd("reload")
        wait_until(lambda: names_shown(daemon.port) == "b.test", 10, daemon.tail)


def test_tables_need_their_directory():
    for directories in ([], None):
        daemon, acme = keys_daemon(start=False)
        with daemon:
            pair = acme.renew("c.test")
            table = os.path.join(daemon.dir, "certificates")
            with open(table, "w", encoding="ascii") as file:
                file.write(f"c.test {pair['cert']} {pair['key']}\n")
            daemon.write("20-table.yaml", f"plugin: table-file\ninstance: certs\nfile: {json.dumps(table)}\n")
            daemon.configure({"tls": {"certificates": [acme.pair("a.test")], "certificate_table": "certs", "key_directories": [acme.dir] if directories is None else []}})
            daemon.start()
            if directories is None:
                wait_until(lambda: names_shown(daemon.port, "c.test") == "c.test", 10, daemon.tail)
                continue
            try:
                names_shown(daemon.port, "c.test")
                raise AssertionError("a key that nobody named was handed over")
            except OSError:
                pass
            refused = daemon.wait_event("supervisor.key_refused", timeout=10)
            assert refused["file"] in pair.values() and "tls.key_directories" in refused["reason"], refused
            text = daemon.wait_event("tls.refused", timeout=10)["text"]
            assert "key_directories" in text and "let the user nobody read it" in text, text


def test_what_is_no_certificate_stays_where_it_is():
    """Whoever has taken over the worker and the directory of an ACME client cannot read the rest of the system."""
    daemon, acme = keys_daemon()
    with daemon:
        link = acme.pair("a.test")["key"]
        os.unlink(link)
        os.symlink("/etc/shadow", link)
        refused = daemon.wait_event("supervisor.key_refused", timeout=20)
        assert refused["file"] == link and refused["reason"] == "it holds no PEM", refused
        assert names_shown(daemon.port) == "a.test"


def test_without_a_way_the_error_says_what_to_do():
    """All of it as an ordinary user: nobody can hand it over."""
    daemon, acme = keys_daemon(start=False)
    daemon.configure({"user": None})
    daemon.user = USER
    for path, _, _ in os.walk(daemon.dir):
        if "letsencrypt" not in path:
            os.chown(path, 65534, 65534)
    with daemon:
        daemon.start(ready=False)
        assert daemon.process.wait(20) == 78, daemon.tail()
        text = daemon.tail()
        assert acme.pair("a.test")["cert"] in text and "Permission denied" in text and "let the user nobody read it" in text, text
        assert "start the daemon as root" in text, text


if __name__ == "__main__":
    run_tests(globals())
