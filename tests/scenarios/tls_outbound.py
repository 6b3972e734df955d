#!/usr/bin/env python3
# How connections to next hops are secured: the levels none to verify against servers that are right, wrong and hostile, and what is
# resumed. DANE and MTA-STS have scenarios of their own.
import os

from lib_hop import CLOSE, STALL
from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403
from tls_inbound import make_pair


def core_for(hop, level, certs=None, more=None, **policy):
    # NAME.example.test leads to the hop
    core = {"routes": [{"match": "*", "to": [f"smtp://mx.example.test:{hop.port}"]}], "hosts": {"mx.example.test": ["127.0.0.1"], "localhost": ["127.0.0.1"]},
            "queue": {"retry": ["1h"]}, "log_level": "debug",
            "tls": {"outbound": level if not policy else "none", "handshake": "2s", **({"ca": certs.path("ca.pem")} if certs else {}),
                    **({"policies": [{"match": "*", "level": level, **policy}]} if policy else {}), **(more or {})}}
    return core


def deliver(daemon, count=1):
    done = len(daemon.events("recipient.delivered")) + len(daemon.events("recipient.deferred"))
    for _ in range(count):
        send_one(daemon.port, recipients=["b@example.test"])
    wait_until(lambda: len(daemon.events("recipient.delivered")) + len(daemon.events("recipient.deferred")) >= done + count, 15, lambda: f"an answer\n{daemon.tail()}")
    return daemon.events("recipient.deferred")[-1]["reply"] if daemon.events("recipient.deferred") else "delivered"


def outcome(hop, core):
    with Daemon(core) as daemon:
        reply = deliver(daemon)
        return reply, daemon.events("outbound.tls") + daemon.events("outbound.tls_failed")


def test_opportunistic_takes_what_is_offered():
    with Certificates() as certs, Hop(tls=(certs.path("stranger.pem"), certs.path("stranger.key"))) as hop:
        reply, events = outcome(hop, core_for(hop, "opportunistic"))
        assert reply == "delivered" and hop.sessions[0][1] == "mx.example.test" and events[-1]["tls"].startswith("TLS1.3 "), (reply, events)
        assert [c for c in hop.commands if c.startswith("EHLO")].__len__() == 2
    with Hop() as hop:
        assert outcome(hop, core_for(hop, "opportunistic"))[0] == "delivered"
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
        assert outcome(hop, core_for(hop, "none"))[0] == "delivered" and not hop.sessions


