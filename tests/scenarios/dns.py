#!/usr/bin/env python3
# DNS against real servers: a signed tree of zones served by NSD, validated by unbound, seen through `veredus dns`, and mail by MX.
from lib_dnssec import SignedTree, expired, unsigned
from lib_veredus import Daemon, Sink, free_port, run_tests, send_one, wait_until

TLSA = "3 1 1 " + "ab" * 32
TREE = {
    "example.test": {
        "@": ["MX 20 mx2", "MX 10 mx1", 'TXT "v=spf1 -all" " and more"'],
        "mx1": ["A 127.0.0.1", "AAAA ::1"], "mx2": "A 127.0.0.1",
        "alias": "CNAME mx1", "chain": "CNAME alias", "dangling": "CNAME nothing",
        "null": "MX 0 .", "_25._tcp.mx1": "TLSA " + TLSA,
        "many": [f"TXT {'x' * 250}"] + [f"TXT {i:03d}{'y' * 240}" for i in range(40)],
    },
    "bogus.test": expired({"@": "MX 10 mx", "mx": "A 127.0.0.1", "_25._tcp.mx": "TLSA " + TLSA}),
    "plain.test": unsigned({"@": "MX 10 mx", "mx": ["A 127.0.0.1", "TXT plain"]}),
    "2.0.192.in-addr.arpa": unsigned({"1": "PTR mx1.example.test."}),
}
SERVERS = None


def daemon(core=None):
    return Daemon({"resolvers": [SERVERS.resolver], **(core or {})})


def ask(veredus, name, kind, code=0):
    found = veredus.cmd("dns", name, kind, json=True, code=code)
    assert len(found) == 1, found
    return found[0]


def ready(veredus):
    """The servers may still be loading: asked for several names, because a failure is remembered for two seconds."""
    wait_until(lambda: ask(veredus, "example.test", "MX", None)["status"] == "ok", 30, SERVERS.logs, 0.3)
    return veredus


def test_authentic_answers_of_every_type():
    with daemon() as veredus:
        ready(veredus)
        mx = ask(veredus, "example.test", "MX")
        assert mx["status"] == "ok" and mx["authentic"] is True and mx["bogus"] is False, mx
        assert sorted((r["preference"], r["target"]) for r in mx["records"]) == [(10, "mx1.example.test"), (20, "mx2.example.test")], mx
        assert ask(veredus, "mx1.example.test", "A")["records"][0]["address"] == "127.0.0.1"
        assert ask(veredus, "mx1.example.test", "AAAA")["records"][0]["address"] == "::1"
        assert ask(veredus, "EXAMPLE.Test.", "TXT")["records"][0]["text"] == "v=spf1 -all and more"
        assert ask(veredus, "alias.example.test", "CNAME")["records"][0]["target"] == "mx1.example.test"
        tlsa = ask(veredus, "_25._tcp.mx1.example.test", "TLSA")
        assert tlsa["authentic"] and tlsa["records"][0]["data"] == TLSA, tlsa
        chain = ask(veredus, "chain.example.test", "A")
        assert chain["canonical"] == "mx1.example.test" and chain["authentic"], chain
        null = ask(veredus, "null.example.test", "MX")
        assert null["records"] == [{"preference": 0, "target": "", "ttl": null["records"][0]["ttl"]}], null
        text = veredus.cmd("dns", "example.test", "mx")
        assert "10 mx1.example.test." in text and "authentic" in text, text


def test_answers_that_are_not_authenticated():
    with daemon() as veredus:
        ready(veredus)
        plain = ask(veredus, "plain.test", "MX")
        assert plain["status"] == "ok" and plain["authentic"] is False, plain
        ptr = ask(veredus, "192.0.2.1", "PTR")
        assert ptr["records"][0]["target"] == "mx1.example.test" and ptr["authentic"] is False, ptr
        assert ask(veredus, "1.2.0.192.in-addr.arpa", "PTR")["records"] == ptr["records"]
    with daemon({"tls": {"trusted_resolvers": ["192.0.2.0/24"]}}) as veredus:
        ready(veredus)
        assert ask(veredus, "example.test", "MX")["authentic"] is False, "AD believed from a resolver that is not trusted"


