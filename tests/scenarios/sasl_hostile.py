#!/usr/bin/env python3
# Hostile SASL exchanges with a real listener: what is no base64 or no message, cancelled at every step, huge, with NUL and control octets,
# replayed, out of place; and clients that leave in the middle. Nobody gets in, every reply is well formed, and the daemon goes on.
import random

import lib_sasl
from lib_sasl import b64, challenge
from lib_veredus import *  # noqa: F401,F403
from plugin_auth_http import Api, Asking

CORE = {"loops": 2, "listeners": [{"role": "submission"}], "auth": {"clear_text": True, "delay": "0s", "failures": 0}, "limits": {"errors": 1000}}
MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2")


def listening():
    api = Api(ann="pencil")
    return api, Asking(core=CORE, url=f"http://127.0.0.1:{api.port}/", kinds=["token", "secret", "password"])


def still_right(daemon):
    """Who knows the password gets in, on a connection of his own."""
    with Smtp(daemon.port) as smtp:
        smtp.hello()
        assert lib_sasl.scram(smtp, "ann", "pencil").code == 235
        smtp.cmd("MAIL FROM:<ann@a.test>", 250)


def outside(smtp):
    smtp.cmd("MAIL FROM:<ann@a.test>", 530)


def test_what_is_no_base64():
    api, daemon = listening()
    with api, daemon, Smtp(daemon.port) as smtp:
        smtp.hello()
        for mechanism in MECHANISMS:
            for text in ("!", "====", "abc", "AGFubgBwZW5jaWw", "AGFubgBwZW5j aWw=", "AGFubgBwZW5jaWw=AGFubg==", "Zm9v\x00", "Zm9v\xff"):
                line = f"AUTH {mechanism} ".encode() + text.encode("latin-1")
                assert smtp.cmd(line).code in (500, 501), line
                smtp.cmd(f"AUTH {mechanism}", 334)
                assert smtp.cmd(text.encode("latin-1")).code in (500, 501), (mechanism, text)
        outside(smtp)
        still_right(daemon)


def test_cancelled_at_every_step():
    api, daemon = listening()
    with api, daemon, Smtp(daemon.port) as smtp:
        smtp.hello()
        for mechanism in MECHANISMS:
            assert smtp.cmd(f"AUTH {mechanism}").code == 334
            assert smtp.cmd("*").code == 501, mechanism
        assert smtp.cmd(f"AUTH LOGIN {b64('ann')}").code == 334 and smtp.cmd("*").code == 501
        assert smtp.cmd(f"AUTH SCRAM-SHA-256 {b64('n,,n=ann,r=abc')}").code == 334 and smtp.cmd("*").code == 501
        assert smtp.cmd("AUTH OAUTHBEARER " + b64("n,,\1auth=Bearer bad\1\1")).code == 334 and smtp.cmd("*").code == 501
        outside(smtp)
        still_right(daemon)


def test_messages_that_make_no_sense():
    plain = ["", "\0", "\0\0", "ann", "\0ann", "\0ann\0", "\0\0pencil", "a\0n\0n\0pencil", "\0a\1n\0x", "\0a\r\nb\0x", b"\0\xff\0x", "\0" + "a" * 256 + "\0x", "\0ann\0" + "x" * 1025]
    scram = ["", "n", "n,,", "n,,n=ann", "n,,n=,r=x", "n,,n=ann,r=", "x,,n=ann,r=x", "p=tls-exporter,,n=ann,r=x", "n,,m=1,n=ann,r=x", "n,,n=a\0n,r=x", "n,,n=" + "a" * 300 + ",r=x", "n" * 5000]
    oauth = ["", "\1", "n,,\1\1", "n,,\1auth=Bearer x", "n,,\1auth=Basic x\1\1", "n,,\1auth=Bearer a b\1\1", "n,a=a\0b,\1auth=Bearer x\1\1", "n,,\1auth=Bearer " + "x" * 8193 + "\1\1",
             "p=x,,\1auth=Bearer x\1\1", "user=\1auth=Bearer x\1\1"]
    api, daemon = listening()
    with api, daemon, Smtp(daemon.port) as smtp:
        smtp.hello()
        for mechanism, messages in (("PLAIN", plain), ("SCRAM-SHA-256", scram), ("OAUTHBEARER", oauth), ("XOAUTH2", oauth)):
            for message in messages:
                for initial in (True, False):
                    reply = lib_sasl.first(smtp, mechanism, message, initial)
                    assert reply.code in (501, 535), (mechanism, message, reply)
        for name in ("a\0b", "a\nb", b"\xff", "a" * 300):
            reply = smtp.cmd(f"AUTH LOGIN {b64(name)}")
            assert reply.code == 501 or smtp.cmd(b64("pencil")).code == 501, name
        outside(smtp)
        assert not [asked for asked, _ in api.asked if asked["kind"] != "secret"], "nobody was asked about nonsense"
        still_right(daemon)


