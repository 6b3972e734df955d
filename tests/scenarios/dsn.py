#!/usr/bin/env python3
# Scenario: who is told what became of a message: reports are parsed and judged field by field, and it is checked that nobody
# is told who should not be.
import email
import email.policy
import email.utils
import re
import time

from lib_delivery import Watched, assert_final, core_for, final, message, token
from lib_veredus import *

PLAIN = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE"]  # a next hop without DSN


class Report:
    """A report as a mail program sees it."""

    def __init__(self, taken):
        assert taken.sender == "", f"a report with the sender {taken.sender!r}"
        self.to = taken.recipients
        self.whole = email.message_from_bytes(taken.octets, policy=email.policy.default)
        assert self.whole.get_content_type() == "multipart/report", self.whole.get_content_type()
        assert self.whole.get_param("report-type") == "delivery-status"
        assert not self.whole.defects, self.whole.defects
        self.text, status, self.returned = self.whole.iter_parts()
        assert self.text.get_content_type() == "text/plain"
        assert status.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        self.about, *self.recipients = status.get_payload()
        self.check_header()
        self.check_message_fields()

    def check_header(self):
        assert "MAILER-DAEMON@mx.example.test" in self.whole["From"], self.whole["From"]
        assert [email.utils.parseaddr(self.whole["To"])[1]] == self.to
        assert self.whole["MIME-Version"] == "1.0" and self.whole["Auto-Submitted"].startswith("auto-")
        assert re.fullmatch(r"<[^<>@ ]+@mx\.example\.test>", self.whole["Message-ID"]), self.whole["Message-ID"]
        for name in ("From", "To", "Date", "Subject", "Message-ID", "MIME-Version", "Content-Type"):
            assert len(self.whole.get_all(name, [])) == 1, f"{name}: {self.whole.get_all(name)}"
        sent = email.utils.parsedate_to_datetime(self.whole["Date"]).timestamp()
        assert abs(sent - time.time()) < 60, self.whole["Date"]

    def check_message_fields(self):
        assert self.about["Reporting-MTA"] == "dns; mx.example.test", self.about["Reporting-MTA"]
        arrived = email.utils.parsedate_to_datetime(self.about["Arrival-Date"]).timestamp()
        assert abs(arrived - time.time()) < 60
        assert self.recipients

    def of(self, address):
        found = [r for r in self.recipients if r["Final-Recipient"].split(";", 1)[1].strip() == address]
        assert len(found) == 1, f"{address}: {len(found)} groups; {[r.as_string() for r in self.recipients]}"
        return found[0]

    def expect(self, address, action, status, **fields):
        """One recipient's fields: the names given must begin with these values, or be absent when None."""
        group = self.of(address)
        assert group["Action"] == action, group.as_string()
        assert re.fullmatch(status, group["Status"]), f"status {group['Status']}, not {status}"
        for name, value in fields.items():
            got = group[name.replace("_", "-")]
            assert got is None if value is None else got is not None and got.startswith(value), f"{name}: {got!r}, not {value!r}"
        return group


def reports(back, count, timeout=15):
    return [Report(taken) for taken in back.wait(count, timeout)]


def quiet(daemon, back, count):
    """The queue is empty and no more than `count` reports were made."""
    daemon.wait_empty()
    assert len(back.messages) == count, [m.octets for m in back.messages[count:]]


def refusing(reply="550 5.1.1 no such user", **options):
    return Watched(replies={"RCPT": reply}, **options)


def test_failure_report():
    with Hop() as back, refusing() as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        sent = message(token(), header="X-Mark: yes\r\n")
        queue_id = send_one(daemon.port, sent, sender="s@back.test", recipients=["gone@to.test"])
        report = reports(back, 1)[0]
        group = report.expect("gone@to.test", "failed", r"5\.1\.1", Diagnostic_Code="smtp; 550 5.1.1 no such user", Remote_MTA="dns; ",
                              Original_Recipient=None, Will_Retry_Until=None)
        assert abs(email.utils.parsedate_to_datetime(group["Last-Attempt-Date"]).timestamp() - time.time()) < 30
        assert report.about["Original-Envelope-Id"] is None
        assert report.to == ["s@back.test"]
        text = report.text.get_content()
        assert "gone@to.test" in text and "550 5.1.1 no such user" in text and queue_id in text, text
        assert report.returned.get_content_type() == "message/rfc822"
        octets = back.messages[0].octets
        assert sent in octets, "the original is returned octet for octet"
        assert_final(daemon, "gone@to.test", "bounced", "550 5.1.1")
        quiet(daemon, back, 1)


