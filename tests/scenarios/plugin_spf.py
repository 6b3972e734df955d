#!/usr/bin/env python3
# The plugin spf: its scripts in the test host; the commands; then a real daemon whose clients are whoever XCLIENT says, over a fake DNS.
import json
import subprocess

from lib_base import VEREDUS
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

MESSAGE = b"Subject: hello\r\nAuthentication-Results: mx.example.test; spf=pass smtp.mailfrom=forged.test\r\n\r\ntext\r\n"
ZONE = {
    "a.test": {"TXT": ["some text", "v=spf1 mx include:_spf.a.test -all exp=why.a.test"], "MX": [(20, "m2.a.test"), (10, "m1.a.test")]},
    "m1.a.test": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}, "m2.a.test": {"A": ["192.0.2.2"]},
    "_spf.a.test": {"TXT": ["v=spf1 ip4:203.0.113.0/25 ~all"]},
    "why.a.test": {"TXT": ["%{c} is no host of %{d}: see https://a.test/spf?s=%{S}"]},
    "two.test": {"TXT": ["v=spf1 -all", "v=spf1 +all"]}, "loop.test": {"TXT": ["v=spf1 include:loop.test -all"]},
    "slow.test": {"TXT": ["v=spf1 a:never.slow.test -all"]}, "never.slow.test": "TIMEOUT", "broken.test": "SERVFAIL",
    "long.test": {"TXT": ["v=spf1 " + "ip4:198.51.100.1 " * 200 + "ip4:192.0.2.9 -all"]},
    "mail.a.test": {"TXT": ["v=spf1 ip4:192.0.2.9 -all"]},
}


def checking(dns, hop, settings="", **core):
    core = {"routes": routes_to(hop), "resolvers": [dns.address], "xclient_networks": ["127.0.0.1/32"], "relay_networks": ["127.0.0.1/32"], "log_level": "debug", **core}
    return Daemon(core, files={"30-spf.yaml": "plugin: spf\n" + settings})


def stranger(daemon, address, helo="mail.a.test"):
    client = Smtp(daemon.port)
    client.hello()
    client.cmd(f"XCLIENT ADDR={'IPV6:' if ':' in address else ''}{address}", 220)
    client.hello(helo)
    return client


