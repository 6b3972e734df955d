#!/usr/bin/env python3
# The administrator's side: every command for people and for programs, permissions, metrics, one spool for one daemon.
import json
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import time
import urllib.error
import urllib.request

from lib_veredus import *

MESSAGE = b"Subject: control\r\n\r\nbody of it\r\n"
SLOW = {"queue": {"retry": ["1h"], "jitter": 0}}  # nothing is tried again unless somebody says so


def down():
    """A next hop that nobody listens at."""
    return f"smtp://127.0.0.1:{free_port()}"


def deferred(daemon):
    """Waits until every destination has failed and rests; what came later waits with it and may not have been tried."""
    wait_until(lambda: (lambda all_: all_ and all(d["reply"] and d["in_hand"] == 0 for d in all_))(daemon.cmd("destinations", json=True)), 10, "destinations at rest")


def test_status():
    with Daemon({"routes": [{"match": "*", "to": [down()]}]}) as daemon:
        status = daemon.cmd("status", json=True)[0]
        assert status["recipients_accepted"] == 0 and status["sessions"] == 0 and status["pid"] == daemon.worker_pid(), status
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", status["started"]), status
        with Smtp(daemon.port):
            wait_until(lambda: daemon.cmd("status", json=True)[0]["sessions"] == 1, 5, "one session")
            send_one(daemon.port, recipients=["a@x.test", "b@x.test"])
        text = daemon.cmd("status")
        assert re.search(r"2 accepted = 0 finished \+ 2 queued", text), text
        assert daemon.cmd("status", "--wait", "5") and daemon.cmd("status", "--wait=5", json=True)


def test_without_a_daemon():
    daemon = Daemon({}, start=False)
    try:
        began = time.monotonic()
        assert daemon.run("status", "--wait", "1").returncode == 75 and 0.9 < time.monotonic() - began < 5
        for words in (["status"], ["queue", "list"], ["reload"], ["metrics"]):
            done = daemon.run(*words)
            assert done.returncode == 69 and b"no daemon" in done.stderr and done.stdout == b"", (words, done)
        assert daemon.run("status", "--wait", "x").returncode == 64
        daemon.start(ready=False)  # what waits sees it come up
        assert daemon.run("status", "--wait", "20").returncode == 0
        daemon.stop()
        assert daemon.run("status").returncode == 69 and not os.path.exists(daemon.control)
    finally:
        daemon.clean()


def test_words_that_are_wrong():
    with Daemon() as daemon:
        for words in ([], ["nonsense"], ["queue"], ["queue", "nonsense"], ["queue", "show"], ["queue", "show", "x"], ["queue", "show", "0" * 13, "0" * 13], ["queue", "list", "--nonsense", "x"],
                      ["queue", "list", "--sender"], ["queue", "list", "--older", "yesterday"], ["queue", "list", "--state", "lost"], ["queue", "list", "--limit", "many"], ["queue", "delete"],
                      ["queue", "hold"], ["queue", "retry"], ["suspend"], ["status", "now"], ["dns", "a.test"], ["dns", "a.test", "NONSENSE"], ["--nonsense", "status"], ["queue", "list", "\xff\x1b[2J"]):
            done = daemon.run(*words)
            assert done.returncode == 64 and done.stderr and done.stdout == b"", (words, done)
            assert b"\x1b" not in done.stderr, "a control character reaches the terminal"
        missing = daemon.run("queue", "show", "0000000000001")
        assert missing.returncode not in (0, 64) and missing.stderr, missing
        assert daemon.run("queue", "cat", "0000000000001").returncode == missing.returncode
        help_text = daemon.cmd("help")
        for word in ("queue list", "queue retry", "suspend", "resume", "reload", "metrics", "log follow", "config explain", "status"):
            assert word in help_text, word
        assert daemon.cmd("version").startswith("veredus ")


