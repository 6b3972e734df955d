#!/usr/bin/env python3
# The plugin mta-sts: its scripts in the test host; the commands; then a real daemon that sends to a domain with a policy, over a web server
# and a mail exchanger that are right and wrong.
import json
import subprocess

from lib_base import VEREDUS
from lib_sts import Authority, Web, policy, records
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

TEXT = {"Content-Type": "text/plain"}


def run(*words, stdin=b""):
    done = subprocess.run([VEREDUS, *words], input=stdin, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def check(dns, web, ca, *more):
    return run("check", "mta-sts", "sts.test", "--port", str(web.port), "--ca", ca.ca, "--dns", dns.address, "--timeout", "2", *more)


def sending(dns, hop, web, ca, more="", **tls):
    core = {"resolvers": [dns.address], "outbound": {"port": hop.port}, "queue": {"retry": ["1s", "1h"]}, "relay_domains": ["sts.test"], "log_level": "debug",
            "tls": {"ca": ca.ca, **tls}}
    fragment = f"plugin: mta-sts\nport: {web.port}\nca_file: {ca.ca}\nfetch_timeout: 1500ms\nretry: 500ms\n{more}"
    return Daemon(core, files={"50-mta-sts.yaml": fragment})


def deliver(daemon, recipient="b@sts.test"):
    done = len(daemon.events("recipient.delivered")) + len(daemon.events("recipient.deferred"))
    send_one(daemon.port, recipients=[recipient])
    wait_until(lambda: len(daemon.events("recipient.delivered")) + len(daemon.events("recipient.deferred")) > done, 20, lambda: f"an answer\n{daemon.tail()}")


def test_scripts_strict():
    run_scripts("mta-sts", "strict")


def test_records_and_policies_from_standard_input():
    assert run("check", "mta-sts-record", stdin=b"v=STSv1; id=20261128;\n") == "valid\nid: 20261128\n"
    assert run("check", "mta-sts-record", stdin=b"v=STSv1; id=a-b;").startswith("invalid\nproblem: ")
    assert run("check", "mta-sts-policy", stdin=policy()[2].encode()).startswith("valid\nmode: enforce\nmx: mx.sts.test\n")
    assert run("check", "mta-sts-policy", stdin=b"version: STSv1\nmode: enforced\nmx: a.test\nmax_age: 1\n").startswith("invalid\nproblem: line 2: the mode 'enforced'")
    assert json.loads(run("check", "mta-sts-policy", "--json", stdin=b"\0\xff"))["result"] == "invalid"


def test_the_check_of_a_domain_tells_each_step():
    with Authority() as ca, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), policy()) as web:
        out = check(dns, web, ca)
        assert out.startswith("valid sts.test: ") and "certificate: valid for mta-sts.sts.test" in out and "host: mx.sts.test is allowed, by 'mx.sts.test'" in out, out
        web.answer = policy(mx="other.sts.test")
        out = check(dns, web, ca)
        assert out.startswith("invalid sts.test: ") and "host: mx.sts.test is not allowed" in out and "mail: waits" in out and "fix: add 'mx: mx.sts.test'" in out, out
        assert json.loads(check(dns, web, ca, "--json"))["result"] == "invalid"
        for answer, word in (((301, {"Location": "/x"}, b""), "redirects"), ((200, {"Content-Type": "text/html"}, policy()[2]), "text/html"), ((200, TEXT, b"x" * 70000), "64 KiB"),
                             ((200, TEXT, b"version: STSv1\n"), "there is no 'mode'"), ((404, {}, b""), "HTTP 404")):
            web.answer = answer
            out = check(dns, web, ca)
            assert out.startswith("invalid ") and word in out and "fix: " in out, (word, out)
        dns.records["_mta-sts.sts.test"] = {"TXT": ["v=STSv1; id=1;", "v=STSv1; id=2;"]}
        assert "there are 2 MTA-STS records" in check(dns, web, ca)
        del dns.records["_mta-sts.sts.test"]
        assert check(dns, web, ca).startswith("none sts.test: ")


def test_a_web_server_with_another_name_or_authority_is_told():
    with Authority() as ca, Authority() as other, FakeDns(records()) as dns:
        for pair in (ca.pair("elsewhere.test"), other.pair("mta-sts.sts.test")):
            with Web(pair, policy()) as web:
                out = check(dns, web, ca)
                assert out.startswith("invalid ") and "tls-rpt: sts-webpki-invalid" in out and "certificate: the certificate of mta-sts.sts.test is not valid" in out, out
                assert not web.requests


