# LocalHost: a daemon with the plugin local and its helper, and users of its own: from a file in the form of passwd(5), with numbers that no
# account of this machine has. As root the helper becomes them; nothing outside the directory of the test is touched.
import json
import os
import subprocess

from lib_veredus import *  # noqa: F401,F403
from lib_base import BUILD, Skip, is_root, wait_until
from lib_veredus import Daemon

HELPER = os.path.join(BUILD, "plugins/local/veredus-local")
USERS = {"bob": 61001, "carol": 61002, "dan": 61003, "vmail": 61004, "admin": 61005, "nobody": 61006}
SPOOL_GROUP = 61010


def needs_mounts():
    needs_root()
    if subprocess.run(["unshare", "--mount", "/bin/true"], check=False, capture_output=True).returncode != 0:
        raise Skip("no mounts of one's own here")


def needs_root():
    if not is_root():
        raise Skip("delivering as others needs root")


class LocalHost(Daemon):
    """`aliases` is the text of the file; `options` further options of the helper; `settings` further lines of the plugin's fragment;
    with `real` its users are those of the machine for the helper and what it runs."""

    def __init__(self, aliases="", options=(), settings="", files=None, start=True, mailbox=None, core=None, real=False):
        needs_root()
        super().__init__(start=False)
        self.homes, self.mail = os.path.join(self.dir, "home"), os.path.join(self.dir, "mail")
        self.passwd, self.aliases = os.path.join(self.dir, "passwd"), os.path.join(self.dir, "aliases")
        os.mkdir(self.homes)
        os.mkdir(self.mail)
        os.chown(self.mail, 0, SPOOL_GROUP)
        os.chmod(self.mail, 0o2775)  # as /var/mail is
        with open(self.passwd, "w", encoding="ascii") as file:
            file.write(f"root:x:0:0:root:{self.homes}:/bin/sh\n")
            for name, number in USERS.items():
                home = os.path.join(self.homes, name)
                os.mkdir(home)
                os.chown(home, number, number)
                file.write(f"{name}:x:{number}:{number}:{name}:{home}:/bin/sh\n")
        self.write_aliases(aliases)
        words = [HELPER, f"--passwd={self.passwd}", f"--aliases={self.aliases}", "--mailbox=" + (mailbox or f"{self.mail}/{{user}}"), *options]
        if real:
            words = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", f'mount --bind {self.passwd} /etc/passwd && exec "$@"', "helper", *words]
        self.configure({"hostname": "host.test", "local_domains": ["host.test", "localhost"], "relay_domains": [], "relay_networks": [],
                        "queue": {"retry": ["300ms"]}, "helpers": [{"name": "local", "command": words, "user": "root"}], **(core or {})})
        self.write("70-local.yaml", f"plugin: local\nusers: {json.dumps(self.passwd)}\naliases: [{json.dumps(self.aliases)}]\nuser_cache: 0s\n{settings}")
        for name, text in (files or {}).items():
            self.write(name, text)
        if start:
            self.start()

    def write_aliases(self, text):
        """Old enough to be taken at once."""
        with open(self.aliases + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(self.aliases + ".new", (1_700_000_000, 1_700_000_000))
        os.replace(self.aliases + ".new", self.aliases)

    def put(self, user, name, text, mode=0o644, owner=None):
        path = os.path.join(self.homes, user, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(path, USERS[owner or user], USERS[owner or user])
        os.chmod(path, mode)
        return path

    def box(self, user):
        path = os.path.join(self.mail, user)
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def count(self, user):
        return self.box(user).count("\nReturn-Path: ")

    def home(self, user, name):
        path = os.path.join(self.homes, user, name)
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def idle(self, timeout=20):
        wait_until(lambda: self.balance()[2] == 0, timeout, lambda: "the queue is empty\n" + self.tail())
