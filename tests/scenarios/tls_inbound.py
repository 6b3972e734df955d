#!/usr/bin/env python3
# TLS towards clients: STARTTLS and implicit, certificates by server name and renewed while the daemon runs, and everything a hostile or
# broken client may try: plaintext behind STARTTLS, other protocols, old versions, stalled handshakes, a connection cut within BDAT.
import contextlib
import os
import socket
import ssl
import struct
import subprocess
import threading

from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403


def openssl(*words, stdin=b"", timeout=20):
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, timeout=timeout, check=False)


def make_pair(directory, name, names, days=2):
    """A certificate that signs itself, for names."""
    subject = ",".join(f"DNS:{one}" for one in names)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", f"/CN={names[0]}", "-addext",
            f"subjectAltName={subject}", "-keyout", os.path.join(directory, f"{name}.key"), "-out", os.path.join(directory, f"{name}.pem"))
    return {"cert": os.path.join(directory, f"{name}.pem"), "key": os.path.join(directory, f"{name}.key")}


def tls_daemon(certs, listeners=None, start=True, to="smtp://127.0.0.1:1", **tls):
    core = {"listeners": listeners or [{"role": "mx"}, {"role": "relay", "tls": "implicit"}], "tls": {"certificates": certs, **tls}, "relay_domains": ["example.test"],
            "routes": [{"match": "*", "to": [to]}]}
    return Daemon(core, start=start)


