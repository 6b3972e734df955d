#!/usr/bin/env python3
# `veredus check tls` and `veredus check dane`: against servers that speak TLS with OpenSSL in every state, in a tree of signed and broken zones.
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
import warnings

from lib_base import VEREDUS, free_port, run_tests, work_dir
from lib_dnssec import SignedTree, bogus, dead, expired, insecure, tlsa, unsigned


class Authority:
    """A CA of openssl's, and certificates of it."""

    def __init__(self):
        self.dir = work_dir()
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA",
                      "-days", "30", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self.ca = os.path.join(self.dir, "ca.pem")

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.dir, capture_output=True, check=True)

    def pair(self, name, days=90, chain=True):
        """(certificate with its chain, key) for a name; days may be negative."""
        stem = f"{name}-{days}-{chain}"
        cert, key = os.path.join(self.dir, stem + ".pem"), os.path.join(self.dir, stem + ".key")
        if os.path.exists(cert):
            return cert, key
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", stem + ".csr", "-subj", f"/CN={name}")
        with open(os.path.join(self.dir, stem + ".ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        self._openssl("x509", "-req", "-in", stem + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-out", cert, "-extfile", stem + ".ext")
        if chain:
            with open(self.ca, encoding="ascii") as file, open(cert, "a", encoding="ascii") as out:
                out.write(file.read())
        return cert, key


class Server:
    """SMTP far enough for a check; misdeeds by name: no-starttls, refuse, garbage, inject, busy, silent, no-tickets, tls1.1."""

    def __init__(self, pair, misdeed="", implicit=False, address="127.0.0.1", port=None):
        self.misdeed, self.implicit = misdeed, implicit
        self.port = port or free_port(address)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.context.set_alpn_protocols(["smtp"])
        if misdeed == "no-tickets":
            self.context.options |= ssl.OP_NO_TICKET
            self.context.num_tickets = 0
        if misdeed == "tls1.1":
            warnings.simplefilter("ignore", DeprecationWarning)
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = self.context.maximum_version = ssl.TLSVersion.TLSv1_1
        self.commands = []
        self.listener = socket.create_server((address, self.port))
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)  # ends accept() in the other thread
        self.thread.join()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.implicit:
                client = self.context.wrap_socket(client, server_side=True)
            self._talk(client, self.implicit)
        except OSError:
            pass
        finally:
            client.close()

    def _talk(self, client, inside):
        greeting = {"busy": b"554 5.7.1 not you\r\n", "garbage": b"SSH-2.0-OpenSSH\r\n", "silent": b""}.get(self.misdeed, b"220 mx.example.test ESMTP\r\n")
        if not inside or self.implicit:
            client.sendall(greeting)
        rest = b""
        while True:
            while b"\n" not in rest:
                got = client.recv(4096)
                if not got:
                    return
                rest += got
            line, rest = rest.split(b"\n", 1)
            verb = line.split()[0].upper()
            self.commands.append(verb)
            if verb == b"EHLO":
                starttls = b"" if inside or self.misdeed == "no-starttls" else b"250-STARTTLS\r\n"
                client.sendall(b"250-mx.example.test\r\n" + starttls + (b"250-REQUIRETLS\r\n" if inside else b"") + b"250 PIPELINING\r\n")
            elif verb == b"STARTTLS" and self.misdeed == "refuse":
                client.sendall(b"454 4.7.0 not now\r\n")
            elif verb == b"STARTTLS":
                client.sendall(b"220 go ahead\r\n" + (b"250 injected\r\n" if self.misdeed == "inject" else b""))
                client = self.context.wrap_socket(client, server_side=True)
                return self._talk(client, True)
            elif verb == b"QUIT":
                return client.sendall(b"221 bye\r\n")
            else:
                client.sendall(b"502 5.5.1 no\r\n")


CA, ZONES, PORT, RECORDS = None, None, free_port(), {}


