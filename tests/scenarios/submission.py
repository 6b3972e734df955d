#!/usr/bin/env python3
# The submission listener as a mail program meets it: TLS before AUTH, who may send as whom, what is mended, what an account may send in an
# hour, guessing that is slow and ends, and what the next hop gets to see.
import os
import subprocess
import time

import lib_sasl
from lib_hop import Hop
from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403


class Submission(Daemon):
    def __init__(self, certs, hop=None, auth=None, implicit=False, **core):
        listener = {"role": "submission", **({"tls": "implicit"} if implicit else {})}
        super().__init__({"listeners": [listener], "tls": {"certificates": [certs.pair("server")]}, "auth": {"delay": "0s", **(auth or {})}, "log_level": "debug", "drain": "0s",
                          "routes": [{"match": "*", "to": [hop.hop if hop else "smtp://127.0.0.1:1"], "tls": "none"}], **core}, start=False)
        accounts = os.path.join(self.dir, "accounts")
        with open(os.open(accounts, os.O_CREAT | os.O_WRONLY, 0o640), "wb") as file:
            for name in ("ann", "bob"):
                file.write(subprocess.run([VEREDUS, "auth-file", "hash", name, "--scheme", "scram-sha-256"], input=b"pencil\n", capture_output=True, check=True, timeout=30).stdout)
        self.write("70-auth-file.yaml", f"plugin: auth-file\nfile: {accounts}\n")
        self.start()

    def client(self, certs, account="ann", password="pencil"):
        smtp = Smtp(self.port)
        smtp.cmd("EHLO laptop.test", 250)
        certs.start_tls(smtp)
        smtp.cmd("EHLO laptop.test", 250)
        if account:
            assert lib_sasl.plain(smtp, account, password).code == 235
        return smtp


def transaction(smtp, message, sender="ann@a.test", to="b@far.test"):
    smtp.cmd(f"MAIL FROM:<{sender}>", 250)
    smtp.cmd(f"RCPT TO:<{to}>", 250)
    smtp.cmd("DATA", 354)
    return smtp.cmd(message + "\r\n.")


def test_order_of_things():
    with Certificates() as certs, Submission(certs) as daemon:
        smtp = Smtp(daemon.port)
        lines = smtp.cmd("EHLO laptop.test", 250).lines
        assert "STARTTLS" in lines and not any(line.startswith("AUTH") and "PLAIN" in line for line in lines), lines
        assert smtp.cmd("MAIL FROM:<ann@a.test>").text.startswith("530 5.7.0 ")
        assert lib_sasl.plain(smtp, "ann", "pencil").code == 538
        certs.start_tls(smtp)
        lines = smtp.cmd("EHLO laptop.test", 250).lines
        offered = next(line for line in lines if line.startswith("AUTH ")).split(" ")[1:]
        assert offered[0] == "SCRAM-SHA-256-PLUS" and {"PLAIN", "LOGIN", "SCRAM-SHA-256"} <= set(offered), offered
        smtp.cmd("MAIL FROM:<ann@a.test>", 530)
        assert lib_sasl.scram(smtp, "ann", "pencil").code == 235
        smtp.cmd("AUTH PLAIN AGFubgBwZW5jaWw=", 503)
        smtp.cmd("STARTTLS", 502)
        smtp.cmd("MAIL FROM:<ann@a.test> AUTH=<>", 250)
        smtp.cmd("RCPT TO:<root@intranet>", 554)
        smtp.cmd("AUTH PLAIN AGFubgBwZW5jaWw=", 503)


