#!/usr/bin/env python3
# The plugin dnsbl: its scripts in the test host, then a real daemon with lists on a server of ours.

from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

FRAGMENT = "plugin: dnsbl\nexempt: []\nprivate: true\n"
LISTED = {"A": ["127.0.0.2"], "TXT": ["spam source, see https://bl.test/removal"]}


def asking(hop, dns, more, **args):
    core = {"routes": routes_to(hop), "resolvers": [dns.address]}
    return Daemon(core, files={"15-dnsbl.yaml": FRAGMENT + more}, **args)


def test_scripts_strict():
    run_scripts("dnsbl", "strict")


def test_scripts_chaos():
    run_scripts("dnsbl", "chaos")


def test_a_listed_client_is_refused_at_mail_and_others_are_not():
    with FakeDns({"3.0.0.127.bl.test": LISTED}) as dns, Hop() as hop, asking(hop, dns, "lists: [{ zone: bl.test }]\n") as daemon:
        with Smtp(daemon.port, source="127.0.0.3") as client:
            assert client.banner.code == 220
            client.hello()
            client.cmd("MAIL FROM:<u@a.test>", "550 5.7.1 client 127.0.0.3 is listed by bl.test: spam source, see https://bl.test/removal")
        send_one(daemon.port)
        hop.wait(1)
        assert dns.asked("3.0.0.127.bl.test", "TXT") and dns.asked("1.0.0.127.bl.test", "A")


def test_weights_notes_and_names():
    records = {"3.0.0.127.bl.test": LISTED, "bad.helo.test.names.test": LISTED, "spam.test.rhs.test": LISTED, "4.0.0.127.bl.test": LISTED, "4.0.0.127.good.test": LISTED}
    lists = """
lists: [{ zone: bl.test }, { zone: names.test, kind: helo }, { zone: rhs.test, kind: sender_domain, weight: 2 }]
allow: [{ zone: good.test }]
reject_at: 2
mark_at: 1
"""
    with FakeDns(records) as dns, Hop() as hop, asking(hop, dns, lists) as daemon:
        with Smtp(daemon.port, source="127.0.0.3") as client:
            client.hello("bad.helo.test")
            client.cmd("MAIL FROM:<u@a.test>", 250)
            client.cmd("RCPT TO:<b@example.test>", "550 5.7.1")
            client.hello("fine.helo.test")
            client.cmd("MAIL FROM:<u@spam.test>", 250)
            client.cmd("RCPT TO:<b@example.test>", "550 5.7.1 the domain spam.test is listed by rhs.test")
            client.cmd("RSET", 250)
            client.deliver(b"X-DNSBL: score=-5\r\nX-DNSBL: score=-6\r\nSubject: a\r\n\r\nb\r\n")
        octets = hop.wait(1)[0].octets
        assert b"X-DNSBL: score=1 lists=bl.test\r\n" in octets and octets.count(b"X-DNSBL") == 1, octets
        with Smtp(daemon.port, source="127.0.0.4") as client:
            client.hello()
            client.deliver(b"Subject: a\r\n\r\nb\r\n")
        assert b"X-DNSBL" not in hop.wait(2)[1].octets


def test_lists_that_fail_refuse_nobody():
    records = {"1.0.0.127.down.test": "SERVFAIL", "1.0.0.127.dead.test": {"A": ["127.255.255.254"]}, "1.0.0.127.gone.test": {"A": ["127.1.2.3"]}, "1.0.0.127.mute.test": "TIMEOUT"}
    lists = "query_timeout: 500ms\nlists: [{ zone: down.test }, { zone: dead.test }, { zone: mute.test }, { zone: gone.test, codes: 127.0.0.0/24 }]\n"
    with FakeDns(records) as dns, Hop() as hop, asking(hop, dns, lists) as daemon:
        send_one(daemon.port)
        hop.wait(1)
        assert {e.get("list") for e in daemon.events("dnsbl.list_failed")} == {"down.test", "dead.test", "mute.test"}, daemon.tail()


if __name__ == "__main__":
    run_tests(globals())
