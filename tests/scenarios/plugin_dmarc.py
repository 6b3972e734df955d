#!/usr/bin/env python3
# The plugin dmarc: its scripts in the test host; the commands, with messages that are signed and hostile ones, with reports that are right and
# that are meant to harm; then real daemons with spf and dmarc, whose clients are whoever XCLIENT says: results, verdicts, reports.
import base64
import email
import email.policy
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
import zipfile

sys.path.append("/usr/lib/python3/dist-packages")  # Debian's python3-dkim, whatever python3 is in the path
import dkim

from lib_base import BUILD, VEREDUS
from lib_sts import utc_day
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts

PSL = "/usr/share/publicsuffix/public_suffix_list.dafsa"
ZONE = {
    "a.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}, "mail.a.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}, "b.test": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
    "_dmarc.a.test": {"TXT": ["v=DMARC1; p=reject; sp=quarantine; np=reject; rua=mailto:reports@a.test"]}, "there.a.test": {"A": ["192.0.2.7"]},
    "_dmarc.q.test": {"TXT": ["v=DMARC1; p=quarantine; rua=mailto:reports@collector.test,mailto:no@thief.test!1"]},
    "q.test._report._dmarc.collector.test": {"TXT": ["v=DMARC1;"]},
    "_dmarc.n.test": {"TXT": ["v=DMARC1; p=none"]}, "_dmarc.s.test": {"TXT": ["v=DMARC1; p=reject; adkim=s; aspf=s"]},
    "_dmarc.t.test": {"TXT": ["v=DMARC1; p=reject; t=y; pct=0"]}, "_dmarc.twice.test": {"TXT": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]},
    "_dmarc.bank.test": {"TXT": ["v=DMARC1; p=none; sp=reject; psd=y"]}, "_dmarc.giant.bank.test": {"TXT": ["v=DMARC1; p=reject"]},
    "_dmarc.broken.test": "SERVFAIL", "_dmarc.bad.test": {"TXT": ["v=DMARC1; p=rejekt"]},
}