def test_list_show_cat():
    with Daemon({**SLOW, "routes": [{"match": "*", "to": [down()]}]}) as daemon:
        assert daemon.cmd("queue", "list", json=True) == [] and daemon.run("queue", "list", "--json").stdout == b""
        assert daemon.cmd("queue", "list").strip() != ""
        first = send_one(daemon.port, MESSAGE, sender="s@client.test", recipients=["a@x.test", "b@y.test"])
        second = send_one(daemon.port, sender="")
        deferred(daemon)
        listed = daemon.queue()
        assert [m["id"] for m in listed] == [first, second], "oldest first"
        assert set(listed[0]) == {"id", "sender", "recipients", "size", "arrived"}, listed[0]
        assert set(listed[0]["recipients"][0]) == {"address", "state", "destination", "attempts", "next", "reply"}, listed[0]
        assert listed[0]["sender"] == "s@client.test" and listed[1]["sender"] == ""
        one = listed[0]["recipients"][0]
        assert one["address"] == "a@x.test" and one["state"] == "queued" and one["attempts"] == 1 and one["destination"] and one["reply"], one
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", one["next"]), one
        whole = daemon.run("queue", "cat", first).stdout
        assert whole.startswith(b"Received: ") and whole.endswith(MESSAGE) and len(whole) == listed[0]["size"], (len(whole), listed[0]["size"])
        shown = daemon.cmd("queue", "show", first, json=True)[0]
        for item in (shown, listed[0]):  # the time of an attempt is kept by another clock, and may differ by a millisecond
            for recipient in item["recipients"]:
                recipient["next"] = recipient["next"][:16]
        assert shown == listed[0], (shown, listed[0])
        text = daemon.cmd("queue", "show", first)
        for word in (first, "s@client.test", "a@x.test", "b@y.test", "127.0.0.1"):
            assert word in text, text
        assert first in daemon.cmd("queue", "list") and len(daemon.queue("--limit", "1")) == 1


def test_filters():
    hop_one, hop_two = down(), down()
    routes = [{"match": "x.test", "to": [hop_one]}, {"match": ".x.test", "to": [hop_two]}, {"match": "*", "to": [hop_two]}]
    with Daemon({**SLOW, "routes": routes}) as daemon:
        a = send_one(daemon.port, sender="one@client.test", recipients=["a@x.test"])
        b = send_one(daemon.port, sender="two@client.test", recipients=["b@sub.x.test"])
        c = send_one(daemon.port, sender="one@other.test", recipients=["c@y.test", "a@x.test"])
        deferred(daemon)

        def ids(*words):
            return [m["id"] for m in daemon.queue(*words)]

        assert ids(a, c) == [a, c] and ids("--sender", "two@client.test") == [b] and ids("--recipient", "a@x.test") == [a, c]
        assert ids("--domain", "x.test") == [a, c] and ids("--domain", ".x.test") == [b] and ids("--domain", "*") == [a, b, c]
        assert ids("--sender", "one@client.test", "--domain", "x.test") == [a] and ids("--sender", "nobody@client.test") == []
        assert ids("--older", "1h") == [] and ids("--younger", "1h") == [a, b, c] and ids("--older", "0s") == [a, b, c]
        name = next(r["destination"] for m in daemon.queue(a) for r in m["recipients"])
        assert name and ids("--destination", name) == [a, c], name
        assert ids("--state", "queued") == [a, b, c] and ids("--state", "held") == []
        daemon.cmd("queue", "hold", "--sender", "two@client.test")
        assert ids("--state", "held") == [b] and ids("--state", "queued") == [a, c]


def test_hold_release_retry():
    with Hop() as hop:
        hop.stop()
        with Daemon({**SLOW, "routes": routes_to(hop)}) as daemon:
            a, b = send_one(daemon.port), send_one(daemon.port)
            deferred(daemon)
            assert daemon.cmd("queue", "hold", a, json=True) == [{"messages": 1}]
            assert {m["id"]: m["recipients"][0]["state"] for m in daemon.queue()} == {a: "held", b: "queued"}
            daemon.wait_event("message.held", id=a)
            with Hop(port=hop.port) as again:
                daemon.cmd("queue", "retry", a, b)
                again.wait(1)
                wait_until(lambda: [m["id"] for m in daemon.queue()] == [a], 5, "what is held stays, the other is delivered")
                assert daemon.metrics()["veredus_recipients_queued"] == 1
                daemon.restart()
                assert daemon.queue()[0]["recipients"][0]["state"] == "held", "a hold survives a restart"
                assert daemon.cmd("queue", "release", "--state", "held", json=True) == [{"messages": 1}]
                again.wait(2)
                daemon.wait_empty()