def test_what_is_not_there():
    with daemon() as veredus:
        ready(veredus)
        gone = ask(veredus, "gone.example.test", "MX")
        assert gone["status"] == "no_name" and gone["authentic"] is True and gone["records"] == [], gone
        empty = ask(veredus, "mx1.example.test", "MX")
        assert empty["status"] == "no_data" and empty["authentic"] is True, empty
        dangling = ask(veredus, "dangling.example.test", "A")
        assert dangling["status"] == "no_name" and dangling["canonical"] == "nothing.example.test", dangling
        assert ask(veredus, "a..b", "A")["status"] == "no_name"
        assert veredus.run("dns", "example.test", "ANY").returncode == 64
        assert veredus.run("dns", "example.test").returncode == 64


def test_bogus_is_told_apart():
    with daemon() as veredus:
        ready(veredus)
        mx = ask(veredus, "bogus.test", "MX", 75)
        assert mx["status"] == "server_failure" and mx["temporary"] and mx["records"] == [], mx
        tlsa = ask(veredus, "_25._tcp.mx.bogus.test", "TLSA", 75)
        assert tlsa["bogus"] is True and tlsa["records"] == [], tlsa


def test_a_large_answer_comes_by_tcp():
    with daemon() as veredus:
        ready(veredus)
        many = ask(veredus, "many.example.test", "TXT")
        assert many["status"] == "ok" and len(many["records"]) == 41 and many["authentic"], many
        assert veredus.metrics()["veredus_dns_by_tcp_total"] >= 1


def test_a_dead_resolver_is_passed_over():
    with daemon({"resolvers": [f"127.0.0.1:{free_port()}", SERVERS.resolver]}) as veredus:
        ready(veredus)
        assert ask(veredus, "example.test", "MX")["server"] == SERVERS.resolver
    with daemon({"resolvers": [f"127.0.0.1:{free_port()}"]}) as veredus:
        answer = ask(veredus, "example.test", "MX", 75)
        assert answer["temporary"] and answer["problem"], answer


def test_the_hosts_table_comes_first():
    with daemon({"hosts": {"mx1.example.test": ["127.0.0.9"]}}) as veredus:
        assert ask(veredus, "mx1.example.test", "A")["records"][0]["address"] == "127.0.0.9"
        assert ask(veredus, "localhost", "A")["records"][0]["address"] == "127.0.0.1"


def test_mail_goes_where_the_mx_says():
    with Sink() as sink, daemon({"outbound": {"port": int(sink.address.rsplit(":", 1)[1])}, "relay_domains": []}) as veredus:
        ready(veredus)
        for domain in ("example.test", "plain.test"):
            send_one(veredus.port, recipients=[f"someone@{domain}"])
        arrived = sink.wait(2)
        assert sorted(a.recipients[0] for a in arrived) == ["someone@example.test", "someone@plain.test"], arrived
        veredus.wait_empty()
        send_one(veredus.port, recipients=["someone@null.example.test", "someone@gone.example.test"])
        veredus.wait_event("recipient.bounced", recipient="someone@null.example.test")
        veredus.wait_event("recipient.bounced", recipient="someone@gone.example.test")
        send_one(veredus.port, recipients=["someone@bogus.test"])
        veredus.wait_event("destination.backoff", destination="mx:bogus.test", timeout=30)
        waiting = veredus.queue("--recipient", "someone@bogus.test")[0]["recipients"][0]
        assert waiting["state"] == "queued" and waiting["reply"].startswith("451 4.4.3 "), waiting
        assert waiting["destination"] == "mx:bogus.test", waiting
        assert len(sink.wait(2)) == 2, "mail for a bogus domain must wait"
        veredus.cmd("queue", "delete", "--older", "0s")


if __name__ == "__main__":
    with SignedTree(TREE) as SERVERS:
        run_tests(globals())
