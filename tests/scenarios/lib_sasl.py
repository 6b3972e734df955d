# SASL as a client of our listeners, written from the RFCs and without libgsasl: PLAIN, LOGIN, SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, EXTERNAL.
# `smtp` is an Smtp. Each function returns the last reply.
import base64
import hashlib
import hmac
import os
import shutil
import ssl
import subprocess

from lib_base import work_dir


def b64(octets):
    return base64.b64encode(octets.encode() if isinstance(octets, str) else octets).decode()


def challenge(reply):
    """The octets of a 334."""
    assert reply.code == 334, reply
    return base64.b64decode(reply.lines[0], validate=True)


def first(smtp, mechanism, octets, initial=True):
    """AUTH with an initial response ("=" when it is empty), or without one and the same as the first answer."""
    if initial:
        return smtp.cmd(f"AUTH {mechanism} {b64(octets) or '='}")
    reply = smtp.cmd(f"AUTH {mechanism}")
    return smtp.cmd(b64(octets)) if reply.code == 334 else reply


def plain(smtp, account, password, acting_as="", initial=True):
    return first(smtp, "PLAIN", f"{acting_as}\0{account}\0{password}", initial)


def login(smtp, account, password, initial=False):
    reply = smtp.cmd(f"AUTH LOGIN {b64(account)}" if initial else "AUTH LOGIN")
    if not initial and reply.code == 334:
        assert challenge(reply) == b"Username:"
        reply = smtp.cmd(b64(account))
    if reply.code != 334:
        return reply
    assert challenge(reply) == b"Password:"
    return smtp.cmd(b64(password))


def _name(text):
    return text.replace("=", "=3D").replace(",", "=2C")


def scram(smtp, account, password, acting_as="", initial=True, flag="n", mechanism="SCRAM-SHA-256", binding=b""):
    """RFC 5802; the server's proof is checked."""
    header = f"{flag},{'a=' + _name(acting_as) if acting_as else ''},"
    bare = f"n={_name(account)},r={b64(os.urandom(18))}"
    reply = first(smtp, mechanism, header + bare, initial)
    if reply.code != 334:
        return reply
    said = challenge(reply).decode()
    parts = dict(part.split("=", 1) for part in said.split(","))
    assert parts["r"].startswith(bare.split(",r=")[1]) and int(parts["i"]) >= 4096, said
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without = f"c={b64(header.encode() + binding)},r={parts['r']}"
    spoken = f"{bare},{said},{without}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), spoken, "sha256")
    reply = smtp.cmd(b64(f"{without},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}"))
    if reply.code != 334:
        return reply
    proof = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), spoken, "sha256")
    assert challenge(reply) == b"v=" + base64.b64encode(proof), "the server has proven nothing"
    return smtp.cmd("")


def oauth(smtp, token, account="", mechanism="OAUTHBEARER", initial=True):
    """A refusal is told first, and acknowledged."""
    message = f"user={account}\1" if mechanism == "XOAUTH2" else f"n,{'a=' + _name(account) if account else ''},\1host=mx.example.test\1port=587\1"
    reply = first(smtp, mechanism, f"{message}auth=Bearer {token}\1\1", initial)
    if reply.code != 334:
        return reply
    assert b'"status":' in challenge(reply), reply
    return smtp.cmd(b64("\1"))


def external(smtp, acting_as="", initial=True):
    return first(smtp, "EXTERNAL", acting_as, initial)


class Certificates:
    """An authority and what it has signed, in a directory that goes away: `server` (localhost), `client`, `stranger`."""

    def __init__(self):
        self.dir = work_dir()
        self._openssl("req", "-x509", "-subj", "/CN=Scenario CA", "-keyout", "ca.key", "-out", "ca.pem", new=True)
        for name, subject, more in (("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "/CN=client.test", "extendedKeyUsage=clientAuth"),
                                    ("stranger", "/CN=stranger.test", "extendedKeyUsage=clientAuth")):
            self._openssl("req", "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr", new=True)
            with open(self.path("ext"), "w", encoding="ascii") as file:
                file.write(more + "\n")
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", f"{name}.pem")

    def _openssl(self, *words, new=False):
        fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *(["-days", "2"] if "-x509" in words else [])] if new else []
        subprocess.run(["openssl", words[0], *fresh, *words[1:]], cwd=self.dir, check=True, capture_output=True, timeout=30)

    def path(self, name):
        return os.path.join(self.dir, name)

    def pair(self, name):
        return {"cert": self.path(f"{name}.pem"), "key": self.path(f"{name}.key")}

    def fingerprint(self, name):
        with open(self.path(f"{name}.pem"), encoding="ascii") as file:
            return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()

    def start_tls(self, smtp, client=None):
        """STARTTLS on an Smtp; with the certificate of `client`."""
        smtp.cmd("STARTTLS", 220)
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if client:
            context.load_cert_chain(self.path(f"{client}.pem"), self.path(f"{client}.key"))
        smtp.socket = context.wrap_socket(smtp.socket, server_hostname="localhost")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)
