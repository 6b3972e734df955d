#!/usr/bin/env python3
# DANE towards mail exchangers (RFC 7672), case by case in one tree of signed and broken zones: every usage, selector and matching type, aliases
# of hosts and of records, answers that are secure or not, broken zones at each level, and domains that share an exchanger.
import contextlib
import os
import subprocess

from check_tls_dane import Authority
from lib_dnssec import SignedTree, bogus, dead, tlsa, unsigned
from lib_veredus import *  # noqa: F401,F403

PORT = free_port()
CA = Authority()
RIGHT, WRONG, OLD, PLAIN = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
# Hosts by what they show: the certificate that is published, another, one that has expired, none.
NAMES = {RIGHT: "mx.ok.test", WRONG: "other.test", OLD: "mx.taold.ok.test", PLAIN: ""}
SHORT = "TYPE52 \\# 5 0301010102"  # a digest of two octets


def expired_pair(name):
    """By certtool: openssl makes none."""
    cert, key = os.path.join(CA.dir, "old.pem"), os.path.join(CA.dir, "old.key")
    if not os.path.exists(cert):
        with open(os.path.join(CA.dir, "old.template"), "w", encoding="ascii") as file:
            file.write(f'cn = {name}\ndns_name = {name}\nactivation_date = "2020-01-01 00:00:00"\nexpiration_date = "2020-02-01 00:00:00"\nsigning_key\ntls_www_server\n')
        subprocess.run(["certtool", "--generate-privkey", "--ecc", "--outfile", key], cwd=CA.dir, capture_output=True, check=True)
        subprocess.run(["certtool", "--generate-certificate", "--load-privkey", key, "--load-ca-certificate", CA.ca, "--load-ca-privkey", "ca.key", "--template", "old.template",
                        "--outfile", cert], cwd=CA.dir, capture_output=True, check=True)
        with open(CA.ca, encoding="ascii") as file, open(cert, "a", encoding="ascii") as out:
            out.write(file.read())
    return cert, key


def pair_of(address):
    return expired_pair(NAMES[address]) if address == OLD else CA.pair(NAMES[address])


def published(address, usage=3, selector=1, matching=1):
    return tlsa(CA.ca if usage == 2 else pair_of(address)[0], usage, selector, matching)


def other(usage=3, selector=1, matching=1):
    """A record that matches nothing here."""
    return f"TLSA {usage} {selector} {matching} " + "ab" * (64 if matching == 2 else 32)


class Case:
    """A recipient domain NAME.ok.test: its exchanger's address and TLSA records, and what must come of mail for it."""

    def __init__(self, address, records, expect, why="", level="dane"):
        self.address, self.records, self.expect, self.why, self.level = address, records, expect, why, level


TAKEN, WAITS = "delivered", "deferred"
CASES = {
    **{f"ee{s}{m}": Case(RIGHT, [published(RIGHT, 3, s, m)], TAKEN) for s in (0, 1) for m in (0, 1, 2)},
    **{f"eewrong{s}{m}": Case(WRONG, [published(RIGHT, 3, s, m)], WAITS, "certificate") for s in (0, 1) for m in (0, 1, 2)},
    # Usage 3 looks neither at dates nor at names
    "eeold": Case(OLD, [published(OLD)], TAKEN),
    "eename": Case(WRONG, [published(WRONG)], TAKEN),
    "roll": Case(RIGHT, [other(), published(RIGHT), other(3, 0, 1)], TAKEN),
    "mixed": Case(RIGHT, ["TLSA 1 1 1 " + "ab" * 32, SHORT, published(RIGHT)], TAKEN),
    "mixedwrong": Case(WRONG, ["TLSA 1 1 1 " + "ab" * 32, published(RIGHT)], WAITS, "certificate"),
    "tafalse": Case(RIGHT, [other(2, 0, 1)], WAITS, "certificate"),
    "clear": Case(PLAIN, [published(RIGHT)], WAITS, "STARTTLS"),
    # None can be used: encrypted, and nobody is proven
    "pkix": Case(WRONG, ["TLSA 1 1 1 " + "ab" * 32, "TLSA 0 0 1 " + "ab" * 32], TAKEN, level="encrypted"),
    "future": Case(WRONG, ["TLSA 3 1 9 " + "ab" * 32, "TLSA 3 7 1 " + "ab" * 32, "TLSA 9 1 1 " + "ab" * 32], TAKEN, level="encrypted"),
    "short": Case(WRONG, [SHORT], TAKEN, level="encrypted"),
    "pkixclear": Case(PLAIN, ["TLSA 1 1 1 " + "ab" * 32], WAITS, "STARTTLS"),
    # There are none
    "nothing": Case(WRONG, [], TAKEN, level="opportunistic"),
    "nothingclear": Case(PLAIN, [], TAKEN, level="clear"),
}


