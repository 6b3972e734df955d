#!/usr/bin/env python3
# The plugin dkim: its scripts in the test host; the commands; then real daemons that sign what is theirs and verify what strangers bring, over
# a fake DNS: keys that are missing, slow and hostile ones, messages that are large and hostile.
import json
import os
import re
import shutil
import stat
import subprocess
import time

from lib_base import VEREDUS, work_dir
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

PLAIN = b"From: Ann <ann@a.test>\r\nTo: bob@example.test\r\nSubject: hello\r\n\r\ntext \r\n\r\n"
SIGNATURE = b"DKIM-Signature: v=1; a=rsa-sha256; d=%s; s=%s; h=from; bh=eDCyaw7m810RhFf0TmGWGkTYiT/1GwL4/PCOGIr3ew4=; b=AAAA\r\n"


def veredus(*words, stdin=b"", code=0):
    done = subprocess.run([VEREDUS, *words], input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout if code == 0 else done.stderr


class KeyFiles:
    """Keys below one directory, and the zone that publishes them."""

    def __init__(self, domains=("a.test",), kinds=("rsa", "ed25519")):
        self.dir, self.zone = work_dir(), {}
        for domain in domains:
            for kind in kinds:
                self.make(domain, kind, kind)
            self.active(domain, *kinds)

    def make(self, domain, selector, kind="rsa"):
        out = veredus("dkim", "keygen", "--domain", domain, "--selector", selector, "--type", kind, "--dir", self.dir).decode()
        self.publish(out)
        return self.path(domain, selector)

    def publish(self, out):
        names, texts = re.findall(r"^name: (.*)$", out, re.M), re.findall(r"^record: (.*)$", out, re.M)
        assert names and len(names) == len(texts), out
        for name, text in zip(names, texts):
            self.zone[name] = {"TXT": [text]}

    def path(self, domain, selector):
        return os.path.join(self.dir, domain, f"{selector}.pem")

    def active(self, domain, *selectors):
        with open(os.path.join(self.dir, domain, "active"), "w", encoding="utf-8") as file:
            file.write("".join(f"{one}\n" for one in selectors))

    def settings(self, more=""):
        return f'key_files: "{self.dir}/{{domain}}/{{selector}}.pem"\nkey_refresh: 1s\n{more}'

    def sign(self, message, kind="ed25519", domain="a.test", *more):
        return veredus("sign", "dkim", "--domain", domain, "--selector", kind, "--key", self.path(domain, kind), *more, stdin=message)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


def check(dns, message, *more):
    """The result words and the whole output of `veredus check dkim`."""
    out = veredus("check", "dkim", "--dns", dns.address, *more, stdin=message).decode()
    return [line.split()[0] for line in out.splitlines() if not re.match(r"[a-z-]+: ", line)], out


def running(dns, hop, settings="", **core):
    core = {"routes": routes_to(hop), "resolvers": [dns.address], "xclient_networks": ["127.0.0.1/32"], "relay_networks": ["127.0.0.1/32"], "log_level": "debug", **core}
    return Daemon(core, files={"31-dkim.yaml": "plugin: dkim\n" + settings})


def stranger(daemon, address="198.51.100.1"):
    client = Smtp(daemon.port)
    client.hello()
    client.cmd(f"XCLIENT ADDR={address}", 220)
    client.hello("mail.a.test")
    return client


def results(octets):
    header = octets.split(b"\r\n\r\n")[0].decode("utf-8", "replace").replace("\r\n\t", " ").replace("\r\n ", " ")
    fields = [line for line in header.split("\r\n") if line.startswith("Authentication-Results:")]
    return " ".join(fields)


def signatures(octets):
    return octets.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")


def test_scripts_strict():
    run_scripts("dkim", "strict")


def test_what_is_signed_by_the_command_passes_and_nothing_else_is_changed():
    with KeyFiles() as keys, FakeDns(keys.zone) as dns:
        for message in (PLAIN, PLAIN.replace(b"\r\n", b"\n"), b"From: a@a.test\r\n\r\n", b"From: a@a.test\r\nX: \xff\r\n\r\n\xff\0no end"):
            for kind in ("rsa", "ed25519"):
                signed = keys.sign(message, kind)
                assert signed.endswith(message) and signatures(signed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")) == 1, signed
                for engine in ("native", "opendkim"):
                    if engine == "native" or b"\0" not in message:
                        words, out = check(dns, signed, "--engine", engine)
                        assert words == ["pass"] and f"header.d=a.test header.s={kind} header.a={kind}-sha256" in out, out
                assert check(dns, signed.replace(b"a.test", b"b.test", 1))[0] == ["permerror"]
        twice = keys.sign(keys.sign(PLAIN, "rsa"), "ed25519", "a.test", "--headers", "from:subject:subject", "--time", "1700000000")
        words, out = check(dns, twice, "--time", "1700000000")
        assert words == ["pass", "policy"] and b"h=from:subject:subject;" in twice and b"t=1700000000;" in twice and "does not cover To" in out, out
        assert check(dns, twice.replace(b"text", b"TEXT"))[0] == ["fail", "fail"]
        assert check(dns, PLAIN) == (["none"], "none\nreason: there is no signature\n")
        told = json.loads(veredus("check", "dkim", "--json", "--dns", dns.address, stdin=twice))
        assert told["result"] == "pass" and [one["selector"] for one in told["signatures"]] == ["ed25519", "rsa"] and told["signatures"][1]["key_bits"] == 2048, told
        dns.records["rsa._domainkey.a.test"] = "SERVFAIL"
        assert check(dns, twice)[0] == ["pass", "temperror"]


def test_commands_refuse_what_they_cannot_use():
    with KeyFiles(kinds=("ed25519",)) as keys:
        key = keys.path("a.test", "ed25519")
        signing = ("sign", "dkim", "--domain", "a.test", "--selector", "s")
        assert b"usage: veredus sign dkim" in veredus(*signing, stdin=PLAIN, code=64)
        assert b"cannot be read" in veredus(*signing, "--key", key + "x", stdin=PLAIN, code=66)
        assert b"no field From" in veredus(*signing, "--key", key, stdin=b"Subject: x\r\n\r\n", code=65)
        assert b"usage" in veredus("check", "dkim", "--what", code=64)
        assert b"is there already" in veredus("dkim", "keygen", "--domain", "a.test", "--selector", "ed25519", "--dir", keys.dir, code=73)
        assert stat.S_IMODE(os.stat(key).st_mode) == 0o600
        zone = veredus("dkim", "record", "--domain", "a.test", "--selector", "ed25519", "--key", key).decode()
        assert re.search(r"^zone: ed25519\._domainkey\.a\.test\. 3600 IN TXT \( \"v=DKIM1; k=ed25519; p=.{44}\" \)$", zone, re.M), zone


def test_keys_go_from_next_to_active_to_retired():
    with KeyFiles(domains=()) as keys, FakeDns(keys.zone) as dns:
        day, start = 86400, 1800000000

        def rotate(at, *more):
            return veredus("dkim", "rotate", "--domain", "a.test", "--dir", keys.dir, "--dns", dns.address, "--time", str(start + at), *more).decode()

        def active():
            with open(os.path.join(keys.dir, "a.test", "active"), encoding="utf-8") as file:
                return file.read().split()

        out = rotate(0)
        assert out.startswith("created\n") and active() == [], out
        assert rotate(60).startswith("waiting\n") and active() == []
        keys.publish(out)
        dns.records.update(keys.zone)
        assert rotate(120).startswith("activated\n")
        first = active()
        assert len(first) == 2, first
        out = rotate(180)
        assert out.startswith("created\n") and active() == first, out
        keys.publish(out)
        dns.records.update(keys.zone)
        assert rotate(240).startswith("kept\n") and active() == first
        assert rotate(91 * day).startswith("activated\n") and not set(active()) & set(first)
        tested = veredus("dkim", "test", "--domain", "a.test", "--dir", keys.dir, "--dns", dns.address).decode()
        assert tested.count("pass ") == 4 and "fix: " not in tested, tested
        dns.records[f"{first[0]}._domainkey.a.test"] = {"TXT": ["v=DKIM1; k=rsa; p="]}
        assert "fail " + first[0] in veredus("dkim", "test", "--domain", "a.test", "--selector", first[0], "--dir", keys.dir, "--dns", dns.address).decode()
        assert f"{first[0]} has been retired for 7 days" in rotate(99 * day) and not os.path.exists(keys.path("a.test", first[0]))


def test_what_leaves_is_signed_with_both_keys_by_both_engines():
    with KeyFiles(("a.test", "mx.example.test")) as keys, FakeDns(keys.zone) as dns, Hop() as hop:
        for engine in ("native", "opendkim"):
            with running(dns, hop, keys.settings(f"engine: {engine}\n")) as daemon:
                before = len(hop.messages)
                for body in (b"text \r\n\r\n", b"", b"x" * 5_000_000 + b"\r\n", b"line of words\r\n" * 100_000):
                    send_one(daemon.port, message=PLAIN.split(b"\r\n\r\n")[0] + b"\r\n\r\n" + body, sender="ann@a.test", recipients=["bob@example.test"])
                for message in hop.wait(before + 4)[before:]:
                    assert signatures(message.octets) == 2, message.octets[:2000]
                    words, out = check(dns, message.octets)
                    assert words == ["pass", "pass"] and "header.a=rsa-sha256" in out and "header.a=ed25519-sha256" in out, (engine, out)
                assert len(daemon.events("dkim.signed", domain="a.test")) == 4, daemon.tail()


def test_mail_that_only_says_that_it_is_ours_is_not_signed():
    with KeyFiles() as keys, FakeDns(keys.zone) as dns, Hop() as hop, running(dns, hop, keys.settings()) as daemon:
        with stranger(daemon) as client:
            client.deliver(PLAIN, sender="ann@a.test", recipients=["bob@example.test"])
        message = hop.wait(1)[0].octets
        assert signatures(message) == 0 and "dkim=none" in results(message), message


def test_keys_that_are_missing_and_come():
    with KeyFiles(kinds=("ed25519",)) as keys, FakeDns(keys.zone) as dns, Hop() as hop, running(dns, hop, keys.settings()) as daemon:
        send_one(daemon.port, message=PLAIN.replace(b"ann@a.test", b"ann@other.test"), recipients=["bob@example.test"])
        assert signatures(hop.wait(1)[0].octets) == 0
        keys.make("other.test", "one", "ed25519")
        keys.active("other.test", "one", "two")

        def answer():
            with Smtp(daemon.port) as client:
                client.hello()
                client.cmd("MAIL FROM:<ann@other.test>", 250)
                client.cmd("RCPT TO:<bob@example.test>", 250)
                return str(client.data(PLAIN.replace(b"ann@a.test", b"ann@other.test")))

        wait_until(lambda: "451 4.3.0" in answer(), 10, lambda: f"a refusal\n{daemon.tail()}", 0.2)
        assert "two.pem cannot be read" in daemon.events("dkim.not_signed")[-1]["reason"]
        keys.active("other.test", "one")
        wait_until(lambda: answer().startswith("250") and daemon.events("dkim.signed"), 10, "a message that is signed", 0.2)  # each loop has keys of its own
        assert daemon.events("dkim.signed")[-1]["keys"] == "one:ed25519-sha256"


def test_more_domains_than_the_cache_has_room_for():
    with KeyFiles(kinds=("ed25519",)) as keys, FakeDns(keys.zone) as dns, Hop() as hop:
        settings = f'key_cache: 16\nrules: [{{ domains: ["*"], keys: {{ selector: s, file: "{keys.path("a.test", "ed25519")}" }} }}]\n'
        with running(dns, hop, settings) as daemon, Smtp(daemon.port) as client:
            client.hello()
            for number in [*range(300), *range(300)]:
                client.deliver(PLAIN.replace(b"ann@a.test", b"ann@d%d.test" % number), sender="u@a.test", recipients=["bob@example.test"])
            assert all(f"d=d{number}.test".encode() in b" ".join(m.octets for m in hop.wait(600)) for number in (0, 17, 299))
            assert len(daemon.events("dkim.signed")) == 600 and not daemon.events("dkim.not_signed")


def test_what_strangers_bring_is_verified_and_forged_results_are_gone():
    with KeyFiles() as keys, FakeDns(keys.zone) as dns, Hop() as hop, running(dns, hop, keys.settings()) as daemon:
        forged = b"Authentication-Results: mx.example.test; dkim=pass header.d=forged.test\r\n"
        large = PLAIN + b"a line of a large body\r\n" * 200_000
        cases = [(keys.sign(PLAIN, "rsa"), "dkim=pass"), (keys.sign(forged + PLAIN), "dkim=pass"), (keys.sign(PLAIN).replace(b"text", b"Text"), "dkim=fail"), (keys.sign(large), "dkim=pass"),
                 (keys.sign(large, "rsa") + b"more\r\n", "dkim=fail"), (keys.sign(PLAIN).replace(b"s=ed25519;", b"s=gone;"), "dkim=permerror")]
        for count, (message, wanted) in enumerate(cases, 1):
            with stranger(daemon) as client:
                client.deliver(message, recipients=["bob@example.test"])
            octets = hop.wait(count)[-1].octets
            assert wanted in results(octets) and "forged" not in results(octets) and "header.d=a.test" in results(octets), (wanted, results(octets))
            assert octets.endswith(message.split(b"\r\n\r\n", 1)[1][-1000:])
        assert [event["result"] for event in daemon.events("dkim.verified")] == ["pass", "pass", "fail", "pass", "fail", "permerror"], daemon.tail()


def test_actions_refuse_hold_and_put_off():
    actions = "actions: { fail: reject, none: hold, temperror: tempfail }\ndns_timeout: 500ms\n"
    with KeyFiles() as keys, FakeDns(keys.zone) as dns, Hop() as hop, running(dns, hop, actions) as daemon:
        good = keys.sign(PLAIN)
        dns.records["slow._domainkey.a.test"] = "TIMEOUT"
        for message, reply in ((good, "250"), (good.replace(b"text", b"Text"), "550 5.7.20 no valid DKIM signature (fail): the body is not the one"), (good.replace(b"s=ed25519;", b"s=slow;"), "451 4.7.5")):
            with stranger(daemon) as client:
                client.cmd("MAIL FROM:<u@a.test>", 250)
                client.cmd("RCPT TO:<bob@example.test>", 250)
                answer = client.data(message)
                assert str(answer).startswith(reply), (reply, answer)
        with stranger(daemon) as client:
            client.deliver(PLAIN, recipients=["bob@example.test"])
        wait_until(lambda: '"held"' in daemon.cmd("queue", "list", "--json"), 10, lambda: daemon.cmd("queue", "list"))
        assert len(hop.wait(1)) == 1


def test_a_slow_dns_delays_nobody_else():
    with KeyFiles() as keys, FakeDns(keys.zone) as dns, Hop() as hop, running(dns, hop, "dns_timeout: 2s\n") as daemon:
        dns.records["slow._domainkey.a.test"] = "TIMEOUT"
        slow, good = keys.sign(PLAIN).replace(b"s=ed25519;", b"s=slow;"), keys.sign(PLAIN)
        waiting = []
        for _ in range(20):
            client = stranger(daemon)
            client.cmd("MAIL FROM:<u@a.test>", 250)
            client.cmd("RCPT TO:<bob@example.test>", 250)
            client.cmd("DATA", 354)
            client.send(slow + b".\r\n")
            waiting.append(client)
        began = time.monotonic()
        for _ in range(10):
            with stranger(daemon) as client:
                client.deliver(good, recipients=["bob@example.test"])
        assert time.monotonic() - began < 1.8, "mail with a key that is there waited for others"
        for client in waiting[:5]:
            client.abort()
        for client in waiting[5:]:
            assert client.reply().code == 250
            client.close()
        assert len(daemon.events("dkim.verified", result="temperror")) >= 15, daemon.tail()


def test_hostile_signatures_cost_little_and_break_nothing():
    with KeyFiles() as keys, FakeDns(keys.zone) as dns, Hop() as hop, running(dns, hop, "most_signatures: 5\n") as daemon:
        head = b"From: u@a.test\r\nSubject: x\r\n\r\ntext\r\n"
        many = b"".join(SIGNATURE % (b"d%d.test" % i, b"s") for i in range(5000))
        names = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=rsa; bh=AAAA; b=AAAA; h=from" + b":x" * 60000 + b"\r\n"
        tags = b"DKIM-Signature: v=1;" + b" a=1;" * 20000 + b"\r\n"
        long = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.test; s=rsa; h=from; bh=AAAA; b=" + b"A" * 900_000 + b"\r\n"
        odd = b"DKIM-Signature:\r\nDKIM-Signature: \r\n\t\r\n v\r\nDKIM-Signature: =;=;\r\nDKIM-Signature: v=1; d=..; s=\xff; b=\0\r\n".replace(b"\0", b"%")
        for count, block in enumerate((many, names, tags, long, odd), 1):
            began = time.monotonic()
            with stranger(daemon) as client:
                client.deliver(block + head, recipients=["bob@example.test"])
            assert time.monotonic() - began < 5, block[:100]
            octets = hop.wait(count)[-1].octets
            assert "dkim=pass" not in results(octets) and "dkim=" in results(octets), results(octets)[:500]
        assert sum(1 for name, kind, _ in dns.queries if name.endswith(".test") and "_domainkey.d" in name) <= 10, dns.queries
        good = keys.sign(PLAIN)
        with stranger(daemon) as client:
            client.deliver(good, recipients=["bob@example.test"])
        assert "dkim=pass" in results(hop.wait(6)[-1].octets)
        for message in (many + head, long + head, odd + head):
            assert veredus("check", "dkim", "--dns", dns.address, stdin=message)


def test_a_bounce_of_ours_is_signed():
    with KeyFiles(("mx.example.test",), ("ed25519",)) as keys, FakeDns(keys.zone) as dns:
        with Hop({"RCPT": "550 5.1.1 no such user"}) as hop, running(dns, hop, keys.settings()) as daemon:
            send_one(daemon.port, sender="ann@example.test", recipients=["bob@example.test"])
            wait_until(lambda: daemon.events("dkim.signed", domain="mx.example.test"), 15, lambda: f"a bounce that is signed\n{daemon.tail()}")


if __name__ == "__main__":
    run_tests(globals())