def test_delete_and_bounce():
    with Sink() as sink, Daemon({**SLOW, "routes": [{"match": "client.test", "to": [sink.hop]}, {"match": "*", "to": [down()]}]}) as daemon:
        a, b = send_one(daemon.port, recipients=["a@x.test", "b@x.test"]), send_one(daemon.port)
        deferred(daemon)
        assert daemon.cmd("queue", "delete", a, json=True) == [{"messages": 1}]
        for address in ("a@x.test", "b@x.test"):
            event = daemon.wait_event("recipient.removed", id=a, recipient=address)
            assert pwd.getpwuid(os.geteuid()).pw_name in str(event), event
        assert daemon.run("queue", "show", a).returncode != 0
        assert sink.count() == 0, "nobody is told of a removal"
        daemon.cmd("queue", "bounce", "--domain", "example.test")
        daemon.wait_event("recipient.bounced", id=b)
        report = sink.wait(1)[0]
        assert report.sender == "" and report.recipients == ["a@client.test"] and b"multipart/report" in report.octets.replace(b"\r\n", b" "), report.header
        daemon.wait_empty()
        m = daemon.metrics()
        assert m['veredus_recipients_finished_total{state="removed"}'] == 2 and m['veredus_recipients_finished_total{state="bounced"}'] == 1, m
        assert m['veredus_recipients_finished_total{state="delivered"}'] == 1 and m["veredus_recipients_accepted_total"] == 4, m


def test_all_at_once_by_filter():
    with Daemon({**SLOW, "routes": [{"match": "*", "to": [down()]}]}) as daemon, Load(daemon.port, "--messages", "2000", "--connections", "10", "--pipelining", "--rcpt", "r%d@x.test") as load:
        load.wait()
        assert len(daemon.queue()) == 2000
        assert daemon.cmd("queue", "hold", "--older", "0s", json=True) == [{"messages": 2000}]
        assert daemon.cmd("queue", "delete", "--domain", "x.test", json=True) == [{"messages": 2000}]
        daemon.wait_empty()
        assert len(daemon.events("recipient.removed")) == 2000


def test_suspend_and_resume():
    with Sink() as sink, Sink() as other, Daemon({"routes": [{"match": "x.test", "to": [sink.hop]}, {"match": "*", "to": [other.hop]}]}) as daemon:
        send_one(daemon.port, recipients=["a@x.test"])
        sink.wait(1)
        names = [d["name"] for d in daemon.cmd("destinations", json=True)]
        name = next((n for n in names if str(sink.port) in n), None)
        assert name, f"no destination names the next hop: {names}"
        assert daemon.cmd("suspend", name, json=True)
        daemon.wait_event("queue.suspended")
        waiting = send_one(daemon.port, recipients=["b@x.test"])
        send_one(daemon.port, recipients=["c@y.test"])
        other.wait(1)
        shown = next(d for d in daemon.cmd("destinations", json=True) if d["name"] == name)
        assert shown["suspended"] and shown["waiting"] == 1 and shown["suspended_by"], shown
        assert "suspended" in daemon.cmd("destinations")
        daemon.cmd("queue", "retry", waiting)
        send_one(daemon.port, recipients=["d@y.test"])
        other.wait(2)
        assert sink.count() == 1, "a suspension stands against retry"
        daemon.cmd("resume", name)
        sink.wait(2)
        daemon.wait_empty()
        assert daemon.run("resume", name).returncode == 1


def test_log_follow():
    with Daemon({"routes": [{"match": "*", "to": [down()]}]}) as daemon:
        follow = subprocess.Popen([VEREDUS, "--conf", daemon.conf, "log", "follow", "--json"], stdout=subprocess.PIPE, text=True)
        people = subprocess.Popen([VEREDUS, "--conf", daemon.conf, "log", "follow"], stdout=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: len(daemon.events("control.command", command="log follow")) == 2, 5, "followers")
            queue_id = send_one(daemon.port)
            for line in follow.stdout:
                event = json.loads(line)
                if event["event"] == "message.accepted" and event["id"] == queue_id:
                    break
            line = next(l for l in people.stdout if queue_id in l)
            assert not line.startswith("{"), line
            follow.send_signal(signal.SIGINT)
            people.kill()
            follow.wait(5)
            assert send_one(daemon.port), "a follower that left does no harm"
        finally:
            for process in (follow, people):
                process.kill()
                process.wait()
                process.stdout.close()
        done = subprocess.run([VEREDUS, "log"], stdin=open(daemon.log_path, "rb"), capture_output=True, text=True, check=True)
        assert queue_id in done.stdout and not done.stdout.startswith("{")