def zones():
    here = {"@": "MX 10 mx", "mx": f"A {RIGHT}", f"_{PORT}._tcp.mx": published(RIGHT)}
    for name, case in CASES.items():
        here[name] = f"MX 10 mx.{name}"
        here[f"mx.{name}"] = f"A {case.address}"
        if case.records:
            here[f"_{PORT}._tcp.mx.{name}"] = case.records
    # Usage 2 looks at names
    here |= {"ta": "MX 10 mx", "taname": "MX 10 mx.taname", "mx.taname": f"A {RIGHT}", f"_{PORT}._tcp.mx.taname": published(RIGHT, 2, 0, 1),
             "taalias": "MX 10 byname.taalias", "byname.taalias": "CNAME mx2", "mx2": f"A {RIGHT}", f"_{PORT}._tcp.mx2": published(RIGHT, 2, 1, 1),
             "taold": "MX 10 mx.taold", "mx.taold": f"A {OLD}", f"_{PORT}._tcp.mx.taold": published(OLD, 2, 0, 1)}
    # Aliases: the canonical name goes first
    here |= {"aliased": "MX 10 alias", "alias": "CNAME mx",
             "both": "MX 10 bothalias", "bothalias": "CNAME mx", f"_{PORT}._tcp.bothalias": other(),
             "own": "MX 10 ownalias", "ownalias": "CNAME bare", "bare": f"A {RIGHT}", f"_{PORT}._tcp.ownalias": published(RIGHT),
             "ownwrong": "MX 10 ownwrongalias", "ownwrongalias": "CNAME wrongbare", "wrongbare": f"A {WRONG}", f"_{PORT}._tcp.ownwrongalias": published(RIGHT),
             "outside": "MX 10 outsidealias", "outsidealias": "CNAME mx.plain.test.", f"_{PORT}._tcp.outsidealias": published(RIGHT),
             "tlsaalias": "MX 10 mx.tlsaalias", "mx.tlsaalias": f"A {RIGHT}", f"_{PORT}._tcp.mx.tlsaalias": f"CNAME _{PORT}._tcp.mx"}
    here |= {"second": ["MX 10 mx.eewrong11", "MX 20 mx"], "nomx": f"A {RIGHT}", f"_{PORT}._tcp.nomx": published(RIGHT),
             "nomxwrong": f"A {WRONG}", f"_{PORT}._tcp.nomxwrong": published(RIGHT), "brokensecond": ["MX 10 mx.forged.test.", "MX 20 mx"],
             "tobroken": "MX 10 mx.forged.test.", "todead": "MX 10 mx.deadrecords.test.", "toplain": "MX 10 mx.plain.test."}
    return {
        "ok.test": here,
        "plain.test": unsigned({"@": "MX 10 mx", "mx": f"A {WRONG}", f"_{PORT}._tcp.mx": published(RIGHT), "tosigned": "MX 10 mx.eewrong11.ok.test."}),
        "forged.test": bogus({"@": "MX 10 mx", "mx": f"A {RIGHT}", f"_{PORT}._tcp.mx": published(RIGHT)}, changed={f"_{PORT}._tcp.mx": other()}),
        "brokenmx.test": bogus({"@": "MX 10 mx.ok.test."}, changed={"@": "MX 10 mx.evil.test."}),
        "brokenaddress.test": bogus({"@": "MX 10 mx", "mx": f"A {RIGHT}", f"_{PORT}._tcp.mx": published(RIGHT)}, changed={"mx": f"A {WRONG}"}),
        "deadrecords.test": {"mx": f"A {RIGHT}"},
        "_tcp.mx.deadrecords.test": dead({f"_{PORT}": published(RIGHT)}),
        "evil.test": unsigned({"mx": f"A {PLAIN}"}),
    }