def test_mail_goes_as_the_policy_says():
    with Authority() as ca, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), policy()) as web:
        with Hop(tls=ca.pair("mx.sts.test")) as hop, sending(dns, hop, web, ca) as daemon:
            deliver(daemon)
            hop.wait(1)
            event = daemon.events("outbound.tls")[-1]
            assert event["policy"] == "sts" and event["result"] == "success" and event["tls"].startswith("TLS1."), event
            deliver(daemon)
            assert len(web.requests) == 1 and web.requests[0][:2] == ("GET", "/.well-known/mta-sts.txt"), web.requests


def refused(ca, dns, web, hop, word, mode="enforce"):
    web.answer = policy(mode)
    with sending(dns, hop, web, ca) as daemon:
        deliver(daemon)
        event = daemon.events("outbound.tls_failed")[-1]
        assert event["policy"] == "sts" and event["result"] == word, event
        assert bool(hop.messages) == (mode == "testing"), daemon.tail()
        assert bool(daemon.events("recipient.deferred")) == (mode == "enforce"), daemon.tail()


def test_enforce_keeps_mail_back_and_testing_does_not():
    with Authority() as ca, Authority() as stranger, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), policy()) as web:
        for mode in ("enforce", "testing"):
            with Hop() as hop:
                refused(ca, dns, web, hop, "starttls-not-supported", mode)
            with Hop(tls=ca.pair("wrong.test")) as hop:
                refused(ca, dns, web, hop, "certificate-host-mismatch", mode)
            with Hop(tls=stranger.pair("mx.sts.test")) as hop:
                refused(ca, dns, web, hop, "certificate-not-trusted", mode)


def test_a_host_that_the_policy_does_not_name_gets_nothing():
    with Authority() as ca, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), policy(mx="*.other.test")) as web:
        with Hop(tls=ca.pair("mx.sts.test")) as hop, sending(dns, hop, web, ca) as daemon:
            deliver(daemon)
            assert not hop.messages and "not among the mail exchangers" in daemon.events("recipient.deferred")[-1]["reply"], daemon.tail()


def test_without_a_policy_that_can_be_had_mail_goes():
    with Authority() as ca, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), (302, {"Location": "https://mta-sts.sts.test/"}, b"")) as web:
        with Hop() as hop, sending(dns, hop, web, ca) as daemon:
            deliver(daemon)
            hop.wait(1)
            assert daemon.events("mta-sts.failed")[-1]["result"] == "sts-policy-fetch-error" and len(web.requests) == 1, daemon.tail()
        web.answer, web.pause = policy(), 30
        with Hop() as hop, sending(dns, hop, web, ca, "patience: 500ms\n") as daemon:
            deliver(daemon)
            hop.wait(1)
            assert daemon.events("mta-sts.slow"), daemon.tail()


def test_a_kept_policy_survives_a_restart_and_the_loss_of_everything():
    with Authority() as ca, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), policy()) as web, Hop(tls=ca.pair("mx.sts.test")) as good:
        with sending(dns, good, web, ca) as daemon:
            deliver(daemon)
            good.wait(1)
            web.answer = (500, {}, b"")
            del dns.records["_mta-sts.sts.test"]
            good.stop()
            daemon.restart()
            with Hop(port=good.port) as plain:  # without TLS
                deliver(daemon)
                assert daemon.events("recipient.deferred")[-1]["reply"].startswith("451") and not plain.messages, daemon.tail()


def test_kept_policies_are_renewed_without_mail():
    with Authority() as ca, FakeDns(records()) as dns, Web(ca.pair("mta-sts.sts.test"), policy()) as web, Hop(tls=ca.pair("mx.sts.test")) as hop:
        with sending(dns, hop, web, ca, "refresh: 1s\n") as daemon:
            deliver(daemon)
            web.answer = policy("testing")
            wait_until(lambda: [e for e in daemon.events("mta-sts.policy") if e["mode"] == "testing"], 15, lambda: f"a renewal\n{daemon.tail()}")


if __name__ == "__main__":
    run_tests(globals())
