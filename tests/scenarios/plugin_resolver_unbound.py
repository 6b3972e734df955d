#!/usr/bin/env python3
# The plugin resolver-unbound: its scripts in the test host, then a real daemon that validates a signed tree by itself, from NSD.
import json
import os
import re
import shutil
import time

from check_tls_dane import Authority
from dnssec_zones import EXPECTED, TREE, ask
from lib_dnssec import SignedTree, tlsa
from lib_veredus import Daemon, Sink, free_port, run_tests, send_one, wait_until, work_dir
from plugin_greylist import run_scripts

ZONES = None


def fragment(**settings):
    given = {"root_anchor": ZONES.anchor, "stubs": ZONES.stubs(), "insecure": ZONES.insecure_tops(), "max_ttl": "5s", **settings}
    return {"05-resolver-unbound.yaml": "plugin: resolver-unbound\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in given.items())}


def resolving(core=None, **settings):
    return Daemon({"resolver": "resolver-unbound", "tls": {"trusted_resolvers": []}, **(core or {})}, files=fragment(**settings))


def test_scripts_strict():
    run_scripts("resolver-unbound", "strict")


def test_it_validates_without_a_validating_resolver():
    with resolving() as daemon:
        for name, kind, drill, ad, status, _ in EXPECTED:
            found = ask(daemon, name, kind)
            is_bogus = drill == "SERVFAIL" and "dead" not in name
            assert (found["status"], found["authentic"], found["bogus"]) == (status, ad, is_bogus), (name, kind, found)
        daemon.wait_event("resolver-unbound.bogus")
        reasons = [event["reason"] for event in daemon.events("resolver-unbound.bogus") if event["name"] == "old.test"]
        assert reasons and "expired" in reasons[0], reasons
        many = ask(daemon, "example.test", "MX")
        assert sorted((r["preference"], r["target"]) for r in many["records"]) == [(10, "mx.example.test"), (20, "mx.plain.test")], many
        assert ask(daemon, "alias.example.test", "CNAME")["records"][0]["target"] == "mx.example.test"
        assert ask(daemon, "chain.example.test", "A")["canonical"] == "mx.example.test"
        metrics = daemon.metrics()
        assert any('answers_total' in name and 'bogus' in name and value >= 5 for name, value in metrics.items()), metrics


def test_checks_ask_the_daemon():
    with resolving() as daemon:
        found = daemon.cmd("check", "dane", "old.test", json=True)
        assert found[0]["result"] == "bogus" and "plugin resolver-unbound" in found[0]["resolver"], found
        port = free_port()
        ZONES.update("sub.example.test", {"@": "MX 10 mx", f"_{port}._tcp.mx": ["TLSA 3 1 1 " + "ab" * 32, "TLSA 1 1 1 " + "ab" * 32, "TLSA 3 1 1 ab"]})
        domain, host = daemon.cmd("check", "dane", "sub.example.test", "--port", port, json=True)
        assert domain["secure"] and host["secure"] and host["result"] == "unreachable", (domain, host)
        assert [one["usable"] for one in host["tlsa"]] == [True, False, False], host
        ZONES.update("sub.example.test", {"@": None, f"_{port}._tcp.mx": None})


def test_a_wrong_anchor_makes_everything_bogus():
    other = SignedTree({"example.test": {"mx": "A 127.0.0.1"}})
    try:
        with resolving(root_anchor=other.anchor) as daemon:
            found = ask(daemon, "mx.example.test", "A")
            assert found["bogus"] and found["temporary"] and not found["records"], found
    finally:
        other.stop()


def keys_in(path):
    """What is followed: {key tag: state}."""
    with open(path, encoding="ascii") as file:
        return {int(tag): state for tag, state in re.findall(r";{id = (\d+)[^\n]*;;state=\d+ \[ *(\w+) *\]", file.read())}


def waited(path):
    """As if the keys that wait had been seen for the first time 40 days ago."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    long_ago = f";;lastchange={int(time.time()) - 40 * 86400} "
    text = "".join(re.sub(r";;lastchange=\d+ ", long_ago, line) if "ADDPEND" in line else line for line in text.splitlines(True))
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def test_keys_are_followed_as_they_change():
    """RFC 5011: a new key beside the trusted one waits; then the zone is signed by the new one only. Time is turned in the file."""
    directory = work_dir()
    path = os.path.join(directory, "followed.key")
    zones = {"example.test": {"mx": "A 127.0.0.1"}}
    with SignedTree(zones) as tree:
        top = tree.zones["test"]

        def secure(**settings):
            with resolving(root_anchor=tree.anchor, stubs=tree.stubs(), insecure=[], **settings) as daemon:
                found = ask(daemon, "mx.example.test", "A")
                assert found["bogus"] or found["authentic"], found
                return found["authentic"]

        assert secure(followed_anchor=path)
        assert list(keys_in(path).values()) == ["VALID"], keys_in(path)
        top.keys.append(tree._run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "test").strip())
        tree.update("test", {})
        assert secure(followed_anchor=path)
        assert sorted(keys_in(path).values()) == ["ADDPEND", "VALID"], keys_in(path)
        assert secure(followed_anchor=path), "it reads what it has written"
        assert sorted(keys_in(path).values()) == ["ADDPEND", "VALID"], "nobody waited"
        waited(path)
        assert secure(followed_anchor=path)
        assert list(keys_in(path).values()) == ["VALID", "VALID"], keys_in(path)
        del top.keys[0]
        tree.update("test", {})
        assert not secure(), "root_anchor has the old one"
        assert secure(followed_anchor=path)
        assert "VALID" in keys_in(path).values(), keys_in(path)
    shutil.rmtree(directory)


def test_a_file_of_followed_keys_must_be_writable():
    daemon = Daemon({"resolver": "resolver-unbound"}, files=fragment(followed_anchor="/proc/root.key"), start=False)
    with daemon:
        daemon.start(ready=False)
        assert daemon.process.wait(20) == 78, daemon.tail()
        assert "05-resolver-unbound.yaml:" in daemon.tail() and "cannot be written; name a file" in daemon.tail(), daemon.tail()


def test_forwarders_are_validated_too():
    with resolving(stubs={}, forward=[ZONES.resolver], reserved=["test", "2.0.192.in-addr.arpa"]) as daemon:
        assert ask(daemon, "_25._tcp.mx.example.test", "TLSA")["authentic"] is True
        assert ask(daemon, "mx.plain.test", "A")["authentic"] is False
        assert ask(daemon, "_25._tcp.mx.forged.test", "TLSA")["temporary"] is True


def test_without_a_stub_reserved_names_do_not_exist():
    with resolving(stubs={}) as daemon:
        assert ask(daemon, "mx.example.test", "A")["status"] == "no_name"


def test_wrong_settings_refuse_the_configuration():
    with resolving() as daemon:
        daemon.write("05-resolver-unbound.yaml", "plugin: resolver-unbound\noptions: ['no-such-thing: 1']\n")
        done = daemon.run("reload")
        assert done.returncode != 0 and b"05-resolver-unbound.yaml:" in done.stderr + done.stdout and b"no-such-thing" in done.stderr + done.stdout, done
        assert ask(daemon, "mx.example.test", "A")["authentic"], "the old instance goes on"


def test_reloads_with_questions_under_way():
    with resolving() as daemon:
        for _ in range(3):
            daemon.cmd("reload")
            assert ask(daemon, "mx.example.test", "A")["authentic"]
        ZONES.update("example.test", {"late": "A 127.0.0.5"})
        daemon.cmd("reload")
        assert ask(daemon, "late.example.test", "A")["authentic"], "a reload begins with an empty cache"
        ZONES.update("example.test", {"late": None})


def test_mail_by_mx_and_the_table_of_hosts_first():
    with Sink() as sink:
        port = int(sink.address.rsplit(":", 1)[1])
        core = {"outbound": {"port": port}, "relay_domains": [], "hosts": {"mx.listed.test": ["127.0.0.1"]}}
        with resolving(core) as daemon:
            assert ask(daemon, "mx.listed.test", "A")["records"][0]["address"] == "127.0.0.1"
            send_one(daemon.port, recipients=["someone@plain.test"])
            assert sink.wait(1)[0].recipients == ["someone@plain.test"]
            send_one(daemon.port, recipients=["someone@old.test"])
            daemon.wait_event("destination.backoff", destination="mx:old.test", timeout=30)
            waiting = daemon.queue("--recipient", "someone@old.test")[0]["recipients"][0]
            assert waiting["state"] == "queued" and waiting["reply"].startswith("451 "), waiting
            daemon.cmd("queue", "delete", "--older", "0s")
            wait_until(lambda: not daemon.queue(), 10)


def outcome(daemon, recipient):
    """"delivered", or the reply with which it waits."""
    sent = send_one(daemon.port, recipients=[recipient])
    found = wait_until(lambda: daemon.events("recipient.delivered", id=sent) + daemon.events("recipient.deferred", id=sent), 30, daemon.tail)
    return found[0]["reply"] if found[0]["event"] == "recipient.deferred" else "delivered"


def test_dane_with_it():
    """From one daemon to another; the only resolver that is asked is the plugin."""
    authority, port = Authority(), free_port()
    cert, key = authority.pair("mx.example.test")
    try:
        receiving = {"hostname": "mx.example.test", "listeners": [{"role": "mx", "address": f"127.0.0.1:{port}"}], "relay_domains": [".test"],
                     "tls": {"certificates": [{"cert": cert, "key": key}]}}
        with Sink() as sink, Daemon({**receiving, "routes": [{"match": "*", "to": [sink.hop]}]}), \
                resolving({"outbound": {"port": port, "idle": "0s"}, "queue": {"retry": ["1h"]}, "relay_domains": []}) as daemon:
            record = f"_{port}._tcp.mx"
            ZONES.update("sub.example.test", {"@": "MX 10 mx.example.test.", "other": "MX 10 mx.example.test."})
            ZONES.update("example.test", {record: tlsa(cert)})
            assert outcome(daemon, "a@sub.example.test") == "delivered"
            ZONES.update("example.test", {record: tlsa(authority.ca)})
            daemon.cmd("reload")
            reply = outcome(daemon, "b@sub.example.test")
            assert reply.startswith("451 4.7.") and "TLSA" in reply, reply
            ZONES.update("example.test", {record: tlsa(cert)}, changed={record: tlsa(authority.ca)})
            daemon.cmd("reload")
            reply = outcome(daemon, "c@other.sub.example.test")
            assert reply.startswith("451 4.7.") and "DANE" in reply, reply
            assert [arrived.recipients for arrived in sink.wait(1)] == [["a@sub.example.test"]], sink.wait(1)
            daemon.cmd("queue", "delete", "--older", "0s")
            ZONES.update("example.test", {record: None}, changed={})
    finally:
        shutil.rmtree(authority.dir)


if __name__ == "__main__":
    with SignedTree(TREE) as ZONES:
        run_tests(globals())
