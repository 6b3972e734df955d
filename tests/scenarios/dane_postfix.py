#!/usr/bin/env python3
# A real Postfix on the other side: as the receiver of mail that the daemon sends with DANE, and as a sender with DANE to our listener, which
# shows what others make of our server side. Zones are signed by the test.
import re

from check_tls_dane import Authority
from lib_base import Skip
from lib_dnssec import SignedTree, bogus, tlsa, unsigned
from lib_postfix import Postfix
from lib_veredus import *  # noqa: F401,F403

CA = Authority()
OWN = "127.0.0.2"  # where the daemon listens, so that Postfix does not take it for itself
PORT, OWN_PORT = free_port(), free_port(OWN)
THEIRS, OURS = CA.pair("mx.ta.test"), CA.pair("mx.in.end.test")
ALIEN = "TLSA 3 1 1 " + "ab" * 32


def zone(port, address, *records):
    return {"@": "MX 10 mx", "mx": f"A {address}", **({f"_{port}._tcp.mx": list(records)} if records else {})}


def zones():
    there, here = (PORT, "127.0.0.1"), (OWN_PORT, OWN)
    return {
        "ee.test": zone(*there, tlsa(THEIRS[0])), "full.test": zone(*there, tlsa(THEIRS[0], 3, 0, 0)), "ta.test": zone(*there, tlsa(CA.ca, 2, 0, 1)),
        "odd.test": zone(*there, "TLSA 1 1 1 " + "ab" * 32), "plain.test": unsigned(zone(*there, ALIEN)),
        "wrong.test": zone(*there, ALIEN), "taname.test": zone(*there, tlsa(CA.ca, 2, 0, 1)), "broken.test": bogus(zone(*there, tlsa(THEIRS[0]))),
        "in.end.test": zone(*here, tlsa(OURS[0])), "anchor.end.test": {"@": "MX 10 mx.in.end.test.", "_x": "TXT y"}, "second.end.test": zone(*here, ALIEN, tlsa(OURS[0], 3, 0, 2)),
        "nothing.end.test": zone(*here), "bad.end.test": zone(*here, ALIEN),
    }


def daemon_for():
    listeners = [{"address": f"{OWN}:{OWN_PORT}", "role": "mx"}, {"role": "relay"}]
    return Daemon({"resolvers": [TREE.resolver], "outbound": {"port": PORT}, "queue": {"retry": ["1h"]}, "log_level": "debug", "relay_domains": [".end.test"],
                   "listeners": listeners, "tls": {"outbound": "dane", "certificates": [{"cert": OURS[0], "key": OURS[1]}]},
                   "routes": [{"match": ".end.test", "to": [HOP.hop]}]})


def outcome(daemon, domain):
    send_one(daemon.port_of("relay"), recipients=[f"x@{domain}"])
    states = ("recipient.delivered", "recipient.deferred", "recipient.bounced")
    found = wait_until(lambda: [e for e in daemon.events("recipient.*", recipient=f"x@{domain}") if e["event"] in states], 30, lambda: f"an answer for {domain}\n{daemon.tail()}")
    return found[0]["event"][10:], found[0]["reply"]


def test_to_postfix():
    with daemon_for() as daemon:
        for domain in ("ee.test", "full.test", "ta.test", "odd.test", "plain.test"):
            assert outcome(daemon, domain)[0] == "delivered", domain
            POSTFIX.wait_log(rf"to=<x@{domain}>, .*status=sent")
        for domain in ("wrong.test", "taname.test", "broken.test"):
            state, reply = outcome(daemon, domain)
            assert state == "deferred" and reply.startswith("451 4."), (domain, reply)
            assert f"x@{domain}" not in POSTFIX.log()
        assert re.search(r"Anonymous TLS connection established from localhost\[127\.0\.0\.1\]: TLSv1\.3", POSTFIX.log()), POSTFIX.log()
        policies = {e["destination"]: (e["policy"], e["result"], e["tls"][:6]) for e in daemon.events("outbound.tls")}
        assert policies["mx:ee.test"] == ("tlsa", "success", "TLS1.3"), policies
        assert policies["mx:plain.test"][0] == "no-policy-found" and policies["mx:plain.test"][2] == "TLS1.3", policies


def test_from_postfix():
    with daemon_for() as daemon:
        for domain, host, level in (("in.end.test", "mx.in.end.test", "Verified"), ("anchor.end.test", "mx.in.end.test", "Verified"), ("second.end.test", "mx.second.end.test", "Verified"),
                                    ("nothing.end.test", "mx.nothing.end.test", "(Untrusted|Trusted|Anonymous)")):
            POSTFIX.submit(f"y@{domain}")
            POSTFIX.wait_log(rf"to=<y@{domain}>, .*status=sent")
            POSTFIX.wait_log(rf"{level} TLS connection established to {host}\[{OWN}\]:{OWN_PORT}: TLSv1\.3")
        POSTFIX.submit("y@bad.end.test")
        POSTFIX.wait_log(r"to=<y@bad.end.test>, .*status=deferred \(Server certificate not (verified|trusted)")
        assert sorted(r for m in HOP.wait(4) for r in m.recipients) == [f"y@{d}.end.test" for d in ("anchor", "in", "nothing", "second")]
        names = {e.get("sni") for e in daemon.events("session.tls")}
        assert "mx.in.end.test" in names, daemon.events("session.tls")
        assert b"(TLS1.3 TLS_" in HOP.messages[0].octets


POSTFIX = TREE = HOP = None

if __name__ == "__main__":
    try:
        with Hop() as HOP, SignedTree(zones()) as TREE, Postfix(
                TREE, *THEIRS, {f"{d}.end.test": f"smtp:{d}.end.test:{OWN_PORT}" for d in ("in", "anchor", "second", "nothing", "bad")}, port=PORT) as POSTFIX:
            run_tests(globals())
    except Skip as reason:
        print(f"ok everything # skipped: {reason}")