def test_metrics():
    listen = f"127.0.0.1:{free_port()}"
    with Sink() as sink, Daemon({"routes": routes_to(sink), "metrics": {"listen": listen}}) as daemon:
        send_one(daemon.port, recipients=["a@x.test", "b@x.test"])
        sink.wait(1)
        daemon.wait_empty()
        text = daemon.cmd("metrics")
        for line in text.splitlines():
            assert re.fullmatch(r'# (HELP|TYPE) .*|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+]+', line), line
        names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
        assert {"veredus_recipients_accepted_total", "veredus_recipients_finished_total", "veredus_recipients_queued"} <= names
        m = parse_metrics(text)
        assert m["veredus_recipients_accepted_total"] == 2 and m['veredus_recipients_finished_total{state="delivered"}'] == 2 and m["veredus_recipients_queued"] == 0
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=5) as answer:
            assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
            assert parse_metrics(answer.read().decode())["veredus_recipients_accepted_total"] == 2
        for url, data, wanted in ((f"http://{listen}/other", None, (404,)), (f"http://{listen}/metrics", b"x", (405, 400))):
            try:
                urllib.request.urlopen(url, data, timeout=5)
                raise AssertionError(url)
            except urllib.error.HTTPError as error:
                assert error.code in wanted, error
                error.close()
        for junk in (b"\0\1\2\r\n\r\n", b"GET " + b"/" * 100000, b"MAIL FROM:<x@y>\r\n\r\n", b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 20000):
            with socket.create_connection(("127.0.0.1", int(listen.split(":")[1])), 2) as client:
                try:
                    client.sendall(junk)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except OSError:
                    pass
        assert urllib.request.urlopen(f"http://{listen}/metrics", timeout=5).status == 200
    with Daemon() as daemon:
        assert daemon.cmd("config", "explain", "metrics.listen").count("off"), "off by default"


def test_garbage_on_the_control_socket():
    with Daemon({"routes": [{"match": "*", "to": [down()]}]}) as daemon:
        for junk in (b"\n", b"{}\n", b"[]\n", b"{\"words\": 5}\n", b"\xff\xff\n", b"{\"words\": [" + b"\"x\"," * 100000 + b"\"x\"]}\n", b"x" * 3000000, b"[" * 200000 + b"\n", b""):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(15)
                client.connect(daemon.control)
                try:
                    client.sendall(junk)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except OSError:
                    pass
        assert daemon.cmd("status") and send_one(daemon.port)


def test_permissions_of_the_socket():
    for core, mode in (({}, 0o660), ({"control_mode": "0600"}, 0o600), ({"control_mode": "0666"}, 0o666)):
        with Daemon(core) as daemon:
            info = os.stat(daemon.control)
            assert stat.S_ISSOCK(info.st_mode) and stat.S_IMODE(info.st_mode) == mode, oct(info.st_mode)
            if is_root():
                done = daemon.run("status", user="nobody")
                assert done.returncode == (0 if mode == 0o666 else 77), (mode, done)
                assert mode == 0o666 or b"permission" in done.stderr


def test_one_daemon_for_one_spool():
    with Sink() as sink, Daemon({"routes": routes_to(sink)}) as daemon:
        second = Daemon({"routes": routes_to(sink), "spool": daemon.spool}, start=False)
        try:
            second.start(ready=False)
            code = second.process.wait(15)
            assert code != 0 and second.events("spool.locked"), (code, second.tail())
            assert "lock" in second.tail()
        finally:
            second.clean()
        twin = subprocess.run([VEREDUSD, "--conf", daemon.conf], capture_output=True, text=True, timeout=15, check=False)
        assert twin.returncode != 0 and "supervisor.listen_failed" in twin.stderr, twin
        assert daemon.cmd("status"), "the second has taken the first one's control socket"
        send_one(daemon.port)
        sink.wait(1)


def test_as_an_ordinary_user():
    if not is_root():
        raise Skip("needs root to become somebody else; without it every other test shows this")
    with Sink() as sink, Daemon({"routes": routes_to(sink)}, user="nobody") as daemon:
        send_one(daemon.port)
        sink.wait(1)
        daemon.wait_empty()
        assert daemon.run("status", user="nobody").returncode == 0
        uid = pwd.getpwnam("nobody").pw_uid
        for pid in daemon.processes():
            assert os.stat(f"/proc/{pid}").st_uid in (uid, 0), pid
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}", file.read(), re.M)
        assert os.stat(daemon.spool).st_uid == uid
        assert not daemon.events("supervisor.root_user")
        daemon.restart()


run_tests(globals())
