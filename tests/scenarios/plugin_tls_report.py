#!/usr/bin/env python3
# The plugin tls-report: its scripts in the test host; the check of reports; then a real daemon whose connections succeed and fail, and the
# reports that come of it, by mail and by HTTPS, over a restart.
import email
import email.policy
import gzip
import json
import subprocess

from lib_base import VEREDUS
from lib_sts import Authority, Web, policy, records, utc_day
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts


def run(*words, stdin=b""):
    done = subprocess.run([VEREDUS, *words], input=stdin, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout.decode()


def reporting(dns, hop, web, ca, more="", routes=None):
    core = {"resolvers": [dns.address], "outbound": {"port": hop.port, "idle": "0s"}, "queue": {"retry": ["1h"]}, "relay_domains": ["sts.test", "plain.test"], "tls": {"ca": ca.ca},
            "routes": routes or []}
    sts = f"plugin: mta-sts\nport: {web.port}\nca_file: {ca.ca}\n"
    report = f"plugin: tls-report\norganization: Example Ltd\ncontact: mailto:tls@example.test\nfrom: tls@example.test\nca_file: {ca.ca}\n{more}"
    return Daemon(core, files={"50-mta-sts.yaml": sts, "90-tls-report.yaml": report})


def deliver(daemon, recipient, count=1):
    done = len(daemon.events("recipient.delivered")) + len(daemon.events("recipient.deferred"))
    for _ in range(count):
        send_one(daemon.port, recipients=[recipient])
    wait_until(lambda: len(daemon.events("recipient.delivered")) + len(daemon.events("recipient.deferred")) >= done + count, 20, lambda: f"{count} answers\n{daemon.tail()}")


def send_reports(daemon):
    done = daemon.run("tls-report", "send", "--day", utc_day())
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout.decode()


def asks(domain, rua):
    return {f"_smtp._tls.{domain}": {"TXT": [f"v=TLSRPTv1; rua={rua}"]}}


def check_fields(report, domain, good, bad):
    day = utc_day()
    assert set(report) == {"organization-name", "date-range", "contact-info", "report-id", "policies"}, report
    assert report["organization-name"] == "Example Ltd" and report["contact-info"] == "mailto:tls@example.test" and report["report-id"]
    assert report["date-range"] == {"start-datetime": f"{day}T00:00:00Z", "end-datetime": f"{day}T23:59:59Z"}
    sums = [p["summary"] for p in report["policies"]]
    assert sum(s["total-successful-session-count"] for s in sums) == good and sum(s["total-failure-session-count"] for s in sums) == bad, report
    assert all(p["policy"]["policy-domain"] == domain for p in report["policies"]), report


def test_scripts_strict():
    run_scripts("tls-report", "strict")


def test_the_check_of_reports():
    good = {"organization-name": "A", "date-range": {"start-datetime": "2026-11-28T00:00:00Z", "end-datetime": "2026-11-28T23:59:59Z"}, "contact-info": "a@a.test", "report-id": "1",
            "policies": [{"policy": {"policy-type": "sts", "policy-string": ["version: STSv1"], "policy-domain": "b.test", "mx-host": ["mx.b.test"]},
                          "summary": {"total-successful-session-count": 3, "total-failure-session-count": 1},
                          "failure-details": [{"result-type": "certificate-expired", "receiving-mx-hostname": "mx.b.test", "failed-session-count": 1}]}]}
    text = json.dumps(good).encode()
    for octets in (text, gzip.compress(text)):
        out = run("check", "tlsrpt", stdin=octets)
        assert out.startswith("valid\n") and "policy: b.test (sts): 3 sessions succeeded, 1 failed" in out, out
    good["policies"][0]["summary"]["total-failure-session-count"] = "1"
    assert run("check", "tlsrpt", stdin=json.dumps(good).encode()).startswith("invalid\nproblem: policies[0]: 'total-failure-session-count'")
    assert run("check", "tlsrpt", stdin=b"{\n\n oops }").startswith("invalid\nproblem: line 3: ")
    assert run("check", "tlsrpt", stdin=gzip.compress(text)[:30]).startswith("invalid\n")


def test_a_report_by_mail_field_by_field_over_a_restart_and_once():
    with Authority() as ca, FakeDns({**records(), **asks("sts.test", "mailto:reports@collector.test")}) as dns, Web(ca.pair("mta-sts.sts.test"), policy()) as web:
        with Hop() as inbox, Hop(tls=ca.pair("mx.sts.test")) as hop, reporting(dns, hop, web, ca, routes=[{"match": "collector.test", "to": [inbox.hop]}]) as daemon:
            deliver(daemon, "b@sts.test", 3)
            good = hop.connections
            daemon.restart()
            hop.stop()
            with Hop(tls=ca.pair("wrong.test"), port=hop.port):
                deliver(daemon, "b@sts.test")
            assert send_reports(daemon) == "sts.test: sent to mailto:reports@collector.test\n", daemon.tail()
            octets = inbox.wait(1)[0].octets
            daemon.restart()
            again = send_reports(daemon)
            assert again == "sts.test: was sent before\n", again
            assert len(inbox.messages) == 1, [m.octets[:1500] for m in inbox.messages]
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    assert mail.get_content_type() == "multipart/report" and mail.get_param("report-type") == "tlsrpt", octets[:2000]
    assert mail["TLS-Report-Domain"] == "sts.test" and mail["TLS-Report-Submitter"] == "mx.example.test" and mail["TLS-Required"] == "No", octets[:2000]
    assert mail["Subject"].startswith("Report Domain: sts.test Submitter: mx.example.test Report-ID: <") and "tls@example.test" in mail["From"], mail["Subject"]
    text, attachment = mail.iter_parts()
    assert text.get_content_type() == "text/plain" and attachment.get_content_type() == "application/tlsrpt+gzip"
    assert attachment.get_filename().startswith("mx.example.test!sts.test!") and attachment.get_filename().endswith(".json.gz"), attachment.get_filename()
    report = json.loads(gzip.decompress(attachment.get_content()))
    check_fields(report, "sts.test", good, 1)
    assert report["report-id"] in mail["Subject"]
    assert len(report["policies"]) == 1, report
    shown = report["policies"][0]
    assert shown["policy"]["policy-type"] == "sts" and shown["policy"]["mx-host"] == ["mx.sts.test"], shown
    assert shown["policy"]["policy-string"] == ["version: STSv1", "mode: enforce", "mx: mx.sts.test", "max_age: 604800"], shown
    detail = shown["failure-details"][0]
    assert detail["result-type"] == "certificate-host-mismatch" and detail["receiving-mx-hostname"] == "mx.sts.test" and detail["receiving-ip"] == "127.0.0.1", detail
    assert detail["sending-mta-ip"] == "127.0.0.1" and detail["failed-session-count"] == 1 and detail["failure-reason-code"], detail
    assert run("check", "tlsrpt", stdin=json.dumps(report).encode()).startswith("valid\n")


def test_a_report_by_https_is_tried_again_until_it_is_taken_and_says_that_a_policy_could_not_be_had():
    with Authority() as ca, Web(ca.pair("mta-sts.sts.test"), (500, {}, b"")) as web, Web(ca.pair("collector.test"), (503, {}, b"")) as collector, Hop(tls=ca.pair("any.test")) as hop:
        rua = asks("sts.test", f"https://collector.test:{collector.port}/tlsrpt")
        with FakeDns({**records(more={"collector.test": {"A": ["127.0.0.1"]}}), **rua}) as dns, reporting(dns, hop, web, ca) as daemon:
            deliver(daemon, "b@sts.test")
            hop.wait(1)
            assert "HTTP 503" in send_reports(daemon), daemon.tail()
            collector.answer = (201, {}, b"")
            assert send_reports(daemon).startswith("sts.test: sent to https://collector.test"), daemon.tail()
            assert send_reports(daemon) == "sts.test: was sent before\n"
        method, path, headers, body = collector.requests[-1]
        assert len(collector.requests) == 2 and method == "POST" and path == "/tlsrpt" and headers["Content-Type"] == "application/tlsrpt+gzip", collector.requests
        report, first = (json.loads(gzip.decompress(request[3])) for request in (collector.requests[1], collector.requests[0]))
        assert report["report-id"] == first["report-id"] and body
        results = {d["result-type"] for p in report["policies"] for d in p.get("failure-details", [])}
        assert "sts-policy-fetch-error" in results, report


def test_who_does_not_ask_gets_no_report():
    more = {"plain.test": {"MX": [(10, "mx.plain.test")]}, "mx.plain.test": {"A": ["127.0.0.1"]}}
    with Authority() as ca, FakeDns(records(more=more)) as dns, Web(ca.pair("mta-sts.sts.test")) as web, Hop() as hop, reporting(dns, hop, web, ca) as daemon:
        assert send_reports(daemon).startswith("none: ")
        deliver(daemon, "b@plain.test")
        assert "not asked for" in send_reports(daemon), daemon.tail()
        assert len(hop.messages) == 1
        dns.records.update(asks("plain.test", "mailto:r@plain.test"))
        done = daemon.run("tls-report", "send", "--day", "tomorrow")
        assert done.returncode == 64, done


if __name__ == "__main__":
    run_tests(globals())