@contextlib.contextmanager
def hops():
    """All hosts at the port of mail, by address."""
    with contextlib.ExitStack() as stack:
        yield {address: stack.enter_context(Hop(address=address, port=PORT, tls=pair_of(address) if NAMES[address] else None)) for address in NAMES}


def daemon_for(level, **more):
    core = {"resolvers": [TREE.resolver], "outbound": {"port": PORT}, "queue": {"retry": ["1h"]}, "log_level": "debug", "tls": {"outbound": level}, **more}
    return Daemon(core)


def answers(daemon, domains):
    """What became of one message for each domain: state and reply."""
    mark = daemon.mark()
    for domain in domains:
        send_one(daemon.port, recipients=[f"x@{domain}"])
    out = {}
    for domain in domains:
        def ended(domain=domain):
            return [e for e in daemon.events("recipient.*", mark, recipient=f"x@{domain}") if e["event"][10:] in ("delivered", "deferred", "bounced")]
        event = wait_until(ended, 20, lambda domain=domain: f"an answer for {domain}\n{daemon.tail()}")[0]
        out[domain] = (event["event"][10:], event["reply"])
    return out


def secured(daemon, domain):
    found = [e for e in daemon.events("outbound.tls*") if e["destination"].split("?")[0] == f"mx:{domain}"]
    assert found, f"no word about TLS with {domain}\n{daemon.tail(200)}"
    return found[-1]


def assert_case(name, case, got, event):
    state, reply = got
    assert state == case.expect, (name, got)
    if case.expect == WAITS:
        assert reply.startswith("451 4.7.") and case.why in reply and f"mx.{name}.ok.test" in reply, (name, reply)
        assert event["event"] == "outbound.tls_failed" and event["result"] != "success", event
    elif case.level == "clear":
        assert not event["tls"], event
    else:
        assert event["tls"].startswith("TLS1.3 "), event
        assert event["policy"] == ("no-policy-found" if case.level == "opportunistic" else "tlsa"), event


def test_every_kind_of_record():
    domains = {f"{name}.ok.test": name for name in CASES}
    for level in ("opportunistic", "dane"):
        with hops() as hosts, daemon_for(level) as daemon:
            got = answers(daemon, domains)
            for domain, name in domains.items():
                assert_case(name, CASES[name], got[domain], secured(daemon, domain))
            taken = {r for hop in hosts.values() for message in hop.messages for r in message.recipients}
            assert taken == {f"x@{domain}" for domain, name in domains.items() if CASES[name].expect == TAKEN}


def test_dane_only_takes_nothing_less():
    domains = {f"{name}.ok.test": name for name in ("ee11", "eewrong11", "mixed", "pkix", "future", "short", "nothing", "nothingclear", "clear")}
    with hops(), daemon_for("dane-only") as daemon:
        got = answers(daemon, [*domains, "plain.test", "tosigned.plain.test", "toplain.ok.test"])
        for domain, (state, reply) in got.items():
            assert state == (TAKEN if domain in ("ee11.ok.test", "mixed.ok.test") else WAITS), (domain, reply)
            assert state == TAKEN or reply.startswith("451 4.7."), (domain, reply)
        for domain in ("nothing.ok.test", "pkix.ok.test", "plain.test", "tosigned.plain.test"):
            assert secured(daemon, domain)["result"] == "dane-required", secured(daemon, domain)


def test_names_of_usage_two():
    with hops(), daemon_for("dane") as daemon:
        got = answers(daemon, ["ta.ok.test", "taname.ok.test", "taalias.ok.test", "taold.ok.test"])
        assert got["ta.ok.test"][0] == TAKEN, got
        assert got["taname.ok.test"][0] == WAITS and "mx.taname.ok.test" in got["taname.ok.test"][1], got
        assert secured(daemon, "taname.ok.test")["result"] == "certificate-host-mismatch", secured(daemon, "taname.ok.test")
        assert got["taalias.ok.test"][0] == WAITS and secured(daemon, "taalias.ok.test")["result"] == "certificate-host-mismatch", got
        assert got["taold.ok.test"][0] == WAITS and secured(daemon, "taold.ok.test")["result"] == "certificate-expired", secured(daemon, "taold.ok.test")
    for domain, name in (("taname", "mx.taname.ok.test"), ("taalias", "byname.taalias.ok.test"), ("taalias", "mx2.ok.test"), ("taalias", "taalias.ok.test")):
        with Hop(address=RIGHT, port=PORT, tls=CA.pair(name)) as hop, daemon_for("dane") as daemon:
            assert answers(daemon, [f"{domain}.ok.test"])[f"{domain}.ok.test"][0] == TAKEN, name
            assert hop.sessions[0][1] == ("mx2.ok.test" if domain == "taalias" else name), hop.sessions