def test_lines_that_are_too_long():
    api, daemon = listening()
    with api, daemon:
        for mechanism in MECHANISMS:
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                assert smtp.cmd(f"AUTH {mechanism} " + "A" * 13_000).code == 500, mechanism
                if smtp.cmd(f"AUTH {mechanism}").code == 334:
                    assert smtp.cmd("A" * 13_000).code in (500, 501), mechanism
                outside(smtp)
        with Smtp(daemon.port) as smtp:
            smtp.hello()
            token = "x" * 8192
            assert lib_sasl.oauth(smtp, token).code == 535, "as long as a token may be"
            assert api.asked[-1][0]["token"] == token
        still_right(daemon)


def test_scram_proofs_are_good_once_and_for_their_exchange():
    api, daemon = listening()
    with api, daemon:
        seen = []

        class Listening(Smtp):
            def cmd(self, line, code=None):
                seen.append(line)
                return super().cmd(line, code)

        with Listening(daemon.port) as smtp:
            smtp.hello()
            assert lib_sasl.scram(smtp, "ann", "pencil").code == 235
        first, final = seen[1], seen[2]
        for _ in range(2):
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                assert smtp.cmd(first).code == 334
                assert smtp.cmd(final).code in (501, 535), "a proof of another exchange"
                outside(smtp)
        with Smtp(daemon.port) as smtp:
            smtp.hello()
            said = challenge(smtp.cmd(first)).decode()
            nonce = said.split(",")[0]
            for message in ("", "c=biws", f"c=biws,{nonce},p=", f"c=biws,{nonce},p=" + b64("x" * 32), f"c=eSws,{nonce},p=" + b64("x" * 32), f"c=biws,{nonce}x,p=" + b64("x" * 32)):
                assert smtp.cmd(b64(message)).code in (501, 535), message
                assert smtp.cmd(first).code == 334
            assert smtp.cmd("*").code == 501
            outside(smtp)
        still_right(daemon)


def test_out_of_place():
    api, daemon = listening()
    with api, daemon:
        with Smtp(daemon.port) as smtp:
            assert smtp.cmd("AUTH PLAIN " + b64("\0ann\0pencil")).code == 503, "before EHLO"
            smtp.hello()
            for line in ("AUTH", "AUTH CRAM-MD5", "AUTH SCRAM-SHA-256-PLUS", "AUTH EXTERNAL =", "AUTH PLAIN a b", "AUTH " + "X" * 200):
                reply = smtp.cmd(line)
                assert reply.code in (501, 504), (line, reply)
            assert lib_sasl.plain(smtp, "ann", "pencil").code == 235
            assert lib_sasl.plain(smtp, "ann", "pencil").code == 503, "twice"
            assert not [line for line in smtp.hello().lines if line.startswith("AUTH ")]
        with Smtp(daemon.port) as smtp:
            smtp.hello()
            assert lib_sasl.plain(smtp, "ann", "pencil").code == 235
            smtp.cmd("MAIL FROM:<ann@a.test>", 250)
            assert smtp.cmd("AUTH PLAIN " + b64("\0ann\0pencil")).code == 503, "in a transaction"
            smtp.cmd("RCPT TO:<b@example.test>", 250)
        still_right(daemon)


def test_clients_that_leave_in_the_middle_and_noise():
    api, daemon = listening()
    with api, daemon:
        api.release.clear()
        for leave in ("abort", "close"):
            for line in ("AUTH LOGIN", "AUTH PLAIN " + b64("\0ann\0pencil"), f"AUTH SCRAM-SHA-256 {b64('n,,n=ann,r=abc')}", "AUTH OAUTHBEARER " + b64("n,,\1auth=Bearer x\1\1")):
                smtp = Smtp(daemon.port)
                smtp.hello()
                smtp.send(line + "\r\n")
                if "LOGIN" not in line:
                    count = len(api.asked)
                    wait_until(lambda: len(api.asked) > count or api.asked, 5, "the question")  # pylint: disable=cell-var-from-loop
                getattr(smtp, leave)()
        api.release.set()
        noise = random.Random(7)
        for _ in range(300):
            with Smtp(daemon.port) as smtp:
                smtp.hello()
                mechanism = noise.choice(MECHANISMS)
                reply = lib_sasl.first(smtp, mechanism, noise.randbytes(noise.randrange(200)), noise.random() < 0.5)
                for _ in range(3):
                    if reply.code != 334:
                        break
                    reply = smtp.cmd(b64(noise.randbytes(noise.randrange(100))))
                assert reply.code in (334, 501, 535), reply
        still_right(daemon)
        wait_until(lambda: daemon.metrics()["veredus_sessions"] == 0, 10, daemon.tail)


if __name__ == "__main__":
    run_tests(globals())