def check(kind, target, *words, code=0):
    began = time.monotonic()
    call = [VEREDUS, "--conf", "/nonexistent", "check", kind, target, "--dns", ZONES.resolver, *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == code, (call, done)
    assert time.monotonic() - began < 20, "a check ends within 20 s"
    return done.stdout


def results(kind, target, *words):
    import json  # pylint: disable=import-outside-toplevel
    text = check(kind, target, *words)
    lines = text.splitlines()
    assert lines, text
    for line in lines[1:]:
        head = line.split(" ", 1)[0]
        assert head.endswith(":") or head in WORDS, f"neither a result nor a note: {line}"
    objects = [json.loads(line) for line in check(kind, target, *words, "--json").splitlines()]
    assert [o["result"] for o in objects] == [line.split(" ", 1)[0] for line in lines if not line.split(" ", 1)[0].endswith(":")], (text, objects)
    return objects


WORDS = {"valid", "untrusted", "no-starttls", "tls-failed", "no-smtp", "unreachable", "none", "bogus", "dns-failed", "dane-ok", "mismatch", "no-tls", "unusable", "insecure",
         "no-address", "partial", "null-mx", "no-domain"}


def level(found, name):
    return next(one["text"] for one in found["mail"] if one["level"] == name)


def tls(pair=None, misdeed="", target="mx.example.test", words=(), **args):
    with Server(pair or CA.pair("mx.example.test"), misdeed, **args) as server:
        found = results("tls", target, "--port", server.port, "--ca", CA.ca, *words)
        assert len(found) == 1, found
        return found[0]


def test_a_good_server():
    found = tls()
    assert found["result"] == "valid" and found["tls"]["version"] == "TLS1.3" and found["alpn"] == "smtp", found
    assert found["starttls"] and found["requiretls"] and found["resumption"] is True and found["secure"] is True, found
    assert found["certificate"]["names"] == ["mx.example.test"] and 88 <= found["certificate"]["days_left"] <= 90, found
    assert found["chain"][0]["subject"] == "CN=Test CA" and "256" in found["certificate"]["key"], found
    assert level(found, "verify").startswith("is sent") and level(found, "dane-only").startswith("waits"), found
    assert "fix" not in found, found


def test_certificates_that_do_not_do():
    cases = [(CA.pair("other.test"), "certificate-host-mismatch"), (CA.pair("mx.example.test", -1), "certificate-expired"), (CA.pair("mx.example.test", 90, False), "")]
    for pair, fault in cases:
        found = tls(pair)
        assert found["result"] == ("untrusted" if fault else "valid"), found
        if fault:
            assert found["verification"]["fault"] == fault and level(found, "verify").startswith("waits") and level(found, "encrypt").startswith("is sent"), found
            assert found["fix"], found
    found = tls(CA.pair("other.test"), words=["--name", "other.test"])
    assert found["result"] == "valid", found
    found = tls(CA.pair("mx.example.test", 5))
    assert found["result"] == "valid" and "renewed" in found["fix"][0], found
    with Server(CA.pair("mx.example.test")) as server:
        found = results("tls", "mx.example.test", "--port", server.port, "--ca", CA.pair("other.test", 90, False)[0])[0]
        assert found["result"] == "untrusted", found


def test_servers_that_do_not_do():
    for misdeed, word, clear in [("no-starttls", "no-starttls", "clear text"), ("refuse", "tls-failed", "clear text"), ("inject", "tls-failed", "waits"), ("busy", "no-smtp", "waits"),
                                 ("garbage", "no-smtp", "waits"), ("tls1.1", "tls-failed", "clear text")]:
        found = tls(misdeed=misdeed)
        assert found["result"] == word and found["problem"], (misdeed, found)
        assert clear in level(found, "opportunistic") and level(found, "encrypt").startswith("waits") and level(found, "verify").startswith("waits"), (misdeed, found)
    assert tls(misdeed="no-tickets")["resumption"] is False


def test_implicit_tls_and_addresses():
    found = tls(words=["--implicit"], implicit=True)
    assert found["result"] == "valid" and found["greeting"].startswith("220 "), found
    found = tls(target="127.0.0.1")
    assert found["result"] == "valid" and "dns" not in found, found
    assert tls(target="mx.plain.test", words=["--name", "mx.example.test"])["secure"] is False


def test_nobody_there():
    assert results("tls", f"mx.example.test:{free_port()}")[0]["result"] == "unreachable"
    assert results("tls", "gone.example.test")[0]["result"] == "none"
    assert results("tls", "mx.old.test")[0]["result"] == "bogus"
    assert results("tls", "mx.dead.test")[0]["result"] == "dns-failed"
    with Server(CA.pair("mx.example.test"), "silent") as server:
        assert results("tls", "mx.example.test", "--port", server.port, "--timeout", 2)[0]["result"] == "no-smtp"


def test_wrong_command_lines():
    for words in (["a.test", "--port", "0"], ["a.test", "--timeout", "20"], ["a.test", "--dns"], ["a..test"], ["a.test", "b.test"], ["a.test", "--none"], ["a.test:x"]):
        done = subprocess.run([VEREDUS, "--conf", "/nonexistent", "check", "tls", *words], capture_output=True, text=True, timeout=40, check=False)
        assert done.returncode == 64 and done.stderr, (words, done)
    done = subprocess.run([VEREDUS, "check", "dane"], capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 64 and "domain is missing" in done.stderr, done
    assert subprocess.run([VEREDUS, "check", "tls", "a.test", "--ca", "/nonexistent"], capture_output=True, timeout=40, check=False).returncode == 66


def dane(domain, pair=None, misdeed=""):
    with Server(pair or CA.pair("mx.example.test"), misdeed, port=PORT):
        found = results("dane", domain, "--port", PORT, "--ca", CA.ca)
    assert found[0]["kind"] == "domain" and all(one["kind"] == "host" for one in found[1:]), found
    return found


def test_a_domain_with_dane():
    domain, host = dane("example.test")
    assert domain["result"] == "dane-ok" and domain["secure"] and domain["mail"] == ["reaches the domain"], domain
    assert host["result"] == "dane-ok" and host["tlsa_name"] == f"_{PORT}._tcp.mx.example.test", host
    assert "authenticated by DANE" in level(host, "opportunistic"), host
    domain, host = dane("example.test", CA.pair("mx.example.test", 5))
    assert host["result"] == "mismatch" and level(host, "dane").startswith("is not sent"), host
    assert any(tlsa(CA.pair("mx.example.test", 5)[0]).removeprefix("TLSA ") in fix for fix in host["fix"]), "a record to paste"
    assert domain["result"] == "mismatch" and "waits in the queue" in domain["mail"][0], domain
    domain, host = dane("example.test", misdeed="no-starttls")
    assert domain["result"] == host["result"] == "no-tls", (domain, host)
    assert results("dane", "example.test", "--port", free_port())[1]["result"] == "none"


def test_what_a_renewal_breaks():
    host = dane("bycert.test")[1]
    assert host["result"] == "dane-ok" and "3 0 1 must change with every renewal" in host["fix"][0], host
    pair = CA.pair("expiring.test", -1)
    ZONES.update("bykey.test", {f"_{PORT}._tcp.mx": tlsa(pair[0], 3, 1, 1)})
    host = dane("bykey.test", pair)[1]
    assert host["result"] == "dane-ok" and "does not matter to records of usage 3" in host["note"][0], host
    ZONES.update("bykey.test", {f"_{PORT}._tcp.mx": tlsa(CA.ca, 2, 0, 1)})
    host = dane("bykey.test", pair)[1]
    assert host["result"] == "mismatch" and "expired" in host["summary"], host
    pair = CA.pair("mx.bykey.test", 5)
    host = dane("bykey.test", pair)[1]
    assert host["result"] == "dane-ok" and "with usage 2 that ends the match" in host["fix"][0], host
    assert "none of the names" in dane("bykey.test", CA.pair("elsewhere.test"))[1]["summary"]


def test_domains_without_dane():
    domain, host = dane("signed.test")
    assert domain["result"] == host["result"] == "none", (domain, host)
    assert f"publish: _{PORT}._tcp.mx.signed.test. IN {tlsa(CA.pair('mx.example.test')[0])}" in host["fix"], host
    domain, host = dane("plain.test")
    assert domain["result"] == "insecure" and "sign the zone plain.test" in domain["fix"][0], domain
    assert host["result"] == "dane-ok" and "DANE does not apply: the MX records of plain.test are not signed" in level(host, "dane"), host
    domain, host = dane("island.test")
    assert domain["result"] == host["result"] == "insecure", (domain, host)
    domain, *hosts = dane("partial.test")
    assert domain["result"] == "partial" and [host["result"] for host in hosts] == ["dane-ok", "insecure"], (domain, hosts)
    host = dane("useless.test")[1]
    assert host["result"] == "unusable" and level(host, "dane").startswith("is sent encrypted") and len(host["fix"]) == 3, host
    assert "usage 1 (PKIX-EE)" in host["tlsa"][0]["record"] + host["tlsa"][1]["record"], host


def test_domains_that_are_broken():
    for name, word in [("old.test", "bogus"), ("dead.test", "dns-failed"), ("null.test", "null-mx"), ("gone.test", "no-domain")]:
        found = dane(name)
        assert len(found) == 1 and found[0]["result"] == word, found
    domain, host = dane("forged.test")
    assert domain["result"] == host["result"] == "bogus" and level(host, "opportunistic").startswith("waits") and level(host, "dane").startswith("waits"), (domain, host)
    domain, host = dane("noaddress.test")
    assert domain["result"] == host["result"] == "no-address", (domain, host)


def test_aliases_and_domains_without_mx():
    domain, host = dane("alias.test")
    assert host["result"] == "dane-ok" and host["tlsa_name"] == f"_{PORT}._tcp.mx.example.test" and "alias of mx.example.test" in host["dns"], host
    assert domain["result"] == "dane-ok", domain
    domain, host = dane("nomx.test")
    assert domain["result"] == "dane-ok" and "no MX records" in domain["note"][0], (domain, host)


def tree():
    good = tlsa(CA.pair("mx.example.test")[0])
    record = f"_{PORT}._tcp.mx"
    mx = {"@": "MX 10 mx", "mx": "A 127.0.0.1"}
    return {
        "example.test": {**mx, record: good},
        "bycert.test": {**mx, record: tlsa(CA.pair("mx.example.test")[0], 3, 0, 1)},
        "bykey.test": mx,
        "signed.test": mx,
        "plain.test": unsigned({"@": "MX 10 mx.example.test.", "mx": "A 127.0.0.1"}),
        "island.test": insecure({**mx, record: good}),
        "partial.test": {"@": ["MX 10 mx.example.test.", "MX 20 mx.plain.test."]},
        "useless.test": {**mx, record: ["TLSA 1 1 1 " + "ab" * 32, "TLSA 3 1 1 abcd"]},
        "old.test": expired({**mx, record: good}),
        "dead.test": dead(mx),
        "null.test": {"@": "MX 0 ."},
        "forged.test": bogus({**mx, record: good}, changed={record: tlsa(CA.ca)}),
        "noaddress.test": {"@": "MX 10 gone"},
        "alias.test": {"@": "MX 10 mx", "mx": "CNAME mx.example.test."},
        "nomx.test": {"@": "A 127.0.0.1", f"_{PORT}._tcp": good},
    }


if __name__ == "__main__":
    CA = Authority()
    try:
        with SignedTree(tree()) as ZONES:
            run_tests(globals())
    finally:
        shutil.rmtree(CA.dir, ignore_errors=True)
