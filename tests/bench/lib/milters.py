"""What proves where mail comes from, for both servers: keys and a signed message, a resolver (unbound) that has the records, and for Postfix the
milters opendkim and opendmarc of Debian. opendmarc asks the system's resolver, so it runs in a mount namespace with a resolv.conf of its own."""
import base64
import contextlib
import os
import random
import shutil
import signal
import subprocess

from tools import accepts, free_port, wait_for

DOMAIN = "signed.test"
MESSAGE = "From: Ann <ann@signed.test>\r\nTo: user@load.test\r\nSubject: signed\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@signed.test>\r\n\r\n"


def missing():
    """Why milters cannot run here, or None."""
    if os.geteuid() != 0:
        return "unbound at port 53 of a loopback address and the mount namespace of opendmarc need root"
    gone = [name for name in ("opendkim", "opendmarc", "unbound") if shutil.which(name, path="/usr/sbin:/usr/bin") is None]
    return f"not installed: {' '.join(gone)}" if gone else None


def make_key(path, *algorithm):
    subprocess.run(["openssl", "genpkey", *algorithm, "-out", path], check=True, capture_output=True)
    os.chmod(path, 0o600)
    return subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout


class Identity:
    """The domain signed.test: an RSA key of 2048 bits and one of ed25519, a message of 4 KiB that the first signed, and what DNS says."""

    def __init__(self, folder, veredus):
        os.makedirs(folder, exist_ok=True)
        self.rsa, self.ed25519, self.message = (os.path.join(folder, name) for name in ("rsa.pem", "ed25519.pem", "message"))
        public = base64.b64encode(make_key(self.rsa, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")).decode()
        make_key(self.ed25519, "-algorithm", "ed25519")
        self.key_record = f"v=DKIM1; k=rsa; p={public}"
        self.records = {f"rsa._domainkey.{DOMAIN}": self.key_record, DOMAIN: "v=spf1 ip4:127.0.0.0/8 -all", f"_dmarc.{DOMAIN}": "v=DMARC1; p=reject"}
        body = "".join(f"line {number} of a message that is signed, and long enough\r\n" for number in range(70))
        signed = subprocess.run([veredus, "sign", "dkim", "--domain", DOMAIN, "--selector", "rsa", "--key", self.rsa], input=(MESSAGE + body).encode(), check=True, capture_output=True)
        with open(self.message, "wb") as file:
            file.write(signed.stdout)


@contextlib.contextmanager
def resolver(folder, records):
    """unbound at port 53 of a loopback address of its own; yields the address."""
    address = f"127.{random.randrange(10, 250)}.{random.randrange(250)}.{random.randrange(1, 250)}"
    lines = []
    for name, text in records.items():
        parts = " ".join(f'"{text[at:at + 250]}"' for at in range(0, len(text), 250))
        lines.append(f"  local-data: '{name}. 300 IN TXT {parts}'\n")
    config = os.path.join(folder, "unbound.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f'server:\n  interface: {address}\n  do-daemonize: no\n  username: ""\n  chroot: ""\n  pidfile: ""\n  use-syslog: no\n  logfile: {folder}/unbound.log\n'
                   f"  access-control: 127.0.0.0/8 allow\n  local-zone: test. static\n{''.join(lines)}remote-control:\n  control-enable: no\n")
    process = subprocess.Popen(["/usr/sbin/unbound", "-c", config])
    try:
        wait_for(lambda: process.poll() is not None or answers(address), 20, "unbound to answer")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def answers(address):
    import socket  # pylint: disable=import-outside-toplevel
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, 53)) == 0


@contextlib.contextmanager
def running(command):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


@contextlib.contextmanager
def opendkim(folder, identity, mode):
    """mode: s signs, v verifies. Keys are read from files, so that it need not ask DNS. Yields what smtpd_milters says."""
    port = free_port()
    keys = write(folder, "public-keys", f"rsa._domainkey.{DOMAIN} {identity.key_record}\n")
    hosts = write(folder, "internal", "127.0.0.0/8\n" if mode == "s" else "192.0.2.1\n")
    config = write(folder, f"opendkim-{mode}.conf", f"Mode {mode}\nDomain {DOMAIN}\nSelector rsa\nKeyFile {identity.rsa}\nCanonicalization relaxed/relaxed\n"
                   f"Socket inet:{port}@127.0.0.1\nInternalHosts {hosts}\nTestPublicKeys {keys}\nBackground no\nSyslog no\nUMask 002\nRequireSafeKeys no\nOversignHeaders From\n")
    with running(["/usr/sbin/opendkim", "-f", "-x", config]):
        wait_for(lambda: accepts(port), 20, "opendkim to listen")
        yield f"inet:127.0.0.1:{port}"


@contextlib.contextmanager
def opendmarc(folder, address):
    port = free_port()
    hosts = write(folder, "ignored", "192.0.2.1\n")
    resolv = write(folder, "resolv.conf", f"nameserver {address}\n")
    config = write(folder, "opendmarc.conf", f"Socket inet:{port}@127.0.0.1\nIgnoreHosts {hosts}\nSPFSelfValidate true\nSPFIgnoreResults true\nRejectFailures true\nBackground false\nSyslog false\n")
    script = 'mount --bind "$0" /etc/resolv.conf && exec /usr/sbin/opendmarc -f -c "$1"'
    with running(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, resolv, config]):
        wait_for(lambda: accepts(port), 20, "opendmarc to listen")
        yield f"inet:127.0.0.1:{port}"