def veredus(*words, stdin=b""):
    done = subprocess.run([VEREDUS, *words], input=stdin, capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check(dns, message, *words):
    code, out, err = veredus("check", "dmarc", *words, "--dns", dns.address, stdin=message)
    assert code == 0, (code, out, err)
    first, second = out.split("\n")[:2]
    assert second.startswith("disposition="), out
    return first.split(":")[0], second[len("disposition="):], out


def message(author, more=""):
    return f"From: {author}\r\nTo: b@example.test\r\nSubject: hello\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n{more}\r\ntext\r\n".encode()


def keys():
    """A key as PEM, and its record."""
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["openssl", "genrsa", "-traditional", "-out", file.name, "2048"], check=True, capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", file.name, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
        return open(file.name, "rb").read(), "v=DKIM1; p=" + base64.b64encode(public).decode()


def signed(octets, pem, domain):
    return dkim.sign(octets, b"s", domain.encode(), pem, include_headers=[b"from", b"to", b"subject"]) + octets


# --- check dmarc


def test_scripts_strict():
    run_scripts("dmarc", "strict")


def test_a_message_is_judged_by_spf():
    good = ["--ip", "192.0.2.1", "--helo", "h.test", "--from"]
    with FakeDns(ZONE) as dns:
        for author, words, result, disposition in (
                ("u@a.test", [*good, "u@a.test"], "pass", "none"), ("u@there.a.test", [*good, "u@mail.a.test"], "pass", "none"), ("u@a.test", [*good, "u@b.test"], "fail", "reject"),
                ("u@a.test", ["--ip", "198.51.100.1", "--helo", "h.test", "--from", "u@a.test"], "fail", "reject"), ("u@a.test", [], "fail", "reject"),
                ("u@a.test", ["--ip", "192.0.2.1", "--helo", "mail.a.test", "--from", ""], "pass", "none"), ("u@there.a.test", [], "fail", "quarantine"),
                ("u@gone.a.test", [], "fail", "reject"), ("u@q.test", [], "fail", "quarantine"), ("u@n.test", [], "fail", "none"), ("u@t.test", [], "fail", "quarantine"),
                ("u@nothing.test", [], "none", "none"), ("u@twice.test", [], "none", "none"), ("u@broken.test", [], "temperror", "none"), ("u@bad.test", [], "permerror", "none"),
                ("u@x.mega.bank.test", [], "fail", "reject"), ("a@n.test, b@a.test", [], "fail", "reject"), ("\"x\" <u@A.TEST>", [*good, "u@a.test"], "pass", "none")):
            got = check(dns, message(author), *words)
            assert got[:2] == (result, disposition), (author, words, got)


def test_a_message_is_judged_by_dkim():
    pem, record = keys()
    zone = {**ZONE, **{f"s._domainkey.{domain}": {"TXT": [record]} for domain in ("a.test", "mail.a.test", "b.test", "s.test", "x.s.test")}}
    with FakeDns(zone) as dns:
        for author, domain, result in (("u@a.test", "a.test", "pass"), ("u@a.test", "mail.a.test", "pass"), ("u@a.test", "b.test", "fail"), ("u@s.test", "s.test", "pass"),
                                       ("u@s.test", "x.s.test", "fail")):
            got = check(dns, signed(message(author), pem, domain))
            assert got[0] == result and f"d={domain} s=s" in got[2], (author, domain, got)
        assert check(dns, signed(message("u@a.test"), pem, "a.test").replace(b"\r\n", b"\n"))[0] == "pass"  # as files have it
        changed = signed(message("u@a.test"), pem, "a.test").replace(b"text", b"other")
        assert check(dns, changed)[:2] == ("fail", "reject"), check(dns, changed)
        out = json.loads(veredus("check", "dmarc", "--json", "--dns", dns.address, stdin=signed(message("u@a.test"), pem, "a.test"))[1])
        assert out["result"] == "pass" and out["disposition"] == "none" and out["dkim_aligned"] and not out["spf_aligned"], out


def test_messages_that_name_no_author_never_pass():
    good = ["--ip", "192.0.2.1", "--helo", "h.test", "--from", "u@a.test"]
    with FakeDns(ZONE) as dns:
        for author in ("u@a(.b", "u@a.test\r\nFrom: u@evil.test", "", "undisclosed:;", "<@evil.test:u@a.test>", "u@a.test\0.evil.test", "u@a..test", "u@@a.test", "\"u@a.test", "u@a.test <u@b.test", "<u@a.test> <v@a.test>"):
            got = check(dns, message(author), *good)
            assert got[0] == "permerror", (author, got)
        for octets in (b"", b"\r\n\r\nFrom: u@a.test\r\n", b"From\r\n", b"\0\xff" * 1000, b"From: " + b"(" * 100000, b"From: " + b"u@a.test," * 100000):
            assert check(dns, octets, *good)[0] == "permerror", octets[:40]
        assert check(dns, message("u@[192.0.2.1]"), *good)[0] == "none"
        assert check(dns, message("u@evil.test, u@a.test"), *good)[0] != "pass"


def test_wrong_usage():
    for words in (["check", "dmarc", "--ip", "x"], ["check", "dmarc", "more"], ["check", "orgdomain"], ["check", "orgdomain", "a..b"], ["dmarc", "report"], ["dmarc", "report", "a", "b"]):
        assert veredus(*words)[0] == 64, (words, veredus(*words))
    assert veredus("check", "orgdomain", "a.test", "--psl", "/nonexistent")[0] == 66


def test_organisational_domains():
    with FakeDns(ZONE) as dns:
        for name, wanted in (("a.test", "a.test"), ("x.y.a.test", "a.test"), ("mail.giant.bank.test", "giant.bank.test"), ("mail.mega.bank.test", "mega.bank.test"), ("bank.test", "bank.test"),
                             ("a.b.c.d.e.f.g.h.i.j.k.a.test", "a.test"), ("nothing.at.all", "nothing.at.all"), ("X.Y.A.TEST.", "a.test"), ("broken.test", "temperror")):
            code, out, _ = veredus("check", "orgdomain", name, "--dns", dns.address)
            assert code == 0 and out.split("\n")[0].split(":")[0] == wanted, (name, out)
        dns.queries.clear()
        veredus("check", "orgdomain", "a.b.c.d.e.f.g.h.i.j.mail.example.test", "--dns", dns.address)
        asked = [name for name, kind, _ in dns.queries if kind == "TXT"]
        assert len(asked) == 8 and asked[0] == "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.test" and asked[1] == "_dmarc.g.h.i.j.mail.example.test" and asked[-1] == "_dmarc.test", asked
        if not os.path.exists(PSL):
            raise Skip("the package publicsuffix is not installed")
        for name, wanted in (("x.y.example.co.uk", "example.co.uk"), ("co.uk", "co.uk"), ("example.com", "example.com"), ("b\u00fccher.example.com", "example.com"), ("a.b.local", "b.local")):
            code, out, _ = veredus("check", "orgdomain", name, "--psl", PSL)
            assert code == 0 and out.split("\n")[0] == wanted, (name, out)


# --- dmarc report


def record(source="192.0.2.1", count="3", disposition="none", spf="pass", aligned="fail"):
    return (f"<record><row><source_ip>{source}</source_ip><count>{count}</count><policy_evaluated><disposition>{disposition}</disposition><dkim>{aligned}</dkim><spf>{spf}</spf></policy_evaluated></row>"
            f"<identifiers><header_from>a.test</header_from></identifiers><auth_results><spf><domain>a.test</domain><result>{spf}</result></spf></auth_results></record>")


def report_of(*records, head=""):
    return (f"<?xml version=\"1.0\"?>{head}<feedback><report_metadata><org_name>Other Ltd</org_name><email>a@b.test</email><report_id>77</report_id><date_range><begin>1764201600</begin>"
            f"<end>1764287999</end></date_range></report_metadata><policy_published><domain>a.test</domain><p>reject</p></policy_published>{''.join(records)}</feedback>").encode()


def zipped(name, octets, level=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", level) as archive:
        archive.writestr(name, octets)
    return out.getvalue()


def carried(octets, kind, name):
    mail = email.message.EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@b.test", "c@d.test", "Report Domain: a.test Submitter: b.test Report-ID: <77>"
    mail.set_content("a report")
    mail.add_attachment(octets, maintype=kind.split("/")[0], subtype=kind.split("/")[1], filename=name)
    return mail.as_bytes()


def read(octets, *words):
    with tempfile.NamedTemporaryFile() as file:
        file.write(octets)
        file.flush()
        begun = time.monotonic()
        done = veredus("dmarc", "report", file.name, *words)
        assert time.monotonic() - begun < 15, "it took too long"
        return done


def test_reports_in_every_form():
    xml = report_of(record(), record("2001:db8::9", "40", "reject", "fail"))
    forms = [xml, gzip.compress(xml), zipped("r.xml", xml), zipped("r.xml.gz", gzip.compress(xml), zipfile.ZIP_STORED), carried(gzip.compress(xml), "application/gzip", "r.xml.gz"),
             carried(zipped("r.xml", xml), "application/zip", "r.zip"), carried(xml, "application/xml", "r.xml"), carried(gzip.compress(xml), "application/octet-stream", "r")]
    for octets in forms:
        code, out, err = read(octets)
        assert code == 0 and out.startswith("records=2\n"), (out, err)
        assert "messages: 43, of which 3 pass and 40 fail\n" in out and "source: 192.0.2.1: 3 messages, all pass; aligned by DKIM: none, by SPF: all\n" in out, out
        assert out.index("2001:db8::9: 40 messages, none pass") < out.index("192.0.2.1: 3 messages") and "disposition: reject (40)" in out and "look: " in out, out
    shown = json.loads(read(xml, "--json")[1])
    assert shown["records"] == 2 and shown["reports"][0]["domain"] == "a.test" and shown["reports"][0]["sources"][0]["address"] == "2001:db8::9", shown
    assert veredus("dmarc", "report", "-", stdin=xml)[1].startswith("records=2\n")
    two = carried(zipped("r.xml", xml), "application/zip", "r.zip").replace(b"nothing", b"")
    assert read(two)[0] == 0 and veredus("dmarc", "report", "/nonexistent")[0] == 66 and veredus("dmarc", "report", "/tmp")[0] == 66


def test_reports_that_are_meant_to_harm():
    laughs = "<!DOCTYPE feedback [<!ENTITY a \"ha\">" + "".join(f"<!ENTITY {chr(98 + i)} \"{('&' + chr(97 + i) + ';') * 10}\">" for i in range(10)) + "]>"
    spaces = b" " * (200 << 20)
    bomb = gzip.compress(spaces)
    for octets, words in ((report_of(record("&j;"), head=laughs), "document type"), (report_of(record(), head="<!DOCTYPE feedback SYSTEM 'file:///etc/passwd'>"), "document type"),
                          (bomb, "500 times"), (zipped("r.xml", spaces), "500 times"), (gzip.compress(bomb), "500 times"), (carried(bomb, "application/gzip", "r.xml.gz"), "500 times"),
                          (b"<feedback>" + b"<a>" * 1000000, "deep"), (report_of(record())[:300], "no XML"), (gzip.compress(report_of(record()))[:-20], "damaged"),
                          (zipped("r.xml", report_of())[:-5], "damaged"), (b"PK\3\4" + b"\xff" * 5000, "damaged"), (b"", "neither"), (b"\x00\xff" * 5000, "neither"), (b"GIF89a", "neither"),
                          (b"<html><body>no</body></html>", "root element"), (b"From: a@b.test\r\n\r\nno report", "no report"), ("<feedback/>".encode("utf-16"), "value 0"),
                          (b"Content-Type: multipart/mixed; boundary=o\r\n\r\n" + b"--o\r\n" * 500000, "more than 1000 parts")):
        code, out, err = read(octets)
        assert code == 65 and words in err and err.startswith("veredus: this is no DMARC report: ") and len(err) < 2000 and not out, (words, code, out[:500], err[:500])


def test_values_of_a_wrong_kind_are_told_and_the_rest_is_read():
    code, out, _ = read(report_of(record("nowhere", "lots", "eaten", "maybe", "perhaps"), record(count="5"), record(count="-7"), record(count="9" * 40), "<record/>", "<other><x/></other>"))
    assert code == 0 and out.startswith("records=5\n") and "messages: 5, of which 5 pass" in out and "'count' is no number of messages: 'lots'" in out and "'source_ip' is no address" in out, out
    many = report_of(*[record(count=str(i)) for i in range(20000)])
    assert read(gzip.compress(many))[1].startswith("records=20000\n")
    terminal = report_of(record(), head="").replace(b"Other Ltd", b"\xc2\x9b31m\x7f&#9;x")
    assert "\x1b" not in read(terminal)[1] and "\x7f" not in read(terminal)[1]


# --- real daemons


def judging(dns, hop, settings="", files=None, **core):
    core = {"routes": routes_to(hop), "resolvers": [dns.address], "xclient_networks": ["127.0.0.1/32"], "relay_networks": ["127.0.0.1/32"], **core}
    dmarc = f"plugin: dmarc\norganization: Example Ltd\nfrom: dmarc@example.test\nsubmitter: mx.example.test\n{settings}"
    return Daemon(core, files={"30-spf.yaml": "plugin: spf\n", "34-dmarc.yaml": dmarc, **(files or {})})


def stranger(daemon, address, helo="mail.a.test"):
    client = Smtp(daemon.port)
    client.hello()
    client.cmd(f"XCLIENT ADDR={address}", 220)
    client.hello(helo)
    return client


def send(daemon, address, octets, sender="u@a.test", recipients=("b@example.test",)):
    with stranger(daemon, address) as client:
        client.envelope(sender, recipients)
        return client.data(octets)


def results(octets):
    header = octets.split(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ").replace("\r\n ", " ")
    return [line for line in header.split("\r\n") if line.startswith("Authentication-Results:")]


def test_results_stand_in_the_message_and_nothing_is_refused_by_default():
    forged = "Authentication-Results: mx.example.test; dmarc=pass header.from=a.test\r\n"
    with FakeDns(ZONE) as dns, Hop() as hop, judging(dns, hop) as daemon:
        for count, (address, author, wanted) in enumerate((("192.0.2.1", "u@a.test", "dmarc=pass header.from=a.test policy.dmarc=reject"),
                                                           ("198.51.100.1", "u@a.test", "dmarc=fail header.from=a.test policy.dmarc=reject"),
                                                           ("192.0.2.1", "u@nothing.test", "dmarc=none header.from=nothing.test")), 1):
            assert send(daemon, address, message(author, forged)).code == 250
            octets = hop.wait(count)[-1].octets
            assert len(results(octets)) == 1 and wanted in results(octets)[0] and "spf=" in results(octets)[0], (wanted, octets)
        daemon.wait_event("dmarc.checked", result="fail", policy="reject", disposition="none")
        assert send_one(daemon.port, message("u@a.test")) and not any("dmarc=" in line for line in results(hop.wait(4)[-1].octets))  # a trusted client


def test_enforced_policies_refuse_and_hold():
    with FakeDns(ZONE) as dns, Hop() as hop, judging(dns, hop, "enforce: true\n") as daemon:
        reply = send(daemon, "198.51.100.1", message("u@a.test"))
        assert str(reply).startswith("550 5.7.1") and "DMARC" in str(reply) and "a.test" in str(reply), reply
        assert send(daemon, "198.51.100.1", message("u@q.test"), "u@q.test").code == 250
        held = daemon.queue()
        assert len(held) == 1 and held[0]["recipients"][0]["state"] == "held", held
        assert send(daemon, "192.0.2.1", message("u@a.test")).code == 250
        assert "dmarc=pass" in results(hop.wait(1)[0].octets)[0]
        daemon.cmd("queue", "release", held[0]["id"])
        assert "dmarc=fail" in results(hop.wait(2)[1].octets)[0]


def test_signatures_of_the_plugin_dkim_and_seals_of_the_plugin_arc_count_and_reports_are_signed():
    pem, record = keys()
    path = os.path.join(work_dir(), "key.pem")
    with open(path, "wb") as file:
        file.write(pem)
    os.chmod(path, 0o600)
    files = {"31-dkim.yaml": f"plugin: dkim\nrules:\n  - domains: [example.test]\n    keys:\n      - {{ selector: s, file: {path} }}\n",
             "32-arc.yaml": "plugin: arc\ntrusted: [lists.test]\n"}
    zone = {**ZONE, **{f"s._domainkey.{domain}": {"TXT": [record]} for domain in ("a.test", "lists.test", "evil.test", "example.test")}}
    with FakeDns(zone) as dns, Hop() as hop, judging(dns, hop, "enforce: true\n", files) as daemon:
        good = signed(message("u@a.test"), pem, "a.test")
        assert send(daemon, "198.51.100.1", good).code == 250
        field = results(hop.wait(1)[0].octets)[0]
        assert "dkim=pass header.d=a.test" in field and "dmarc=pass header.from=a.test policy.dmarc=reject" in field, field
        changed = good.replace(b"Subject: hello", b"Subject: [list] hello")
        assert send(daemon, "198.51.100.1", changed, "bounce@lists.test").code == 550
        for sealer, code in (("evil.test", 550), ("lists.test", 250)):
            sealed = b"".join(dkim.arc_sign(f"Authentication-Results: {sealer}; dmarc=pass header.from=a.test\r\n".encode() + changed, b"s", sealer.encode(), pem, sealer.encode())) + changed
            assert send(daemon, "198.51.100.1", sealed, "bounce@lists.test").code == code, (sealer, daemon.tail())
        field = results(hop.wait(2)[1].octets)[0]
        assert "arc=pass" in field and "dmarc=fail reason=\"arc=pass, sealed by lists.test\"" in field, field
        assert daemon.run("dmarc", "send", "--day", utc_day()).stdout.decode() == "a.test: sent to reports@a.test\n"
        report = hop.wait(3)[2].octets
    assert dkim.verify(report, dnsfunc=lambda name, timeout=5: record.encode()) and b"d=example.test" in report.split(b"\r\n\r\n")[0], report[:2000]
    code, out, _ = read(report)
    assert code == 0 and "override: arc=pass" not in out and "local_policy: arc=pass, sealed by lists.test (1)" in out and "messages: 4, of which 1 pass and 3 fail" in out, out


def test_from_fields_that_cannot_be_judged_are_refused_from_the_start():
    with FakeDns(ZONE) as dns, Hop() as hop, judging(dns, hop) as daemon:
        for author in ("u@a.test\r\nFrom: u@b.test", "u@a(.b", "", "<@x.test:u@a.test>"):
            reply = send(daemon, "192.0.2.1", message(author))
            assert str(reply).startswith("550 5.7.1") and "From field" in str(reply), (author, reply)
        assert send(daemon, "192.0.2.1", b"Subject: none\r\n\r\nx\r\n").code == 550
        assert not hop.messages


def test_a_report_field_by_field_over_a_restart_and_once():
    more = [{"match": "collector.test", "to": []}]
    with FakeDns(ZONE) as dns, Hop() as hop, Hop() as inbox:
        more[0]["to"] = [inbox.hop]
        with judging(dns, hop, "report_recipients: true\n", routes=[*more, *routes_to(hop)], relay_domains=["example.test", "two.test"]) as daemon:
            for address, count in (("192.0.2.1", 2), ("198.51.100.1", 1)):
                for _ in range(count):
                    assert send(daemon, address, message("u@q.test"), "u@q.test").code == 250
            daemon.restart()
            assert send(daemon, "192.0.2.1", message("u@sub.q.test"), "u@b.test", ["b@example.test", "c@two.test"]).code == 250
            sent = daemon.run("dmarc", "send", "--day", utc_day()).stdout.decode()
            assert sent.startswith("q.test: sent to reports@collector.test; not sent to no@thief.test: "), (sent, daemon.tail())
            octets = inbox.wait(1)[0].octets
            daemon.restart()
            assert daemon.run("dmarc", "send", "--day", utc_day()).stdout.decode() == "q.test: was sent before\n"
            assert len(inbox.messages) == 1
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    assert mail["Subject"].startswith("Report Domain: q.test Submitter: mx.example.test Report-ID: <") and mail["From"] == "Example Ltd <dmarc@example.test>", octets[:1500]
    attachment = next(mail.iter_attachments())
    assert attachment.get_content_type() == "application/gzip" and attachment.get_filename().startswith("mx.example.test!q.test!") and attachment.get_filename().endswith(".xml.gz"), octets[:1500]
    check_report(gzip.decompress(attachment.get_content()), attachment.get_filename(), mail["Subject"])
    code, out, _ = read(octets)
    assert code == 0 and out.startswith("records=3\n") and "messages: 4, of which 0 pass and 4 fail" in out, out


def schema_accepts(xml):
    """Whether xmllint finds that a report is as RFC 9990 3.1 wants it."""
    done = subprocess.run(["xmllint", "--nonet", "--noout", "--relaxng", os.path.join(os.path.dirname(os.path.abspath(__file__)), "dmarc_report.rng"), "-"], input=xml, capture_output=True, timeout=30, check=False)
    assert done.returncode in (0, 3), done.stderr
    return done.returncode == 0


def check_report(xml, name, subject):
    assert schema_accepts(xml), xml
    for old, new in ((b"<p>quarantine</p>", b"<p>hold</p>"), (b"<version>1.0</version>", b"<version>two</version>"), (b"dmarc-2.0", b"dmarc-1.0"), (b"<count>2</count>", b""),
                     (b"<header_from>q.test</header_from>", b""), (b"<scope>mfrom</scope>", b"<scope>helo</scope>"), (b"</feedback>", b"<more/></feedback>")):
        assert old in xml and not schema_accepts(xml.replace(old, new)), (old, new)
    root = ElementTree.fromstring(xml)
    space = "{urn:ietf:params:xml:ns:dmarc-2.0}"
    assert root.tag == space + "feedback" and [child.tag.replace(space, "") for child in root] == ["version", "report_metadata", "policy_published", "record", "record", "record"], xml
    text = lambda path: root.findtext("/".join(space + part for part in path.split("/")))
    assert text("version") == "1.0" and text("report_metadata/org_name") == "Example Ltd" and text("report_metadata/email") == "dmarc@example.test", xml
    begin, end, ident = (text("report_metadata/" + part) for part in ("date_range/begin", "date_range/end", "report_id"))
    assert int(end) - int(begin) == 86399 and int(begin) % 86400 == 0 and name == f"mx.example.test!q.test!{begin}!{end}!{ident}.xml.gz" and f"<{ident}>" in subject and ident.isalnum(), (name, subject)
    policy = {child.tag.replace(space, ""): child.text for child in root.find(space + "policy_published")}
    assert policy == {"domain": "q.test", "adkim": "r", "aspf": "r", "p": "quarantine", "sp": "quarantine", "np": "quarantine", "fo": "0", "testing": "n", "discovery_method": "treewalk"}, policy
    rows = {}
    for row in root.findall(space + "record"):
        value = lambda path, row=row: row.findtext("/".join(space + part for part in path.split("/")))
        rows[(value("row/source_ip"), value("identifiers/header_from"))] = [value("row/count"), value("row/policy_evaluated/disposition"), value("row/policy_evaluated/spf"),
                                                                          value("row/policy_evaluated/reason/type"), value("identifiers/envelope_from"), value("auth_results/spf/result"), value("identifiers/envelope_to")]
    assert rows == {("192.0.2.1", "q.test"): ["2", "none", "fail", "local_policy", "q.test", "none", "example.test"], ("198.51.100.1", "q.test"): ["1", "none", "fail", "local_policy", "q.test", "none", "example.test"],
                    ("192.0.2.1", "sub.q.test"): ["1", "none", "fail", "local_policy", "b.test", "pass", None]}, rows


def test_what_is_counted_is_bounded():
    with FakeDns(ZONE) as dns, Hop() as hop, judging(dns, hop, "memory: 64KiB\n") as daemon:
        with stranger(daemon, "192.0.2.1") as client:
            for number in range(400):
                client.envelope(f"u@{'x' * 60}.{number}.test")
                assert client.data(message(f"u@{number % 300}.a.test")).code == 250
        lost, counted = (sum(value for name, value in daemon.metrics().items() if f"dmarc_{what}_total" in str(name)) for what in ("lost", "counted"))
        assert lost > 50 and counted > 100 and lost + counted == 400, (lost, counted)
        assert daemon.run("dmarc", "send", "--day", utc_day()).stdout.decode() == "a.test: sent to reports@a.test\n"
        wait_until(lambda: any(b"Report Domain" in one.octets for one in hop.messages), 20, "the report")
        code, out, _ = read(next(one.octets for one in hop.messages if b"Report Domain" in one.octets))
        assert code == 0 and f"messages: {int(counted)}, of which" in out, out


def test_who_does_not_ask_gets_no_report():
    with FakeDns(ZONE) as dns, Hop() as hop, judging(dns, hop) as daemon:
        assert daemon.run("dmarc", "send").stdout.decode().startswith("none: ")
        assert send(daemon, "192.0.2.1", message("u@n.test"), "u@n.test").code == 250
        assert daemon.run("dmarc", "send", "--day", utc_day()).stdout.decode().startswith("none: ")
        assert daemon.run("dmarc", "send", "--day", "never").returncode == 64
        assert veredus("dmarc", "send", "--day", "2026-13-01")[0] != 0


if __name__ == "__main__":
    assert BUILD
    run_tests(globals())
