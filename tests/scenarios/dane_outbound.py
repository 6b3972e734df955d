#!/usr/bin/env python3
# DANE towards next hops (RFC 7672), with zones that are really signed and broken, a real NSD and a real unbound: every kind of record that
# counts, those that do not, aliases, unsigned and bogus answers. Nothing that fails is ever sent in clear or to a server that is not proven.
import os
import subprocess

from lib_dnssec import SignedTree, bogus, insecure, tlsa, unsigned
from lib_hop import Hop
from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403


def pem(certs, name):
    with open(certs.path(f"{name}.pem"), encoding="ascii") as file:
        return file.read()



class Case:
    """A next hop that shows `server`, and a daemon that asks the tree."""

    def __init__(self, certs, zones, port, level="opportunistic", **core):
        self.tree = SignedTree(zones)
        self.core = {"outbound": {"port": port}, "tls": {"outbound": level, "handshake": "3s", "ca": certs.path("ca.pem")}, "queue": {"retry": ["1h"]},
                     "routes": [], "relay_networks": ["127.0.0.0/8"], **core}

    def __enter__(self):
        self.tree.__enter__()
        self.daemon = Daemon({**self.core, "resolvers": [self.tree.resolver]})
        return self

    def __exit__(self, *error):
        self.daemon.__exit__(*error)
        self.tree.__exit__(*error)

    def send(self, domain):
        """The final state or the reply of the deferral."""
        queue_id = send_one(self.daemon.port, recipients=[f"b@{domain}"])
        found = wait_until(lambda: [e for name in ("recipient.delivered", "recipient.deferred", "recipient.bounced") for e in self.daemon.events(name, id=queue_id)], 30,
                           lambda: f"an outcome for {domain}\n{self.daemon.tail()}")
        return "delivered" if self.daemon.events("recipient.delivered", id=queue_id) else found[0]["reply"]


def mx_zone(port, *records, host="mx"):
    return {"@": f"MX 10 {host}", host: "A 127.0.0.1", **({f"_{port}._tcp.{host}": list(records)} if records else {})}


def test_records_that_match_and_those_that_do_not():
    with Certificates() as certs:
        server, ca, other = pem(certs, "server"), pem(certs, "ca"), pem(certs, "stranger")
        with open(certs.path("chain.pem"), "w", encoding="ascii") as file:
            file.write(server + ca)
        hop = Hop(tls=(certs.path("chain.pem"), certs.path("server.key")))
        plain = Hop()
        port = hop.port
        good = {f"m{u}{s}{m}.test": mx_zone(port, tlsa(server, u, s, m)) for u, s, m in ((3, 1, 1), (3, 0, 1), (3, 1, 2), (3, 0, 0), (3, 1, 0))}
        zones = {
            **good,
            "roll.test": mx_zone(port, tlsa(other, 3, 1, 1), tlsa(server, 3, 1, 1)),
            "anchor.test": mx_zone(port, tlsa(ca, 2, 0, 1)),  # the certificate is for localhost: the name does not fit
            "wrong.test": mx_zone(port, tlsa(other, 3, 1, 1)),
            "pkix.test": mx_zone(port, tlsa(server, 1, 1, 1)),  # unusable: encryption, and no more
            "short.test": mx_zone(port, "TLSA 3 1 1 abcd"),
            "none.test": mx_zone(port),
            "plain.test": unsigned(mx_zone(port, tlsa(other, 3, 1, 1))),
            "island.test": insecure(mx_zone(port, tlsa(other, 3, 1, 1))),
            "spoilt.test": bogus(mx_zone(port, tlsa(server, 3, 1, 1))),
            "outside.test": {"@": "MX 10 mx.spoilt.test."},
            "away.test": {"@": "MX 10 mx.m311.test."},
        }
        with Case(certs, zones, port) as case:
            for domain in good:
                assert case.send(domain) == "delivered", domain
            sni = {name for _, name in hop.sessions}
            assert f"mx.m311.test" in sni, sni
            for domain in ("roll.test", "away.test", "pkix.test", "short.test", "none.test", "plain.test", "island.test"):
                assert case.send(domain) == "delivered", domain
            reply = case.send("wrong.test")
            assert reply.startswith("451 4.7.5 ") and "the TLSA record does not match" in reply, reply
            reply = case.send("anchor.test")
            assert reply.startswith("451 4.7.5 ") and "for none of the names" in reply, reply
            for domain in ("spoilt.test", "outside.test"):
                assert case.send(domain).startswith("451 4."), domain
            failed = {event["result"] for event in case.daemon.events("outbound.tls_failed")}
            assert {"validation-failure", "certificate-host-mismatch"} <= failed, failed
        hop.stop()
        plain.stop()


