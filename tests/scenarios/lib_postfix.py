# Postfix: a real one from Debian, unpacked (never installed) and run in a root and mount namespace of its own, for which root is needed.
#
#     with SignedTree(ZONES) as tree, Postfix(tree, cert=PEM, key=PEM, transports={"in.test": f"smtp:in.test:{port}"}) as postfix:
#         postfix.submit("x@in.test")                            # Postfix delivers with DANE, by the tree's DNS
#         postfix.wait_log(r"Verified TLS connection established to mx\.in\.test")
#
# It listens on postfix.port of 127.0.0.1 and offers STARTTLS; mail for other domains is taken and thrown away, and the log says so. Its DNS
# is at port 53 of a loopback address of its own, which hands every question on to the tree's unbound: resolv.conf knows no ports.
import contextlib
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import struct
import subprocess
import sys
import threading

from lib_base import BUILD, ROOT, Skip, free_port, is_root, wait_until, work_dir

sys.path.insert(0, os.path.join(ROOT, "tests", "bench", "lib"))
from postfix import Postfix as Package  # noqa: E402  pylint: disable=wrong-import-position

MAIN_CF = """compatibility_level = 3.6
myhostname = postfix.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix.log
maillog_file_prefixes = /var
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_chain_files = /etc/postfix/chain.pem
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
default_transport = discard:taken
transport_maps = texthash:/etc/postfix/transport
smtp_dns_support_level = dnssec
smtp_host_lookup = dns
smtp_tls_security_level = dane
smtp_tls_loglevel = 1
smtp_tls_CAfile =
minimal_backoff_time = 1h
{more}
"""

MASTER_CF = """127.0.0.1:{port} inet n - n - 20 smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Relay:
    """DNS at port 53 of a loopback address, answered by the resolver at `to` ("ADDRESS:PORT")."""

    def __init__(self, to):
        host, port = to.rsplit(":", 1)
        self.to = (host, int(port))
        self.udp, self.tcp = self._bind()
        self.address = self.udp.getsockname()[0]
        for serve in (self._datagrams, self._connections):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def _bind():
        for _ in range(50):
            place = (f"127.{random.randrange(16, 250)}.{random.randrange(1, 250)}.53", 53)
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                udp.bind(place)
                return udp, socket.create_server(place)
            except OSError:
                udp.close()
        raise AssertionError("no loopback address whose port 53 is free")

    def _ask(self, question):
        with socket.create_connection(self.to, 10) as stream:
            stream.sendall(struct.pack("!H", len(question)) + question)
            file = stream.makefile("rb")
            return file.read(struct.unpack("!H", file.read(2))[0])

    def _answer(self, question, client):
        try:
            answer = self._ask(question)
            if len(answer) > 4096:
                answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:6] + b"\0" * 6 + question[12:]  # truncated: ask by TCP
            self.udp.sendto(answer, client)
        except (OSError, struct.error):
            pass  # as a resolver that does not answer

    def _datagrams(self):
        while True:
            try:
                question, client = self.udp.recvfrom(65535)
            except OSError:
                return
            threading.Thread(target=self._answer, args=(question, client), daemon=True).start()

    def _connections(self):
        while True:
            try:
                stream, _ = self.tcp.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, struct.error), stream:
                file = stream.makefile("rb")
                answer = self._ask(file.read(struct.unpack("!H", file.read(2))[0]))
                stream.sendall(struct.pack("!H", len(answer)) + answer)

    def stop(self):
        for one in (self.udp, self.tcp):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


def _unpacked():
    """The root as it comes from the packages, kept in the build directory."""
    if not is_root():
        raise Skip("Postfix needs root: its own mount namespace and user ids")
    place = os.path.join(BUILD, "postfix")
    package = Package(place)
    try:
        package.unpack()
        shutil.rmtree(package.debs, ignore_errors=True)
    except (subprocess.CalledProcessError, OSError) as error:
        shutil.rmtree(place, ignore_errors=True)
        raise Skip(f"Postfix cannot be fetched: {error}") from error
    return package.root


class Postfix:
    def __init__(self, tree, cert, key, transports=None, more="", port=None):
        """cert, key: PEM files. transports: recipient domain -> transport(5). more: lines for main.cf."""
        unpacked = _unpacked()
        self.dir, self.port = work_dir(), port or free_port()
        self.package = Package(self.dir)
        shutil.copytree(unpacked, self.package.root, symlinks=True)
        self.dns = Relay(tree.resolver)
        self._configure(cert, key, transports or {}, more)
        with open(os.path.join(self.dir, "stderr"), "wb") as log:
            self.process = subprocess.Popen(self.package.command(), stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until(self._answers, 20, self.log)
        except BaseException:
            self.stop()
            raise

    def _configure(self, cert, key, transports, more):
        write = self.package._write  # pylint: disable=protected-access
        self.package._empty_spool()  # pylint: disable=protected-access
        for name, text in {
            "etc/passwd": "root:x:0:0::/:/bin/false\npostfix:x:30125:30125::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
            "etc/group": "root:x:0:\npostfix:x:30125:\npostdrop:x:30126:\nnogroup:x:65534:\n",
            "etc/hosts": "127.0.0.1 localhost postfix.test\n",
            "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\n",
            "etc/services": "smtp 25/tcp\n",
            "etc/resolv.conf": f"nameserver {self.dns.address}\noptions trust-ad\n",
            "etc/postfix/transport": "".join(f"{domain} {transport}\n" for domain, transport in transports.items()),
            "etc/postfix/main.cf": MAIN_CF.format(more=more),
            "etc/postfix/master.cf": MASTER_CF.format(port=self.port),
            "etc/postfix/chain.pem": _read(key) + _read(cert),
        }.items():
            write(name, text)

    def _answers(self):
        assert self.process.poll() is None, self.log()
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                return probe.recv(3) == b"220"
        except OSError:
            return False

    def submit(self, recipient):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
            client.sendmail("a@client.test", [recipient], b"Subject: scenario\r\n\r\nbody\r\n")

    def log(self):
        out = ""
        for path in (os.path.join(self.dir, "stderr"), self.package.log):
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    out += file.read()
        return out

    def wait_log(self, pattern, timeout=30):
        return wait_until(lambda: re.search(pattern, self.log()), timeout, lambda: f"{pattern} in\n{self.log()}")

    def stop(self):
        self.dns.stop()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        if not os.environ.get("VEREDUS_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind is not None and getattr(error, "code", 1):  # run_tests() leaves by SystemExit
            print(f"--- Postfix\n{self.log()}---", file=sys.stderr)
        self.stop()


def _read(path):
    with open(path, encoding="ascii") as file:
        return file.read()