def test_aliases():
    with hops() as hosts, daemon_for("dane") as daemon:
        got = answers(daemon, [f"{name}.ok.test" for name in ("aliased", "both", "own", "ownwrong", "outside", "tlsaalias")])
        for name in ("aliased", "both", "own", "tlsaalias"):
            assert got[f"{name}.ok.test"][0] == TAKEN, got
            assert secured(daemon, f"{name}.ok.test")["policy"] == "tlsa", secured(daemon, f"{name}.ok.test")
        for name in ("ownwrong", "outside"):
            assert got[f"{name}.ok.test"][0] == WAITS, got
        asked = {sni for _, sni in hosts[RIGHT].sessions}
        assert asked == {"mx.ok.test", "ownalias.ok.test", "mx.tlsaalias.ok.test"}, asked


def test_mail_exchangers():
    with hops() as hosts, daemon_for("dane") as daemon:
        got = answers(daemon, ["second.ok.test", "nomx.ok.test", "nomxwrong.ok.test", "plain.test", "tosigned.plain.test", "toplain.ok.test"])
        assert got["second.ok.test"][0] == TAKEN and secured(daemon, "second.ok.test")["remote"].startswith("mx.ok.test "), got
        assert got["nomx.ok.test"][0] == TAKEN and got["nomxwrong.ok.test"][0] == WAITS, got
        assert {got[name][0] for name in ("plain.test", "tosigned.plain.test", "toplain.ok.test")} == {TAKEN}, got
        assert len([m for m in hosts[WRONG].messages]) == 3


def test_what_is_broken_waits():
    for level in ("opportunistic", "dane", "dane-only"):
        with hops() as hosts, daemon_for(level) as daemon:
            broken = ["forged.test", "brokenmx.test", "brokenaddress.test", "tobroken.ok.test", "todead.ok.test"]
            got = answers(daemon, [*broken, "brokensecond.ok.test"])
            for domain in broken:
                assert got[domain][0] == WAITS and got[domain][1].startswith("451 4."), (level, domain, got[domain])
            assert got["brokensecond.ok.test"][0] == TAKEN, got
            assert [m.recipients for hop in hosts.values() for m in hop.messages] == [["x@brokensecond.ok.test"]]
            assert "forged" in got["tobroken.ok.test"][1], got


def test_configured_hosts():
    hop = f"smtp://mx.ok.test:{PORT}"
    wrong = f"smtp://mx.eewrong11.ok.test:{PORT}"
    with hops(), daemon_for("dane", routes=[{"match": "a.test", "to": [hop]}, {"match": "b.test", "to": [wrong]}, {"match": "c.test", "to": [wrong, hop]}]) as daemon:
        got = answers(daemon, ["a.test", "b.test", "c.test"])
        assert [got[d][0] for d in ("a.test", "b.test", "c.test")] == [TAKEN, WAITS, TAKEN], got


def test_a_policy_holds_for_its_domain_alone():
    with hops() as hosts, daemon_for("opportunistic") as daemon:
        got = answers(daemon, ["eewrong11.ok.test", "tosigned.plain.test"])
        assert got["eewrong11.ok.test"][0] == WAITS and got["tosigned.plain.test"][0] == TAKEN, got
        assert answers(daemon, ["tosigned.plain.test", "toplain.ok.test"])["tosigned.plain.test"][0] == TAKEN  # still, while the other waits
        assert len(hosts[WRONG].messages) == 3 and len(daemon.queue()) == 1


TREE = None

if __name__ == "__main__":
    with SignedTree(zones()) as TREE:
        run_tests(globals())