def test_failures_of_one_transaction_share_a_report():
    replies = {"RCPT one@to.test": "550 5.1.1 nobody", "RCPT two@to.test": "552 5.2.2 full", "RCPT three@to.test": "250 2.1.5 ok"}
    with Hop() as back, Hop(replies=replies) as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["one@to.test", "two@to.test", "three@to.test"])
        report = reports(back, 1)[0]
        assert len(report.recipients) == 2
        report.expect("one@to.test", "failed", r"5\.1\.1")
        report.expect("two@to.test", "failed", r"5\.2\.2", Diagnostic_Code="smtp; 552 5.2.2 full")
        quiet(daemon, back, 1)


def test_reply_without_enhanced_code():
    with Hop() as back, refusing("550 go away") as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        reports(back, 1)[0].expect("a@to.test", "failed", r"5\.\d+\.\d+", Diagnostic_Code="smtp; 550 go away")


NOTIFY = ("", "NEVER", "FAILURE", "SUCCESS", "DELAY", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY")


def test_notify_decides_about_failures():
    with Hop() as back, refusing(ehlo=PLAIN) as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        for number, notify in enumerate(NOTIFY):
            send_one(daemon.port, sender="s@back.test", recipients=[f"r{number}@to.test"], rcpt_args=notify and f"NOTIFY={notify}")
            assert_final(daemon, f"r{number}@to.test", "bounced")
        daemon.wait_empty()
        told = sorted(group["Final-Recipient"] for taken in back.messages for group in Report(taken).recipients)
        wanted = sorted(f"rfc822; r{n}@to.test" for n, notify in enumerate(NOTIFY) if not notify or "FAILURE" in notify)
        assert told == wanted, told
        assert len(daemon.events("bounce.suppressed", reason="notify")) == len(NOTIFY) - len(wanted)


def test_notify_decides_about_successes():
    """A next hop without DSN: relayed; LMTP: delivered; a next hop with DSN is asked to report itself."""
    with Hop() as back, Watched(ehlo=PLAIN) as plain, Watched(lmtp=True) as lmtp, Watched() as able:
        routes = [r for name, hop in (("plain", plain), ("lmtp", lmtp), ("able", able)) for r in routes_to(hop, match=f"{name}.test")]
        with Daemon(core_for(routes, back=back)) as daemon:
            for name in ("plain", "lmtp", "able"):
                for number, notify in enumerate(NOTIFY):
                    recipient = f"r{number}@{name}.test"
                    send_one(daemon.port, sender="s@back.test", recipients=[recipient], rcpt_args=notify and f"NOTIFY={notify}")
                    assert_final(daemon, recipient, "delivered")
            daemon.wait_empty()
            asked = [n for n, notify in enumerate(NOTIFY) if "SUCCESS" in notify]
            got = {}
            for taken in back.messages:
                report = Report(taken)
                for group in report.recipients:
                    address = group["Final-Recipient"].split("; ")[1]
                    got[address] = group["Action"]
                    report.expect(address, group["Action"], r"2\.\d+\.\d+")
                    assert report.returned.get_content_type() == "text/rfc822-headers", "a success returns headers only"
            wanted = {f"r{n}@plain.test": "relayed" for n in asked} | {f"r{n}@lmtp.test": "delivered" for n in asked}
            # LMTP servers here offer DSN as well; whether they are asked or we report, the sender hears it once.
            lmtp_passed = {f"r{n}@lmtp.test" for n in asked if any(f"r{n}@" in line and "NOTIFY=" in line for line in lmtp.lines("RCPT"))}
            assert {k: v for k, v in got.items() if "lmtp" not in k} == {k: v for k, v in wanted.items() if "lmtp" not in k}, got
            assert all((address in got) != (address in lmtp_passed) for address in wanted if "lmtp" in address), (got, lmtp_passed)
            for number, notify in enumerate(NOTIFY):
                line = next(l for l in able.lines("RCPT") if f"r{number}@" in l)
                passed = line.split("NOTIFY=")[1].split()[0].split(",") if "NOTIFY=" in line else []
                assert sorted(passed) == sorted(filter(None, notify.split(","))), line
            assert not any("NOTIFY" in line or "ORCPT" in line for line in plain.lines("RCPT"))
            assert not any("RET=" in line or "ENVID" in line for line in plain.lines("MAIL"))


def test_envid_orcpt_and_ret_are_passed_on():
    with Watched() as hop, Daemon(core_for(routes_to(hop))) as daemon:
        send_one(daemon.port, recipients=["a@to.test"], mail_args="RET=HDRS ENVID=QQ+2B314+3D1", rcpt_args="NOTIFY=FAILURE ORCPT=rfc822;Bob+2Btag@first.test")
        assert_final(daemon, "a@to.test", "delivered")
        mail, rcpt = hop.lines("MAIL")[0], hop.lines("RCPT")[0]
        assert " RET=HDRS" in mail and " ENVID=QQ+2B314+3D1" in mail, mail
        assert " NOTIFY=FAILURE" in rcpt and " ORCPT=rfc822;Bob+2Btag@first.test" in rcpt, rcpt


def test_envid_and_orcpt_in_reports():
    with Hop() as back, refusing() as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"], mail_args="ENVID=QQ+2B314+3D1", rcpt_args="ORCPT=rfc822;Bob+2Btag@first.test")
        report = reports(back, 1)[0]
        assert report.about["Original-Envelope-Id"] == "QQ+314=1", report.about["Original-Envelope-Id"]
        report.expect("a@to.test", "failed", r"5\.1\.1", Original_Recipient="rfc822; Bob+tag@first.test")


def test_ret_and_size_decide_what_is_returned():
    with Hop() as back, refusing() as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        cases = (("", 0, True), ("RET=FULL", 0, True), ("RET=HDRS", 0, False), ("RET=FULL", 200_000, False), ("RET=FULL", 40_000, True))
        for number, (ret, size, whole) in enumerate(cases):
            name = token()
            sent = message(name, size, header="X-Kept: in header\r\n")
            send_one(daemon.port, sent, sender="s@back.test", recipients=[f"r{number}@to.test"], mail_args=ret)
            report = reports(back, number + 1)[-1]
            kind = report.returned.get_content_type()
            assert kind == ("message/rfc822" if whole else "text/rfc822-headers"), f"{ret} {size}: {kind}"
            octets = back.messages[-1].octets
            assert (sent in octets) == whole and b"X-Kept: in header" in octets
            assert whole or f"This is {name}".encode() not in octets, "body in a report of headers only"


def test_eight_bit_originals():
    body = "Grüße an \xff".encode("latin-1") + b"\r\n" + "und UTF-8: ü\r\n".encode()
    with Hop() as back, refusing() as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        sent = message(token(), body=body)
        send_one(daemon.port, sent, sender="s@back.test", recipients=["a@to.test"], mail_args="BODY=8BITMIME")
        report = reports(back, 1)[0]
        assert sent in back.messages[0].octets and report.returned["Content-Transfer-Encoding"] == "8bit"
        assert [c for c in back.commands if c.startswith("MAIL")][-1].count("BODY=8BITMIME") == 1


def test_hostile_reply_text_is_harmless():
    reply = b"550-5.7.1 line\x07one\x1b[31m\r\n550 5.7.1 \xff\xfe " + b"y" * 300 + b"\r\n"
    with Hop() as back, refusing(reply) as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        report = reports(back, 1)[0]
        report.expect("a@to.test", "failed", r"5\.7\.1", Diagnostic_Code="smtp; 550")
        octets = back.messages[0].octets
        assert b"\x07" not in octets and b"\x1b" not in octets and b"\xff" not in octets
        assert octets.replace(b"\r\n", b"").count(b"\n") == 0


def test_utf8_recipient():
    with Hop() as back, refusing() as hop, Daemon(core_for(routes_to(hop), back=back)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["bärbel@to.test"], mail_args="SMTPUTF8")
        report = reports(back, 1)[0]
        kind, address = report.recipients[0]["Final-Recipient"].split(";", 1)
        assert kind == "utf-8" and address.strip() in ("bärbel@to.test", r"b\x{E4}rbel@to.test"), report.recipients[0].as_string()


def test_null_sender_is_never_told():
    with Hop() as back, refusing(ehlo=PLAIN) as hop, Watched(ehlo=PLAIN) as good:
        with Daemon(core_for([*routes_to(good, match="good.test"), *routes_to(hop)], back=back)) as daemon:
            send_one(daemon.port, sender="", recipients=["a@to.test"], rcpt_args="NOTIFY=SUCCESS,FAILURE,DELAY")
            send_one(daemon.port, sender="", recipients=["a@good.test"], rcpt_args="NOTIFY=SUCCESS")
            assert_final(daemon, "a@to.test", "bounced")
            assert_final(daemon, "a@good.test", "delivered")
            daemon.wait_empty()
            assert not daemon.events("bounce.queued") and daemon.events("bounce.suppressed", recipient="a@to.test")


def test_double_bounce_ends():
    with Watched(replies={"RCPT": "550 5.1.1 nobody"}) as hop, Daemon(core_for(routes_to(hop))) as daemon:
        send_one(daemon.port, sender="lost@from.test", recipients=["a@to.test"])
        assert_final(daemon, "a@to.test", "bounced")
        assert_final(daemon, "lost@from.test", "bounced")
        daemon.wait_empty()
        assert len(daemon.events("bounce.queued")) == 1, "a bounce was bounced"
        assert len(hop.lines("RCPT")) == 2


def test_delay_report_once():
    queue = {"retry": ["300ms"], "delay_warning": "1s", "expire": "1h"}
    with Hop() as back, refusing("450 4.2.1 busy") as hop, Daemon(core_for(routes_to(hop), back=back, queue=queue)) as daemon:
        for number, notify in enumerate(NOTIFY):
            send_one(daemon.port, sender="s@back.test", recipients=[f"r{number}@to.test"], rcpt_args=notify and f"NOTIFY={notify}")
        wanted = [n for n, notify in enumerate(NOTIFY) if not notify or "DELAY" in notify]
        got = reports(back, len(wanted))
        addresses = sorted(group["Final-Recipient"] for report in got for group in report.recipients)
        assert addresses == [f"rfc822; r{n}@to.test" for n in wanted], addresses
        group = got[0].recipients[0]
        got[0].expect(group["Final-Recipient"].split("; ")[1], "delayed", r"4\.2\.1", Diagnostic_Code="smtp; 450 4.2.1 busy")
        until = email.utils.parsedate_to_datetime(group["Will-Retry-Until"]).timestamp()
        assert abs(until - time.time() - 3600) < 30, group["Will-Retry-Until"]
        assert got[0].returned.get_content_type() == "text/rfc822-headers"
        assert got[0].about["Arrival-Date"]
        hop.replies["RCPT"] = "250 2.1.5 ok"
        daemon.wait_empty()
        assert len(back.messages) == len(wanted), "the sender was told of the delay twice"


def test_expired_report():
    queue = {"retry": ["300ms"], "expire": "2s", "delay_warning": "0s"}
    with Hop() as back, refusing("450 4.2.1 busy") as hop, Daemon(core_for(routes_to(hop), back=back, queue=queue)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        report = reports(back, 1)[0]
        report.expect("a@to.test", "failed", r"[45]\.4\.7", Diagnostic_Code="smtp; 450 4.2.1 busy")
        assert report.returned.get_content_type() == "message/rfc822"
        assert_final(daemon, "a@to.test", "expired")
        quiet(daemon, back, 1)


def test_soft_bounce():
    queue = {"retry": ["300ms"], "soft_bounce": True}
    with Hop() as back, refusing() as hop, Daemon(core_for(routes_to(hop), back=back, queue=queue)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        daemon.wait_event("recipient.deferred", recipient="a@to.test")
        assert daemon.queue()[0]["recipients"][0]["reply"].startswith("550 5.1.1")
        hop.replies["RCPT"] = "250 2.1.5 ok"
        event = assert_final(daemon, "a@to.test", "delivered", "250")
        assert event["attempts"] >= 2
        quiet(daemon, back, 0)


def test_administrator_bounces():
    with Hop() as back, refusing("450 4.2.1 busy") as hop, Daemon(core_for(routes_to(hop), back=back, queue={"retry": ["1h"]})) as daemon:
        queue_id = send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        daemon.wait_event("recipient.deferred")
        daemon.cmd("queue", "bounce", queue_id)
        reports(back, 1)[0].expect("a@to.test", "failed", r"5\.\d+\.\d+")
        assert_final(daemon, "a@to.test", "bounced")
        quiet(daemon, back, 1)


def test_report_that_cannot_be_delivered_waits():
    """The report is a message like any other: it is tried again until its sender's host takes it."""
    mail = ["451 4.3.0 later", "451 4.3.0 later", "250 2.1.0 ok"]
    with Hop(replies={"MAIL": mail}, ehlo=["8BITMIME"]) as back, refusing() as hop:
        with Daemon(core_for(routes_to(hop), back=back)) as daemon:
            send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
            assert_final(daemon, "a@to.test", "bounced")
            reports(back, 1)[0].expect("a@to.test", "failed", r"5\.1\.1")
            assert final(daemon, "s@back.test")["attempts"] == 3


if __name__ == "__main__":
    run_tests(globals())
