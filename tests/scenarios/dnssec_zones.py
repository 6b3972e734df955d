#!/usr/bin/env python3
# What lib_dnssec.py promises to other scenarios: every kind of zone is what it says, to drill and to the daemon's resolver; zones change while
# the servers run. And what the daemon believes: AD from resolvers that it trusts, from nobody else.
import os
import re
import shutil
import subprocess

from lib_dnssec import SignedTree, bogus, dead, expired, insecure, tlsa, unsigned
from lib_veredus import Daemon, run_tests, wait_until, work_dir

TLSA = "TLSA 3 1 1 " + "ab" * 32
TREE = {
    "example.test": {
        "@": ["MX 10 mx", "MX 20 mx.plain.test."], "mx": "A 127.0.0.1", "_25._tcp.mx": [TLSA, "TLSA 2 0 1 " + "cd" * 32],
        "alias": "CNAME mx", "chain": "CNAME alias", "toplain": "CNAME mx.plain.test.", "toold": "CNAME mx.old.test.", "dangling": "CNAME nothing",
    },
    "sub.example.test": {"mx": "A 127.0.0.2"},
    "plain.test": unsigned({"@": "MX 10 mx", "mx": "A 127.0.0.1", "tosigned": "CNAME mx.example.test.", "_25._tcp.mx": TLSA}),
    "island.test": insecure({"mx": "A 127.0.0.1", "_25._tcp.mx": TLSA}),
    "old.test": expired({"@": "MX 10 mx", "mx": "A 127.0.0.1", "_25._tcp.mx": TLSA}),
    "spoilt.test": bogus({"mx": "A 127.0.0.1", "_25._tcp.mx": TLSA}),
    "forged.test": bogus({"mx": "A 127.0.0.1", "ok": "A 127.0.0.1", "_25._tcp.mx": TLSA}, changed={"_25._tcp.mx": "TLSA 3 1 1 " + "ee" * 32}),
    "dead.test": dead({"mx": "A 127.0.0.1", "_25._tcp.mx": TLSA}),
    "2.0.192.in-addr.arpa": unsigned({"1": "PTR mx.example.test."}),
}
# name, type, what drill says, AD, what the daemon says, whether it knows that it is bogus (it looks for TLSA only)
EXPECTED = [
    ("example.test", "MX", "NOERROR", True, "ok", False),
    ("mx.example.test", "A", "NOERROR", True, "ok", False),
    ("_25._tcp.mx.example.test", "TLSA", "NOERROR", True, "ok", False),
    ("chain.example.test", "A", "NOERROR", True, "ok", False),
    ("toplain.example.test", "A", "NOERROR", False, "ok", False),
    ("toold.example.test", "A", "SERVFAIL", False, "server_failure", False),
    ("dangling.example.test", "A", "NXDOMAIN", True, "no_name", False),
    ("nothing.example.test", "A", "NXDOMAIN", True, "no_name", False),
    ("mx.example.test", "TXT", "NOERROR", True, "no_data", False),
    ("_26._tcp.mx.example.test", "TLSA", "NXDOMAIN", True, "no_name", False),
    ("mx.sub.example.test", "A", "NOERROR", True, "ok", False),
    ("mx.plain.test", "A", "NOERROR", False, "ok", False),
    ("_25._tcp.mx.plain.test", "TLSA", "NOERROR", False, "ok", False),
    ("tosigned.plain.test", "A", "NOERROR", False, "ok", False),
    ("nothing.plain.test", "A", "NXDOMAIN", False, "no_name", False),
    ("_25._tcp.mx.island.test", "TLSA", "NOERROR", False, "ok", False),
    ("old.test", "MX", "SERVFAIL", False, "server_failure", False),
    ("_25._tcp.mx.old.test", "TLSA", "SERVFAIL", False, "server_failure", True),
    ("_25._tcp.mx.spoilt.test", "TLSA", "SERVFAIL", False, "server_failure", True),
    ("_25._tcp.mx.forged.test", "TLSA", "SERVFAIL", False, "server_failure", True),
    ("ok.forged.test", "A", "NOERROR", True, "ok", False),
    ("_25._tcp.mx.dead.test", "TLSA", "SERVFAIL", False, "server_failure", False),
    ("1.2.0.192.in-addr.arpa", "PTR", "NOERROR", False, "ok", False),
]
ZONES = None


def ask(daemon, name, kind):
    return daemon.cmd("dns", name, kind, json=True, code=None)[0]


def test_every_kind_of_zone_to_drill():
    for name, kind, status, ad, _, _ in EXPECTED:
        found = ZONES.lookup(name, kind)
        assert (found.status, found.ad) == (status, ad), (name, kind, found.text)
    assert ZONES.lookup("mx.spoilt.test", "A", checking=False).records, "without validation there is an answer"


def test_every_kind_of_zone_to_the_daemon():
    with Daemon({"resolvers": [ZONES.resolver]}) as daemon:
        for name, kind, _, ad, status, is_bogus in EXPECTED:
            found = ask(daemon, name, kind)
            assert (found["status"], found["authentic"], found["bogus"]) == (status, ad, is_bogus), (name, found)


def test_nothing_is_authentic_without_trusted_resolvers():
    with Daemon({"resolvers": [ZONES.resolver], "tls": {"trusted_resolvers": []}}) as daemon:
        for name, kind, _, _, status, _ in EXPECTED:
            found = ask(daemon, name, kind)
            assert found["status"] == status and found["authentic"] is False, (name, found)


def test_zones_change_while_they_are_served():
    with Daemon({"resolvers": [ZONES.resolver]}) as daemon:
        assert ask(daemon, "mx2.example.test", "A")["status"] == "no_name"
        ZONES.update("example.test", {"mx2": "A 127.0.0.3"})
        daemon.cmd("reload")
        wait_until(lambda: ask(daemon, "mx2.example.test", "A")["status"] == "ok", 10)
        assert ask(daemon, "mx2.example.test", "A")["authentic"]
        for state, status, ad in [({"delegated": False}, "NOERROR", False), ({"delegated": True}, "NOERROR", True), ({"spoil": True}, "SERVFAIL", False),
                                  ({"spoil": False, "changed": {"mx2": "A 127.0.0.4"}}, "SERVFAIL", False), ({"changed": {}}, "NOERROR", True)]:
            ZONES.update("example.test", {}, **state)
            found = ZONES.lookup("mx2.example.test", "A")
            assert (found.status, found.ad) == (status, ad), (state, found.text)
        ZONES.update("example.test", {"mx2": None})
        assert ZONES.lookup("mx2.example.test", "A").status == "NXDOMAIN"


def test_records_for_a_certificate():
    directory = work_dir()
    cert = os.path.join(directory, "cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null", "-out", cert,
                    "-subj", "/CN=mx.test", "-days", "2"], capture_output=True, check=True)
    for selector, option in ((1, []), (0, ["--x509"])):
        words = ["danetool", "--tlsa-rr", "--host", "mx.test", "--port", "25", "--load-certificate", cert, *option]
        made = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        octets = re.search(r"\(([0-9a-f ]+)\)", made).group(1).split()
        assert tlsa(cert, 3, selector, 1) == f"TLSA 3 {selector} 1 {''.join(octets[3:])}", (made, tlsa(cert, 3, selector, 1))
    shutil.rmtree(directory)


if __name__ == "__main__":
    with SignedTree(TREE) as ZONES:
        run_tests(globals())