def test_what_is_mended_and_shown():
    with Certificates() as certs, Hop() as hop, Submission(certs, hop) as daemon, Submission(certs, hop, implicit=True, submission={"hide_client": True}) as hiding:
        smtp = daemon.client(certs)
        assert transaction(smtp, "Subject: hi\r\nBcc: hidden@a.test\r\n\r\nbody").code == 250
        octets = hop.wait(1)[0].octets.decode()
        assert "with ESMTPSA id" in octets and "from laptop.test ([127.0.0.1])" in octets, octets
        for field in ("\r\nFrom: ann@a.test\r\n", "\r\nDate: ", "\r\nMessage-ID: <"):
            assert field in octets, octets
        assert "Bcc" not in octets and octets.endswith("\r\n\r\nbody\r\n"), octets
        import smtplib
        import ssl
        with smtplib.SMTP_SSL("localhost", hiding.port, "secret-name.test", context=ssl.create_default_context(cafile=certs.path("ca.pem"))) as client:
            client.login("bob", "pencil")
            client.sendmail("bob@a.test", "b@far.test", "From: bob@a.test\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <kept@a.test>\r\n\r\nx\r\n")
        octets = hop.wait(2)[1].octets.decode()
        assert "secret-name" not in octets and "127.0.0.1" not in octets.split("Message-ID")[0] and "<kept@a.test>" in octets, octets
        assert hiding.wait_event("message.accepted")["client"].startswith("127.0.0.1")  # the log knows


def test_who_may_send_as_whom():
    senders = [{"match": "ann@a.test", "accounts": ["ann"]}, {"match": "@b.test", "accounts": ["bob"]}]
    with Certificates() as certs, Submission(certs, auth={"senders": senders, "unlisted_senders": "refuse"}, submission={"check_from": True}) as daemon:
        smtp = daemon.client(certs)
        assert smtp.cmd("MAIL FROM:<bob@b.test>").text == "553 5.7.1 Sender address is not yours"
        smtp.cmd("MAIL FROM:<x@c.test>", 553)
        daemon.wait_event("sender.refused", account="ann", sender="x@c.test")
        smtp.cmd("MAIL FROM:<>", 250)
        smtp.cmd("RSET", 250)
        assert transaction(smtp, "From: Ann <ANN@a.test>\r\n\r\nx").code == 250
        reply = transaction(smtp, "From: ann@a.test, Boss <boss@b.test>\r\n\r\nx")
        assert reply.text == "550 5.7.1 The address in From is not yours", reply
        assert transaction(smtp, "Subject: no From at all\r\n\r\nx").code == 250


def test_accounts_have_their_limits():
    with Certificates() as certs, Submission(certs, submission={"account_message_rate": 2, "account_recipient_rate": 3}) as daemon:
        for _ in range(2):
            with daemon.client(certs) as smtp:
                assert transaction(smtp, "Subject: x\r\n\r\nx").code == 250
        smtp = daemon.client(certs)
        assert smtp.cmd("MAIL FROM:<ann@a.test>").text.startswith("450 4.7.1 Too many messages from your account")
        smtp = daemon.client(certs, "bob")
        smtp.cmd("MAIL FROM:<bob@a.test>", 250)
        for number in range(3):
            smtp.cmd(f"RCPT TO:<u{number}@far.test>", 250)
        smtp.cmd("RCPT TO:<u4@far.test>", 450)


def test_guessing_is_slow_and_ends():
    with Certificates() as certs, Submission(certs, auth={"failures": 3, "failure_period": "1h", "delay": "300ms"}) as daemon:
        smtp = daemon.client(certs, account=None)
        times = []
        for _ in range(3):
            began = time.monotonic()
            assert lib_sasl.plain(smtp, "ann", "guesswork").text.startswith("535 5.7.8 ")
            times.append(time.monotonic() - began)
        assert times[0] >= 0.3 and times[1] >= 0.6 and times[2] >= 1.2, times
        reply = lib_sasl.plain(smtp, "ann", "pencil")
        assert reply.text.startswith("454 4.7.0 Too many failed attempts"), reply
        assert smtp.cmd("AUTH PLAIN AGFubgBwZW5jaWw=").text.startswith("421 4.7.0 ") and smtp.closed()
        counts = {name: value for name, value in daemon.metrics().items() if name.startswith("veredus_auth_total") and "PLAIN" in name and value}
        assert sorted(counts.values()) == [3] and '"refused"' in list(counts)[0], counts
        assert len([e for e in daemon.events("auth.refused") if e["account"] == "ann"]) >= 3
        assert not [line for line in daemon.tail(10000).splitlines() if "guesswork" in line or "pencil" in line]


if __name__ == "__main__":
    run_tests(globals())