def results(octets):
    """The fields Authentication-Results, unfolded."""
    header = octets.split(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ").replace("\r\n ", " ")
    return [line for line in header.split("\r\n") if line.startswith("Authentication-Results:")]


def check(*words, dns=None):
    done = subprocess.run([VEREDUS, "check", "spf", *words, *(["--dns", dns.address] if dns else [])], capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_scripts_strict():
    run_scripts("spf", "strict")


def test_the_command_says_the_word_first_and_then_each_step():
    with FakeDns(ZONE) as dns:
        for address, sender, words in (("192.0.2.2", "u@a.test", ["pass\nchecked: ", "decided by: mx"]), ("203.0.113.5", "u@a.test", ["pass\nchecked: "]),
                                       ("203.0.113.200", "u@a.test", ["fail\nexplanation: 203.0.113.200 is no host of a.test: see https://a.test/spf?s=u%40a.test\n"]),
                                       ("192.0.2.1", "u@two.test", ["permerror\n", "publishes 2 SPF records"]), ("192.0.2.1", "u@loop.test", ["permerror\n", "more than 10 terms"]),
                                       ("192.0.2.1", "u@broken.test", ["temperror\n"]), ("192.0.2.1", "u@none.test", ["none\n", "fix: "]), ("192.0.2.9", "u@long.test", ["pass\n"]),
                                       ("2001:db8::1", "u@a.test", ["pass\n"]), ("192.0.2.9", "", ["pass\n", "mail.a.test (HELO)"])):
            code, out, err = check("--ip", address, "--helo", "mail.a.test", "--from", sender, "--time", "1700000000", dns=dns)
            assert code == 0 and out.startswith(words[0]) and all(word in out for word in words), (address, sender, out, err)
        out = json.loads(check("--ip", "203.0.113.200", "--helo", "h.test", "--from", "u@a.test", "--json", dns=dns)[1])
        assert out["result"] == "fail" and out["lookups"] == 2 and out["mechanism"] == "-all" and out["published_explanation"] and len(out["steps"]) > 4, out
        assert check("--ip", "nowhere", "--helo", "h.test")[0] == 64 and check("--helo", "h.test", "--from", "u@a.test")[0] == 64
        published = subprocess.run([VEREDUS, "check", "spf-record", "a.test", "--dns", dns.address], capture_output=True, text=True, timeout=30, check=False)
        assert published.returncode == 0 and published.stdout.startswith("valid a.test: 2 of 10 look-ups") and "record:   _spf.a.test: v=spf1" in published.stdout, published
    record = subprocess.run([VEREDUS, "check", "spf-record"], input=b"v=spf1 a:192.0.2.1 -all\n", capture_output=True, timeout=30, check=False)
    assert record.returncode == 0 and record.stdout.startswith(b"invalid\nproblem: the term 'a:192.0.2.1'"), record


def test_results_stand_in_the_message_and_forged_ones_do_not():
    with FakeDns(ZONE) as dns, Hop() as hop, checking(dns, hop, "received_spf: true\n") as daemon:
        for count, (address, sender, wanted) in enumerate((("192.0.2.1", "u@a.test", "spf=pass smtp.mailfrom=a.test"), ("2001:db8::1", "u@a.test", "spf=pass smtp.mailfrom=a.test"),
                                                           ("198.51.100.1", "u@a.test", "spf=fail smtp.mailfrom=a.test"), ("192.0.2.9", "", "spf=pass smtp.helo=mail.a.test"),
                                                           ("192.0.2.9", "u@none.test", "spf=none smtp.mailfrom=none.test"), ("192.0.2.9", "u@loop.test", "spf=permerror reason=")), 1):
            with stranger(daemon, address) as client:
                client.deliver(MESSAGE, sender=sender)
            octets = hop.wait(count)[-1].octets
            assert len(results(octets)) == 1 and wanted in results(octets)[0] and "forged" not in results(octets)[0], octets
            field = f"Received-SPF: {wanted.split()[0][4:]} (mx.example.test: ".encode()
            assert field in octets and b"client-ip=" in octets, octets
        assert [e["result"] for e in daemon.events("spf.checked")] == ["pass", "pass", "fail", "pass", "none", "permerror"], daemon.tail()


def test_what_the_actions_say_happens_and_our_own_are_spared():
    actions = "trusted: []\nactions: { fail: reject, permerror: reject, temperror: tempfail }\ndns_timeout: 500ms\ncheck_timeout: 1s\n"
    with FakeDns(ZONE) as dns, Hop() as hop, checking(dns, hop, actions) as daemon:
        for address, sender, reply in (("198.51.100.1", "u@a.test", "550 5.7.23 198.51.100.1 may not send mail for a.test (SPF fail); the domain explains: 198.51.100.1 is no host of a.test"),
                                       ("198.51.100.1", "u@two.test", "550 5.7.24 SPF of two.test cannot be checked: two.test publishes 2 SPF records"),
                                       ("198.51.100.1", "u@broken.test", "451 4.7.24"), ("198.51.100.1", "u@slow.test", "451 4.7.24"), ("198.51.100.1", "u@none.test", "250"), ("192.0.2.2", "u@a.test", "250")):
            with stranger(daemon, address) as client:
                client.cmd(f"MAIL FROM:<{sender}>", reply)
        with Smtp(daemon.port) as client:  # from relay_networks
            client.hello()
            client.cmd("MAIL FROM:<u@a.test>", 250)
        assert not dns.asked("forged.test")


def test_a_forwarder_is_trusted_after_a_reload():
    with FakeDns(ZONE) as dns, Hop() as hop, checking(dns, hop, "actions: { fail: reject }\n") as daemon:
        with stranger(daemon, "198.51.100.1") as client:
            client.cmd("MAIL FROM:<u@a.test>", 550)
        daemon.write("30-spf.yaml", "plugin: spf\nactions: { fail: reject }\ntrusted: [198.51.100.0/24]\n")
        daemon.cmd("reload")
        with stranger(daemon, "198.51.100.1") as client:
            client.cmd("MAIL FROM:<u@a.test>", 250)


def test_many_clients_at_once_over_a_slow_dns():
    with FakeDns(ZONE) as dns, Hop() as hop, checking(dns, hop, "dns_timeout: 300ms\ncheck_timeout: 1s\n") as daemon:
        clients = [stranger(daemon, f"198.51.100.{i}") for i in range(1, 41)]
        for client in clients:
            client.send(b"MAIL FROM:<u@slow.test>\r\n")
        for client in clients[:20]:
            client.abort()  # while its check is under way
        for client in clients[20:]:
            assert client.reply().code == 250
            client.close()
        assert len(daemon.events("spf.checked", result="temperror")) >= 20, daemon.tail()


if __name__ == "__main__":
    run_tests(globals())