def test_a_failed_handshake_is_made_up_for_in_clear_where_nothing_demands_it():
    with Certificates() as certs:
        for fault in (CLOSE, STALL, b"220 go\r\n\x15\x03\x03\x00\x02\x02\x28"):
            with Hop({"TLS": fault}, tls=(certs.path("server.pem"), certs.path("server.key"))) as hop, Daemon(core_for(hop, "opportunistic")) as daemon:
                assert deliver(daemon) == "delivered", fault
                deliver(daemon)
                assert len([c for c in hop.commands if c == "STARTTLS"]) == 1, "it is not tried again and again"
            with Hop({"TLS": fault}, tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
                reply, _ = outcome(hop, core_for(hop, "encrypt"))
                assert reply.startswith("451 4.") and not any(c.startswith("MAIL") for c in hop.commands), (fault, reply)


def test_encrypt_without_an_offer():
    with Hop() as hop:
        reply, events = outcome(hop, core_for(hop, "encrypt"))
        assert reply.startswith("451 4.7.4 TLS is required") and events[-1]["result"] == "starttls-not-supported", (reply, events)
        assert not any(c.startswith("MAIL") for c in hop.commands)


def test_verify():
    with Certificates() as certs:
        server = (certs.path("server.pem"), certs.path("server.key"))  # of localhost, by the authority
        directory = work_dir()
        alone = make_pair(directory, "alone", ["mx.example.test"])
        for tls, policy, wanted in (
            (server, {"names": ["localhost"]}, "delivered"),
            (server, {"names": [".example.test", "localhost"]}, "delivered"),
            (server, {"names": ["other.test"]}, "the certificate is for localhost, not for other.test"),
            (server, {"names": []}, "not for mx.example.test"),
            ((alone["cert"], alone["key"]), {"names": ["mx.example.test"]}, "no certificate authority that is trusted here"),
            (server, {"fingerprints": [certs.fingerprint("server")]}, "delivered"),
            (server, {"fingerprints": [certs.fingerprint("client")]}, "which the policy does not name"),
            (server, {"names": ["localhost"], "ca": os.path.join(directory, "none.pem")}, "trust anchors in"),
        ):
            with Hop(tls=tls) as hop:
                reply, events = outcome(hop, core_for(hop, "verify", certs, **policy))
                assert (reply == "delivered") if wanted == "delivered" else (wanted in reply and reply.startswith("451 4.7.5")), (policy, reply)
                assert wanted == "delivered" or not any(c.startswith("MAIL") for c in hop.commands)


def test_a_revoked_certificate_is_no_certificate():
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
        written = ":".join(certs.fingerprint("server").upper()[i:i + 2] for i in range(0, 64, 2))
        core = core_for(hop, "verify", certs, more={"revoked": [written]}, names=["localhost"])
        assert "revoked here" in outcome(hop, core)[0]


def test_nothing_behind_the_answer_counts():
    with Certificates() as certs:
        injected = b"220 2.0.0 go\r\n250-hop.test\r\n250 PIPELINING\r\n"
        with Hop({"TLS": injected}, tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
            reply, _ = outcome(hop, core_for(hop, "encrypt"))
            assert "octets before the handshake" in reply, reply


def test_sessions_are_resumed():
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
        core = core_for(hop, "verify", certs, names=["localhost"])
        core["outbound"] = {"idle": "0s"}
        core["loops"] = 1
        with Daemon(core) as daemon:
            for _ in range(4):
                deliver(daemon)
            assert len(hop.messages) == 4 and any(resumed for resumed, _ in hop.sessions[1:]), hop.sessions


def test_routes_choose_too():
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as secured, Hop() as plain:
        core = core_for(plain, "opportunistic", certs)
        core["routes"] = [{"match": "a.test", "to": [plain.hop], "tls": "encrypt"}, {"match": "b.test", "to": [secured.hop], "tls": "none"}, {"match": "*", "to": [plain.hop]}]
        with Daemon(core) as daemon:
            for domain, wanted in (("a.test", "recipient.deferred"), ("b.test", "recipient.delivered"), ("c.test", "recipient.delivered")):
                send_one(daemon.port, recipients=[f"x@{domain}"])
                daemon.wait_event(wanted, recipient=f"x@{domain}")
            assert not secured.sessions and len(secured.messages) == 1 and len(plain.messages) == 1


def test_requiretls_is_kept_or_the_message_comes_back():
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
        for more, level, names, delivered in ((["REQUIRETLS"], "verify", ["localhost"], True), ([], "verify", ["localhost"], False), (["REQUIRETLS"], "encrypt", [], False)):
            hop.ehlo = [*EHLO_BEFORE, *more, "STARTTLS"]
            core = core_for(hop, level, certs, names=names)
            core["tls"]["certificates"] = [certs.pair("server")]
            with Daemon(core) as daemon:
                hop.commands.clear()
                smtp = Smtp(daemon.port)
                smtp.cmd("EHLO client.test", 250)
                certs.start_tls(smtp)
                smtp.cmd("EHLO client.test", 250)
                smtp.cmd("MAIL FROM:<a@client.test> REQUIRETLS", 250)
                smtp.cmd("RCPT TO:<b@example.test>", 250)
                smtp.cmd("DATA", 354)
                smtp.cmd("Subject: x\r\n\r\nbody\r\n.", 250)
                if delivered:
                    daemon.wait_event("recipient.delivered")
                    assert any(c.startswith("MAIL") and "REQUIRETLS" in c for c in hop.commands), hop.commands
                else:
                    assert "5.7.30" in daemon.wait_event("recipient.bounced")["reply"]


EHLO_BEFORE = ["PIPELINING", "8BITMIME", "SIZE 50000000"]

if __name__ == "__main__":
    run_tests(globals())