def blind():
    """A client that looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def encrypted(port, context=None, sni=None):
    smtp = Smtp(port)
    smtp.cmd("EHLO client.test", 250)
    smtp.cmd("STARTTLS", 220)
    smtp.socket = (context or blind()).wrap_socket(smtp.socket, server_hostname=sni)
    return smtp


def names_shown(port, sni=None):
    smtp = encrypted(port, sni=sni)
    der = smtp.socket.getpeercert(True)
    smtp.close()
    text = openssl("x509", "-inform", "DER", "-noout", "-subject", stdin=der).stdout.decode()
    return text.strip().rsplit("CN = ", 1)[-1]


def test_starttls_forgets_and_is_told():
    with Certificates() as certs, Hop() as hop, tls_daemon([certs.pair("server")], to=hop.hop) as daemon:
        smtp = Smtp(daemon.port)
        assert "STARTTLS" in smtp.cmd("EHLO before.test", 250).lines
        assert "REQUIRETLS" not in smtp.cmd("EHLO before.test", 250).lines
        certs.start_tls(smtp)
        smtp.cmd("MAIL FROM:<a@client.test>", 503)  # the EHLO before does not count
        lines = smtp.cmd("EHLO after.test", 250).lines
        assert "STARTTLS" not in lines and "REQUIRETLS" in lines, lines
        smtp.cmd("STARTTLS", 502)
        smtp.cmd("MAIL FROM:<a@client.test> REQUIRETLS", 250)
        smtp.cmd("RSET", 250)
        smtp.cmd("MAIL FROM:<a@client.test>", 250)
        smtp.cmd("RCPT TO:<b@example.test>", 250)
        smtp.cmd("DATA", 354)
        smtp.cmd("Subject: x\r\n\r\nbody\r\n.", 250)
        smtp.cmd("QUIT", 221)
        event = daemon.wait_event("session.tls")
        assert event["version"] == "TLS1.3" and event["cipher"].startswith("TLS_"), event
        wait_until(lambda: hop.messages, 10, "the message was not delivered")
        stored = hop.messages[0].octets.decode()
        assert "with ESMTPS id" in stored and "(TLS1.3 TLS_" in stored and "from after.test" in stored, stored
        assert sum(value for name, value in daemon.metrics().items() if name.startswith("veredus_tls_server_handshakes_total") and "full" in name) == 1


def test_real_clients():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        for extra, port in ((["-starttls", "smtp"], daemon.port), ([], daemon.port_of("relay"))):
            for version in ("-tls1_2", "-tls1_3"):
                done = openssl("s_client", "-connect", f"127.0.0.1:{port}", *extra, version, "-CAfile", certs.path("ca.pem"), "-verify_return_error", "-servername",
                               "localhost", "-alpn", "smtp", "-crlf")
                out = done.stdout.decode()
                assert "Verify return code: 0 (ok)" in out and "ALPN protocol: smtp" in out, out + done.stderr.decode()
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{daemon.port}", "--tls", "--helo", "swaks.test", "--from", "a@client.test", "--to", "b@example.test"],
                              capture_output=True, timeout=30, check=False)
        assert done.returncode == 0 and b"TLS started" in done.stdout, done.stdout.decode()
        assert len(daemon.events("message.accepted")) == 1


def test_nothing_behind_starttls_counts():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        smtp = Smtp(daemon.port)
        smtp.cmd("EHLO client.test", 250)
        smtp.socket.sendall(b"STARTTLS\r\nMAIL FROM:<evil@client.test>\r\n")
        assert smtp.reply().text.startswith("503 5.5.1 Input sent before"), "the injected command was not noticed"
        assert smtp.socket.recv(100) == b""
        daemon.wait_event("session.early_talker")
        assert not daemon.events("session.tls")


def test_certificates_by_name_and_renewal():
    directory = work_dir()
    first = make_pair(directory, "a", ["a.test"])
    second = make_pair(directory, "b", ["b.test", "*.wild.test"])
    with tls_daemon([first, second]) as daemon:
        assert names_shown(daemon.port, "b.test") == "b.test"
        assert names_shown(daemon.port, "x.wild.test") == "b.test"
        assert names_shown(daemon.port, "other.test") == "a.test"
        assert names_shown(daemon.port) == "a.test"
        # As ACME clients do: the certificate first, then the key; in between they do not fit.
        fresh = make_pair(directory, "new", ["renewed.test"])
        os.replace(fresh["cert"], first["cert"])
        assert "stays in use" in daemon.wait_event("tls.refused", timeout=15)["text"]
        assert names_shown(daemon.port) == "a.test"
        os.replace(fresh["key"], first["key"])
        wait_until(lambda: names_shown(daemon.port) == "renewed.test", 15, "the renewed certificate is not used")


def test_configurations_that_are_refused():
    directory = work_dir()
    good, other = make_pair(directory, "good", ["a.test"]), make_pair(directory, "other", ["b.test"])
    old = make_pair(directory, "old", ["a.test"])
    openssl("req", "-new", "-key", old["key"], "-subj", "/CN=a.test", "-out", os.path.join(directory, "old.csr"))
    openssl("x509", "-req", "-in", os.path.join(directory, "old.csr"), "-signkey", old["key"], "-days", "-1", "-out", old["cert"])
    mixed = {"cert": good["cert"], "key": other["key"]}
    for pair, text in ((mixed, "does not belong to certificate"), (old, "has expired on"), ({"cert": "/nowhere.pem", "key": "/nowhere.key"}, "cannot be read")):
        daemon = tls_daemon([pair], start=False)
        daemon.start(ready=False)
        assert daemon.process.wait(20) == 78, daemon.tail()
        assert text in daemon.tail() and "00-core.yaml:" in daemon.tail(), daemon.tail()
        done = daemon.run("config", "check")
        assert done.returncode == 78 and text in done.stderr.decode() and "00-core.yaml:" in done.stderr.decode(), done
    with tls_daemon([good]) as daemon:
        daemon.configure({"tls": {"certificates": [mixed]}})
        done = daemon.run("reload")
        assert done.returncode != 0 and b"does not belong to certificate" in done.stdout + done.stderr, done
        assert names_shown(daemon.port) == "a.test"
        daemon.configure({"tls": {"certificates": [other]}})
        assert daemon.run("reload").returncode == 0
        wait_until(lambda: names_shown(daemon.port) == "b.test", 10, "the new certificate is not used")


def test_hostile_handshakes():
    with Certificates() as certs, tls_daemon([certs.pair("server")], handshake="1s") as daemon:
        implicit = daemon.port_of("relay")
        for octets, reason in ((b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "what came is not TLS"), (b"EHLO client.test\r\n", "what came is not TLS"),
                               (b"\x16\x03\x01\x00\x05\x01\x00", "not finished in time"), (b"", "not finished in time"),
                               (b"\x16\x03\x01\xff\xff\x01" + b"\0" * 70_000, "TLS"), (b"\x15\x03\x01\x00\x02\x02\x28", "TLS")):
            before = len(daemon.events("session.tls_failed"))
            with socket.create_connection(("127.0.0.1", implicit), 10) as raw:
                raw.settimeout(10)
                with contextlib.suppress(ConnectionError):
                    raw.sendall(octets)
                    while raw.recv(1000):
                        pass
            new = wait_until(lambda: daemon.events("session.tls_failed")[before:], 10, f"no event for {octets[:20]!r}")
            assert reason in new[0]["reason"], (octets[:20], new)
        with socket.create_connection(("127.0.0.1", implicit), 10):
            pass
        wait_until(lambda: any("closed" in event["reason"] for event in daemon.events("session.tls_failed")), 10, "no event for a client that went away")
        http = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        http.check_hostname, http.verify_mode = False, ssl.CERT_NONE
        http.set_alpn_protocols(["http/1.1"])
        try:
            http.wrap_socket(socket.create_connection(("127.0.0.1", implicit), 10)).recv(10)
            raise AssertionError("a client of HTTP was served")
        except ssl.SSLError as error:
            assert "ALERT" in str(error).upper(), error
        old = openssl("s_client", "-connect", f"127.0.0.1:{implicit}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        assert b"alert protocol version" in old.stderr or b"Cipher is (NONE)" in old.stdout, old
        smtp = encrypted(daemon.port)  # it still serves others
        smtp.cmd("EHLO client.test", 250)


def test_renegotiation_is_refused():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        done = openssl("s_client", "-connect", f"127.0.0.1:{daemon.port_of('relay')}", "-tls1_2", "-crlf", stdin=b"R\n")
        assert b"RENEGOTIATING" in done.stderr and done.stderr.count(b"depth=0 CN = localhost\nverify return:1") == 1, done.stderr
        assert len(daemon.events("session.tls")) == 1
        daemon.wait_event("session.ended")
        smtp = encrypted(daemon.port)
        smtp.cmd("NOOP", 250)


def test_keys_may_change_and_nonsense_ends_a_session():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.port_of('relay')}", "-tls1_3", "-crlf"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        killer = threading.Timer(30, client.kill)
        killer.start()

        def until(stream, what):
            for line in stream:
                if what in line:
                    return
            raise AssertionError(f"no {what!r}: {client.stderr.read()}")

        until(client.stdout, b"220 ")
        for update in (b"K\n", b"k\n"):  # with and without asking for ours
            client.stdin.write(update)
            client.stdin.flush()
            until(client.stderr, b"KEYUPDATE")
            client.stdin.write(b"EHLO client.test\n")
            client.stdin.flush()
            until(client.stdout, b"250 ")
        client.stdin.close()
        client.wait(20)
        killer.cancel()
        ended = len(daemon.events("session.ended"))
        raw = socket.create_connection(("127.0.0.1", daemon.port_of("relay")), 10)
        inner = blind().wrap_socket(raw, do_handshake_on_connect=True)
        assert inner.recv(1000).startswith(b"220 ")
        plain = socket.socket(fileno=os.dup(inner.fileno()))
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"\x00" * 32)  # a record that its key does not open
        plain.settimeout(10)
        with contextlib.suppress(ConnectionError):
            while plain.recv(1000):
                pass
        wait_until(lambda: len(daemon.events("session.ended")) == ended + 1, 10, "the session goes on after a record that is forged")
        encrypted(daemon.port).cmd("NOOP", 250)


def test_a_connection_cut_within_a_chunk_leaves_nothing():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        for end in ("notify", "abort"):
            smtp = encrypted(daemon.port)
            smtp.cmd("EHLO client.test", 250)
            smtp.cmd("MAIL FROM:<a@client.test>", 250)
            smtp.cmd("RCPT TO:<b@example.test>", 250)
            smtp.socket.sendall(b"BDAT 1000 LAST\r\nSubject: half\r\n\r\n")
            if end == "notify":
                raw = smtp.socket.unwrap()  # close_notify, then clear octets
                raw.sendall(b"x" * 970)
                raw.close()
            else:
                smtp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                smtp.socket.close()
        wait_until(lambda: len(daemon.events("message.aborted")) == 2, 10, "the messages were not given up")
        assert not daemon.events("message.accepted")


def test_who_may_not_connect_is_told_nothing_in_clear():
    with Certificates() as certs:
        core = {"listeners": [{"role": "mx"}, {"role": "relay", "tls": "implicit"}], "tls": {"certificates": [certs.pair("server")]}, "loops": 1,
                "limits": {"connections_per_client": 1}, "exempt_networks": []}
        with Daemon(core) as daemon, Smtp(daemon.port) as first:
            first.cmd("EHLO client.test", 250)
            for port, wanted in ((daemon.port, b"421 4.7.0"), (daemon.port_of("relay"), b"")):
                with socket.create_connection(("127.0.0.1", port), 10) as raw:
                    raw.settimeout(10)
                    assert raw.recv(9) == wanted, wanted
            wait_until(lambda: len(daemon.events("session.refused")) == 2, 10, daemon.tail)


def test_sessions_are_resumed_and_counted():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        context = blind()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        session = None
        for _ in range(2):
            raw = socket.create_connection(("127.0.0.1", daemon.port_of("relay")), 10)
            with context.wrap_socket(raw, session=session) as secured:
                assert secured.recv(100).startswith(b"220 ")
                session = secured.session
        wait_until(lambda: len(daemon.events("session.tls")) == 2, 10, daemon.tail)
        assert [event["resumed"] for event in daemon.events("session.tls")] == [False, True]
        total = lambda word: sum(value for name, value in daemon.metrics().items() if name.startswith("veredus_tls_server_") and word in name)
        assert total('"resumed"') == 1 and total('"full"') == 1 and total('"TLS1.3"') == 2


def test_client_certificates_are_told():
    with Certificates() as certs, tls_daemon([certs.pair("server")], client_ca=certs.path("ca.pem")) as daemon:
        smtp = Smtp(daemon.port)
        smtp.cmd("EHLO client.test", 250)
        certs.start_tls(smtp, client="client")
        smtp.cmd("EHLO client.test", 250)
        event = daemon.wait_event("session.tls")
        assert event["peer"] == "CN=client.test" and event["fingerprint"] == certs.fingerprint("client"), event


def test_revoked_clients_are_refused():
    with Certificates() as certs:
        with tls_daemon([certs.pair("server")], client_ca=certs.path("ca.pem"), revoked=[certs.fingerprint("client")]) as daemon:
            smtp = Smtp(daemon.port)
            smtp.cmd("EHLO client.test", 250)
            certs.start_tls(smtp, client="client")
            assert "revoked here" in daemon.wait_event("session.tls_failed")["reason"]
            smtp = Smtp(daemon.port)
            smtp.cmd("EHLO client.test", 250)
            certs.start_tls(smtp)
            smtp.cmd("EHLO client.test", 250)


if __name__ == "__main__":
    run_tests(globals())