def test_names_of_anchors():
    with Certificates() as certs:
        ca = pem(certs, "ca")
        certs._openssl("req", "-subj", "/CN=x", "-keyout", "named.key", "-out", "named.csr", new=True)
        with open(certs.path("ext"), "w", encoding="ascii") as file:
            file.write("subjectAltName=DNS:mx.anchor.test\n")
        certs._openssl("x509", "-req", "-in", "named.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", "named.pem")
        with open(certs.path("chain.pem"), "w", encoding="ascii") as file:
            file.write(pem(certs, "named") + ca)
        with Hop(tls=(certs.path("chain.pem"), certs.path("named.key"))) as hop:
            zones = {
                "anchor.test": mx_zone(hop.port, tlsa(ca, 2, 0, 1)),
                "key.test": {"@": "MX 10 mx.anchor.test."},
                "alias.test": {"@": "MX 10 mx", "mx": "CNAME mx.anchor.test."},
                "stranger.test": mx_zone(hop.port, tlsa(pem(certs, "stranger"), 2, 0, 1)),
            }
            with Case(certs, zones, hop.port) as case:
                for domain in ("anchor.test", "key.test", "alias.test"):
                    assert case.send(domain) == "delivered", domain
                assert case.send("stranger.test").startswith("451 4.7.5"), "an anchor that is not in the chain"


def test_servers_without_tls_get_nothing():
    with Certificates() as certs, Hop() as plain:
        zones = {"dane.test": mx_zone(plain.port, tlsa(pem(certs, "server"), 3, 1, 1)), "odd.test": mx_zone(plain.port, "TLSA 1 1 1 " + "ab" * 32), "none.test": mx_zone(plain.port)}
        with Case(certs, zones, plain.port) as case:
            for domain in ("dane.test", "odd.test"):
                assert case.send(domain).startswith("451 4.7.4 TLS is required"), domain
            assert not plain.messages and not any(c.startswith("MAIL") for c in plain.commands)
            assert case.send("none.test") == "delivered"


def test_dane_only_and_the_next_exchanger():
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
        server, other = pem(certs, "server"), pem(certs, "stranger")
        zones = {
            "good.test": mx_zone(hop.port, tlsa(server, 3, 1, 1)),
            "none.test": mx_zone(hop.port),
            "plain.test": unsigned(mx_zone(hop.port)),
            "second.test": {"@": ["MX 10 mx1", "MX 20 mx2"], "mx1": "A 127.0.0.1", "mx2": "A 127.0.0.1", f"_{hop.port}._tcp.mx1": tlsa(other, 3, 1, 1),
                            f"_{hop.port}._tcp.mx2": tlsa(server, 3, 1, 1)},
        }
        with Case(certs, zones, hop.port, level="dane-only") as case:
            assert case.send("good.test") == "delivered"
            assert case.send("second.test") == "delivered"
            reply = case.send("none.test")
            assert reply.startswith("451 4.7.4 DANE is required") and "no TLSA records" in reply, reply
            assert "not signed" in case.send("plain.test")


def test_answers_of_untrusted_resolvers_prove_nothing():
    with Certificates() as certs, Hop(tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
        zones = {"wrong.test": mx_zone(hop.port, tlsa(pem(certs, "stranger"), 3, 1, 1))}
        with Case(certs, zones, hop.port, tls={"outbound": "opportunistic", "trusted_resolvers": []}) as case:
            assert case.send("wrong.test") == "delivered"  # no DANE without DNSSEC


if __name__ == "__main__":
    run_tests(globals())
