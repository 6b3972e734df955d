#!/usr/bin/env python3
# Mailing lists of a real Mailman 3: it writes the map of its addresses, veredusd sends them there over LMTP, and Mailman hands what it sends out
# back by SMTP. A post reaches the members; an address of no list is refused at RCPT.
import json
import os
import re
import shutil
import signal
import socket
import subprocess

from lib_base import free_port
from lib_veredus import *  # noqa: F401,F403

CONFIG = """
[mailman]
layout: here
site_owner: owner@lists.test
[paths.here]
var_dir: {dir}/var
bin_dir: /usr/lib/mailman3/bin
queue_dir: $var_dir/queue
list_data_dir: $var_dir/lists
log_dir: $var_dir/logs
lock_dir: $var_dir/locks
data_dir: $var_dir/data
cache_dir: $var_dir/cache
etc_dir: {dir}/etc
messages_dir: $var_dir/messages
archive_dir: $var_dir/archives
template_dir: $var_dir/templates
pid_file: $var_dir/master.pid
lock_file: $lock_dir/master.lck
[mta]
incoming: mailman.mta.postfix.LMTP
outgoing: mailman.mta.deliver.deliver
lmtp_host: 127.0.0.1
lmtp_port: {lmtp}
smtp_host: 127.0.0.1
smtp_port: {smtp}
configuration: {dir}/postfix.cfg
[webservice]
port: {web}
"""


class Mailman:
    """The list dev@lists.test with two members. Runs as the user whom Debian's package made."""

    def __init__(self, smtp):
        if not shutil.which("mailman"):
            raise Skip("mailman3 is not installed")
        if not is_root():
            raise Skip("Mailman runs as its own user, which needs root")
        self.dir = work_dir()
        os.chmod(self.dir, 0o755)
        self.lmtp, self.process = free_port(), None
        for name, text in (("mailman.cfg", CONFIG.format(dir=self.dir, lmtp=self.lmtp, smtp=smtp, web=free_port())),
                           ("postfix.cfg", "[postfix]\npostmap_command: /bin/true\ntransport_file_type: hash\n"), ("members", "ann@far.test\nbob@far.test\n")):
            with open(os.path.join(self.dir, name), "w", encoding="ascii") as file:
                file.write(text)
        for name in ("var", "etc"):
            os.mkdir(os.path.join(self.dir, name))
            shutil.chown(os.path.join(self.dir, name), "list", "list")
        self.mailman("create", "dev@lists.test")
        self.mailman("addmembers", os.path.join(self.dir, "members"), "dev@lists.test")
        self.accept_all()
        self.mailman("aliases")
        self.map = os.path.join(self.dir, "var/data/postfix_lmtp")

    def command(self, program, *words):
        return ["setpriv", "--reuid=list", "--regid=list", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin", f"HOME={self.dir}/var", "LC_ALL=C.UTF-8", "/usr/bin/python3", program,
                "-C", os.path.join(self.dir, "mailman.cfg"), *words]

    def mailman(self, *words, stdin=""):
        done = subprocess.run(self.command("/usr/bin/mailman", *words), input=stdin, capture_output=True, text=True, timeout=60, cwd="/", check=False)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def accept_all(self):
        """Whoever writes to the list is let through."""
        self.mailman("shell", "-l", "dev@lists.test", stdin="from mailman.interfaces.action import Action\nm.default_nonmember_action = Action.accept\nm.send_welcome_message = False\ncommit()\n")

    def __enter__(self):
        self.process = subprocess.Popen(self.command("/usr/lib/mailman3/bin/master"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        try:
            wait_until(self.listens, 60, self.log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)

    def listens(self):
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.lmtp)) == 0

    def log(self):
        out = ""
        for folder, _, names in os.walk(os.path.join(self.dir, "var/logs")):
            for name in names:
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                    out += f"{name}: {file.read()[-2000:]}\n"
        return out


def test_a_post_goes_through_the_list():
    port = free_port()
    with Hop() as members, Mailman(port) as mailman:
        rules = 'plugin: routing\nrules:\n  - { name: lists, when: { recipient: "@lists.test" }, table: { name: mailman, key: recipient } }\n'
        core = {"listeners": [{"address": f"127.0.0.1:{port}", "role": "mx"}], "relay_domains": ["lists.test"], "routes": routes_to(members)}
        files = {"20-mailman.yaml": f"plugin: table-file\ninstance: mailman\nfile: {json.dumps(mailman.map)}\ncheck: 100ms\n", "60-routing.yaml": rules}
        with Daemon(core, files=files) as daemon:
            with Smtp(port) as client:
                client.hello()
                client.deliver(b"From: ann@far.test\r\nTo: dev@lists.test\r\nSubject: a post\r\nMessage-ID: <1@far.test>\r\n\r\nHello list.\r\n", sender="ann@far.test", recipients=["dev@lists.test"])
            posts = lambda: [one for one in members.messages if b"Subject: [Dev] a post" in one.octets]  # noqa: E731, beside words of welcome
            wait_until(lambda: {r for one in posts() for r in one.recipients} == {"ann@far.test", "bob@far.test"}, 60, lambda: f"{members.messages}\n{mailman.log()}\n{daemon.tail()}")
            assert re.search(rb"List-Id: .*<dev\.lists\.test>", posts()[0].octets) and posts()[0].sender.startswith("dev-bounces"), posts()[0].octets
            with Smtp(port) as client:  # an address that the map has for commands
                client.hello()
                client.deliver(b"From: carol@far.test\r\nTo: dev-join@lists.test\r\nSubject: join\r\nMessage-ID: <2@far.test>\r\n\r\nx\r\n", sender="carol@far.test", recipients=["dev-join@lists.test"])
            wait_until(lambda: any("carol@far.test" in one.recipients for one in members.messages), 60, lambda: f"{mailman.log()}\n{daemon.tail()}")


if __name__ == "__main__":
    run_tests(globals())
