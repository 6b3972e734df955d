#!/usr/bin/env python3
# The plugin arc: its scripts in the test host; the commands, in both directions against another implementation (python3-dkim); then real daemons: a
# chain that goes through two of them, changed and broken on the way.
import base64
import json
import re
import subprocess
import sys

sys.path.append("/usr/lib/python3/dist-packages")  # modules of Debian's packages, whichever python3 this is
import dkim  # noqa: E402

from lib_base import BUILD, VEREDUS
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts
from plugin_srs import plugins as redirecting  # what is for away@ goes on to friend@elsewhere.test

MESSAGE = b"From: ann@a.test\r\nTo: list@l.test\r\nSubject: hello\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n\r\nHello  there. \r\n\r\nBye\r\n\r\n"


class Key:
    def __init__(self, directory, name, kind="rsa"):
        self.path = os.path.join(directory, f"{name}.pem")
        algorithm = ["-algorithm", "ed25519"] if kind == "ed25519" else ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        subprocess.run(["openssl", "genpkey", *algorithm, "-out", self.path], check=True, capture_output=True)
        public = subprocess.run(["openssl", "pkey", "-in", self.path, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        octets = public[-32:] if kind == "ed25519" else public
        self.record = f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"
        self.pem = open(self.path, "rb").read()


def zone(**keys):
    return {f"k._domainkey.{name}.test": {"TXT": [key.record]} for name, key in keys.items()}


def veredus(*words, message=MESSAGE, dns=None, code=0):
    done = subprocess.run([VEREDUS, *words, *(["--dns", dns.address] if dns else [])], input=message, capture_output=True, timeout=30, check=False)
    assert done.returncode == code, (words, done)
    return done.stdout


def veredus_error(*words, code=64):
    done = subprocess.run([VEREDUS, *words], input=MESSAGE, capture_output=True, timeout=30, check=False)
    assert done.returncode == code and not done.stdout, (words, done)
    return done.stderr


def check(message, dns):
    return veredus("check", "arc", message=message, dns=dns).decode()


def seal(message, key, domain, dns, *more):
    return veredus("sign", "arc", "--domain", domain, "--selector", "k", "--key", key.path, *more, message=message, dns=dns)


def theirs(message, records):
    """What python3-dkim says of the chain."""
    return dkim.arc_verify(message, dnsfunc=lambda name, timeout=5: records.get(name.decode().rstrip("."), "").encode() or None)[0].decode()


def test_scripts_strict():
    run_scripts("arc", "strict")


def test_commands_agree_with_another_implementation():
    directory = work_dir()
    a, b = Key(directory, "a"), Key(directory, "b")
    records = {f"k._domainkey.{name}.test": key.record for name, key in (("a", a), ("b", b))}
    with FakeDns(zone(a=a, b=b)) as dns:
        assert check(MESSAGE, dns).startswith("none\n") and theirs(MESSAGE, records) == "none"
        ours = seal(b"Authentication-Results: a.test; spf=pass smtp.mailfrom=a.test\r\n" + MESSAGE, a, "a.test", dns)
        assert ours.endswith(MESSAGE) and b"i=1; a.test; spf=pass smtp.mailfrom=a.test" in ours
        for count in (1, 2, 3):
            assert theirs(ours, records) == "pass" and check(ours, dns).startswith("pass\n"), (count, ours)
            fields = dkim.arc_sign(b"Authentication-Results: b.test; arc=pass\r\n" + ours, b"k", b"b.test", b.pem, b"b.test")
            ours = b"".join(fields) + ours
            text = check(ours, dns)
            assert text.startswith("pass\n") and f"set: {2 * count}: sealed by b.test" in text, text
            ours = seal(ours, a, "a.test", dns)
        for what, with_ in ((b"Hello", b"hello"), (b"Subject: hello", b"Subject: Hello"), (b"cv=none", b"cv=pass"), (b"spf=pass", b"spf=fail"), (b"i=2", b"i=9")):
            changed = ours.replace(what, with_, 1)
            assert check(changed, dns).startswith("fail\nexplanation: ") and theirs(changed, records) == "fail", what
        found = json.loads(veredus("check", "arc", "--json", message=ours, dns=dns))
        assert found["result"] == "pass" and len(found["set"]) == 7, found


def test_line_ends_keys_and_usage():
    directory = work_dir()
    key, small = Key(directory, "a", "ed25519"), Key(directory, "b")
    bare = MESSAGE.replace(b"\r\n", b"\n")
    with FakeDns(zone(a=key)) as dns:
        sealed = seal(bare, key, "a.test", dns)
        assert b"\r" not in sealed and check(sealed, dns).startswith("pass\n") and check(sealed.replace(b"\n", b"\r\n"), dns).startswith("pass\n")
        timed = seal(MESSAGE, key, "a.test", dns, "--time", "1700000000", "--headers", "From:Subject")
        assert timed.count(b"t=1700000000") == 2 and re.search(rb"h=From:Subject;", timed), timed
        assert seal(MESSAGE, key, "a.test", dns, "--time", "1700000000") == seal(MESSAGE, key, "a.test", dns, "--time", "1700000000")
        ended = sealed.replace(b"cv=none", b"cv=fail")
        assert check(ended, dns).startswith("fail\n")
        assert b"cv=fail" in subprocess.run([VEREDUS, "sign", "arc", "--domain", "a.test", "--selector", "k", "--key", key.path], input=ended, capture_output=True, check=False).stderr
        assert check(sealed.replace(b"d=a.test", b"d=b.test"), dns).startswith("fail\n")
    with FakeDns({"k._domainkey.a.test": "SERVFAIL"}) as dns:
        assert check(sealed, dns).startswith("temperror\n")
        veredus("sign", "arc", "--domain", "a.test", "--selector", "k", "--key", key.path, message=sealed, dns=dns, code=75)
    veredus("sign", "arc", "--domain", "a.test", code=64)
    veredus("sign", "arc", "--domain", "a.test", "--selector", "k", "--key", "/nonexistent", code=66)
    for name in ("Authentication-Results", "arc-seal", "ARC-Authentication-Results"):
        assert b"RFC 8617" in veredus_error("sign", "arc", "--domain", "a.test", "--selector", "k", "--key", key.path, "--headers", f"From:{name}")
    veredus("check", "arc", "extra", code=64)
    assert small.record


def daemon_at(hop, dns, settings, **core):
    core = {"routes": routes_to(hop), "resolvers": [dns.address], "xclient_networks": ["127.0.0.1/32"], "relay_networks": ["192.0.2.0/24"], "relay_domains": ["own.test"],
            "log_level": "debug", **core}
    env = {"VEREDUS_PLUGINS": f"{redirecting()}:{os.path.join(BUILD, 'plugins/arc')}"}
    return Daemon(core, files={"20-redirect.yaml": "plugin: org.test.redirect\n", "32-arc.yaml": "plugin: arc\nours: []\n" + settings}, env=env)


def from_outside(daemon, message, recipient="away@own.test"):
    with Smtp(daemon.port) as client:
        client.hello()
        client.cmd("XCLIENT ADDR=203.0.113.9", 220)
        client.hello("mail.a.test")
        client.deliver(message, recipients=[recipient])


def header_of(octets, name):
    header = re.sub(rb"\r\n[ \t]+", b" ", octets.split(b"\r\n\r\n")[0])
    return [line for line in header.split(b"\r\n") if line.lower().startswith(name.lower() + b":")]


def test_a_chain_through_daemons():
    directory = work_dir()
    a, b = Key(directory, "a"), Key(directory, "b", "ed25519")
    with FakeDns(zone(a=a, b=b)) as dns, Hop() as hop:
        with daemon_at(hop, dns, f"trusted: [a.test]\ndomain: b.test\nselector: k\nkey_file: {b.path}\n") as daemon:
            from_outside(daemon, MESSAGE)
            first = hop.wait(1)[-1].octets
            assert check(first, dns).startswith("pass\n") and b"arc=none smtp.remote-ip=203.0.113.9" in header_of(first, b"Authentication-Results")[0], first
            from_outside(daemon, first)
            second = hop.wait(2)[-1].octets
            text = check(second, dns)
            assert text.startswith("pass\n") and "set: 2: sealed by b.test" in text, text
            assert b"arc=pass header.oldest-pass=0 header.d=b.test" in header_of(second, b"Authentication-Results")[0], second
            assert b"policy.trusted" not in second
            assert b"i=2; mx.example.test; arc=pass" in header_of(second, b"ARC-Authentication-Results")[0], second
            trusted = seal(b"Authentication-Results: a.test; dmarc=pass header.from=a.test\r\n" + MESSAGE, a, "a.test", dns)
            from_outside(daemon, trusted)
            assert b"policy.trusted=a.test" in header_of(hop.wait(3)[-1].octets, b"Authentication-Results")[0]
            from_outside(daemon, trusted.replace(b"Hello", b"hello"))
            broken = hop.wait(4)[-1].octets
            assert b"arc=fail" in header_of(broken, b"Authentication-Results")[0] and b"cv=fail" in header_of(broken, b"ARC-Seal")[0]
            from_outside(daemon, broken)
            assert len(header_of(hop.wait(5)[-1].octets, b"ARC-Seal")) == 2  # nobody adds to what has ended
            assert [e["result"] for e in daemon.events("arc.checked")] == ["pass", "pass", "fail", "fail"], daemon.tail()


def test_large_messages_and_long_chains_go_to_the_pool():
    directory = work_dir()
    a, b = Key(directory, "a"), Key(directory, "b")
    with FakeDns(zone(a=a, b=b)) as dns, Hop() as hop, daemon_at(hop, dns, f"domain: b.test\nselector: k\nkey_file: {b.path}\n") as daemon:
        large = MESSAGE + b"".join(b"%06d some text \r\n" % i for i in range(60_000))
        from_outside(daemon, seal(large, a, "a.test", dns))
        octets = hop.wait(1)[-1].octets
        assert check(octets, dns).startswith("pass\n") and len(header_of(octets, b"ARC-Seal")) == 2
        message = MESSAGE
        for _ in range(8):
            message = seal(message, a, "a.test", dns)
        from_outside(daemon, message)
        assert len(header_of(hop.wait(2)[-1].octets, b"ARC-Seal")) == 9
        from_outside(daemon, b"".join(b"ARC-Seal: i=%d; a=rsa-sha256; d=a.test; s=k; cv=pass; b=AAAA\r\n" % (i % 60) for i in range(5_000)) + MESSAGE)
        assert b"arc=fail" in header_of(hop.wait(3)[-1].octets, b"Authentication-Results")[0]
        assert not daemon.events("hook.slow"), daemon.events("hook.slow")


def test_who_is_not_sealed():
    directory = work_dir()
    a = Key(directory, "a")
    with FakeDns(zone(a=a)) as dns, Hop() as hop:
        with daemon_at(hop, dns, f"domain: a.test\nselector: k\nkey_file: {a.path}\n") as daemon:
            from_outside(daemon, MESSAGE, "b@own.test")  # it stays with us
            assert not header_of(hop.wait(1)[-1].octets, b"ARC-Seal")
            with Smtp(daemon.port) as client:  # of our own
                client.hello()
                client.cmd("XCLIENT ADDR=192.0.2.7", 220)
                client.hello("ours.test")
                client.deliver(MESSAGE, recipients=["x@elsewhere.test"])
            assert not header_of(hop.wait(2)[-1].octets, b"ARC-Seal")
            daemon.write("32-arc.yaml", f"plugin: arc\nours: []\nseal: all\ndomain: a.test\nselector: k\nkey_file: {a.path}\n")
            daemon.cmd("reload")
            from_outside(daemon, MESSAGE, "b@own.test")
            assert header_of(hop.wait(3)[-1].octets, b"ARC-Seal")


if __name__ == "__main__":
    run_tests(globals())
