#!/usr/bin/env python3
# Certificates that would contradict the TLSA records that this very host publishes: told at the start, refused at a reload and at a renewal.
import os
import shutil

from check_tls_dane import Authority
from lib_dnssec import SignedTree, tlsa
from lib_veredus import Daemon, free_port, run_tests, wait_until

CA, ZONES, PORT = None, None, free_port()
RECORD = f"_{PORT}._tcp.mx"


def listening(pair, **core):
    given = {"hostname": "mx.example.test", "resolvers": [ZONES.resolver], "listeners": [{"role": "mx", "address": f"127.0.0.1:{PORT}"}],
             "tls": {"certificates": [{"cert": pair[0], "key": pair[1]}]}}
    return Daemon({**given, **core})


def publish(*pems):
    ZONES.update("example.test", {RECORD: [tlsa(pem) for pem in pems]})


def copied(pair, name):
    """Files that a renewal may replace."""
    paths = tuple(os.path.join(CA.dir, f"{name}.{kind}") for kind in ("pem", "key"))
    replace(paths, pair)
    return paths


def replace(paths, pair):
    for path, source in zip(reversed(paths), reversed(pair)):  # the key first, as most clients of ACME do
        shutil.copy(source, path + ".new")
        os.rename(path + ".new", path)


def shown(daemon):
    """SHA-256 of the certificate that a client gets."""
    found = daemon.cmd("check", "tls", f"mx.example.test:{PORT}", "--ca", CA.ca, "--dns", ZONES.resolver, json=True)
    return found[0]["certificate"]["sha256"]


def test_a_certificate_that_matches():
    pair = CA.pair("mx.example.test")
    publish(pair[0])
    with listening(pair) as daemon:
        found = daemon.cmd("check", "dane", "example.test", "--port", PORT, "--ca", CA.ca, json=True)
        assert [one["result"] for one in found] == ["dane-ok", "dane-ok"], found
        daemon.cmd("reload")
        assert not daemon.events("tls.tlsa_mismatch") and not daemon.events("tls.refused"), daemon.tail()


def test_a_mismatch_at_the_start_is_told_and_the_certificate_used():
    publish(CA.ca)
    with listening(CA.pair("mx.example.test")) as daemon:
        event = daemon.wait_event("tls.tlsa_mismatch")
        assert f"_{PORT}._tcp.mx.example.test" in event["text"] and tlsa(CA.pair("mx.example.test")[0]).removeprefix("TLSA ") in event["text"], event
        found = daemon.cmd("check", "dane", "example.test", "--port", PORT, json=True)
        assert [one["result"] for one in found] == ["mismatch", "mismatch"], found
        daemon.cmd("reload")  # what is in use already does not refuse other changes


def test_a_reload_with_a_certificate_that_does_not_match_is_refused():
    old, new = CA.pair("mx.example.test"), CA.pair("mx.example.test", 60)
    publish(old[0])
    with listening(old) as daemon:
        before = shown(daemon)
        daemon.configure({"tls": {"certificates": [{"cert": new[0], "key": new[1]}]}})
        done = daemon.run("reload")
        assert done.returncode == 78 and b"does not match the TLSA records" in done.stderr + done.stdout and new[0].encode() in done.stderr + done.stdout, done
        assert shown(daemon) == before
        publish(old[0], new[0])
        # The records may be cached for five seconds, as by everybody else.
        wait_until(lambda: daemon.run("reload").returncode == 0, 20, daemon.tail, 0.5)
        assert shown(daemon) != before


def test_a_renewed_certificate_that_does_not_match_waits_until_its_record_is_there():
    old, new = CA.pair("mx.example.test"), CA.pair("mx.example.test", 60)
    files = copied(old, "renewed")
    publish(old[0])
    with listening(files) as daemon:
        before = shown(daemon)
        replace(files, new)
        event = daemon.wait_event("tls.refused", timeout=20)
        assert "does not match the TLSA records" in event["text"] and "stays in use" in event["text"], event
        assert shown(daemon) == before
        replace(files, old)
        publish(old[0], new[0])
        daemon.cmd("reload")  # forgets the answers
        replace(files, new)
        wait_until(lambda: shown(daemon) != before, 20, daemon.tail, 0.3)
        assert len(daemon.events("tls.refused")) == 1, daemon.events("tls.refused")


def test_records_that_are_not_signed_bind_nobody():
    ZONES.update("example.test", {}, delegated=False)
    publish(CA.ca)
    try:
        with listening(CA.pair("mx.example.test")) as daemon:
            shown(daemon)
            new = CA.pair("mx.example.test", 60)
            daemon.configure({"tls": {"certificates": [{"cert": new[0], "key": new[1]}]}})
            daemon.cmd("reload")
            assert not daemon.events("tls.tlsa_mismatch"), daemon.tail()
    finally:
        ZONES.update("example.test", {}, delegated=True)


def test_other_certificates_and_other_ports_do_not_matter():
    publish(CA.pair("mx.example.test")[0])
    pairs = [CA.pair("mx.example.test"), CA.pair("shop.test")]
    core = {"tls": {"certificates": [{"cert": cert, "key": key} for cert, key in pairs]}}
    with listening(pairs[0], **core) as daemon:
        shown(daemon)
        other = CA.pair("shop.test", 60)
        daemon.configure({"tls": {"certificates": [{"cert": pairs[0][0], "key": pairs[0][1]}, {"cert": other[0], "key": other[1]}]}})
        daemon.cmd("reload")
        assert not daemon.events("tls.tlsa_mismatch"), daemon.tail()


if __name__ == "__main__":
    CA = Authority()
    try:
        with SignedTree({"example.test": {"@": "MX 10 mx", "mx": "A 127.0.0.1"}}) as ZONES:
            run_tests(globals())
    finally:
        shutil.rmtree(CA.dir, ignore_errors=True)
