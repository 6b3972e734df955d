#!/usr/bin/env python3
# Tables in a real daemon, asked by rules of access: files of every kind that change and break, and an HTTP API that answers, refuses,
# fails, is slow, and comes back.
import http.server
import json
import os
import threading
import urllib.parse

from lib_veredus import *  # noqa: F401,F403

KEYS = {"hash": "sender", "cidr": "client", "domain": "sender_domain", "regex": "recipient"}


def rule(table, key, equals=None, action="reject", **more):
    asked = {"name": table, "key": key, **({"equals": equals} if equals else {})}
    return {"name": table, "when": {"table": asked}, "action": action, "stage": "rcpt", **more}


def rules(*all_rules):
    return "plugin: access\nrules: " + json.dumps(all_rules) + "\n"


class Files(Daemon):
    """Tables NAME of a kind with a text each, asked by `all_rules`."""

    def __init__(self, tables, *all_rules, hop="mx:nowhere.test", start=True, **settings):
        super().__init__({"routes": routes_to(hop)}, start=False)
        for at, (name, (kind, text)) in enumerate(tables.items()):
            self.put(name, text)
            more = "".join(f"{key}: {value}\n" for key, value in settings.items())
            self.write(f"6{at}-{name}.yaml", f"plugin: table-file\ninstance: {name}\nfile: {json.dumps(self.path(name))}\nkind: {kind}\ncheck: 100ms\n{more}")
        self.write("10-access.yaml", rules(*all_rules))
        if start:
            self.start()

    def path(self, name):
        return os.path.join(self.dir, "table-" + name)

    def put(self, name, text):
        with open(self.path(name) + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.path(name) + ".new", self.path(name))


def answer(daemon, sender="a@client.test", recipient="b@example.test", source=None):
    """The reply to RCPT: its code, or code and enhanced code when it is none of success."""
    with Smtp(daemon.port, source=source) as client:
        client.hello()
        client.cmd(f"MAIL FROM:<{sender}>", 250)
        reply = client.cmd(f"RCPT TO:<{recipient}>")
        return reply.code


def test_every_kind_of_file():
    tables = {
        "hash": ("hash", '# senders\nBad@From.test  yes\n"odd name@from.test" yes\nmaybe@from.test no\n'),
        "cidr": ("cidr", "127.0.0.0/8 no\n127.0.0.4/31 yes\n"),
        "domain": ("domain", ".evil.test yes\nevil.test no\ngood.evil.test no\n"),
        "regex": ("regex", "^(promo|sale)[0-9]+@ \\1\n"),
    }
    every = [rule(name, key, "promo" if name == "regex" else "yes") for name, key in KEYS.items()]
    with Files(tables, *every) as daemon:
        assert answer(daemon) == 250
        assert [answer(daemon, f"{local}@from.test") for local in ("bad", "BAD", '"odd name"', "maybe")] == [550, 550, 250, 250]
        assert [answer(daemon, source=f"127.0.0.{last}") for last in (3, 4, 5, 6)] == [250, 550, 550, 250]
        assert [answer(daemon, f"x@{domain}") for domain in ("evil.test", "a.evil.test", "b.c.evil.test", "good.evil.test", "notevil.test")] == [250, 550, 550, 250, 250]
        assert [answer(daemon, recipient=f"{local}@example.test") for local in ("promo12", "sale12", "promo", "xpromo1")] == [550, 250, 250, 250]
        loaded = {event["table"]: event["entries"] for event in daemon.events("table-file.loaded")}
        assert loaded == {"hash": "3", "cidr": "2", "domain": "3", "regex": "1"}, loaded


def test_a_changed_file_is_taken_and_a_broken_one_is_not():
    with Files({"nets": ("cidr", "127.0.0.2 yes\n")}, rule("nets", "client", "yes")) as daemon:
        assert answer(daemon, source="127.0.0.2") == 550 and answer(daemon, source="127.0.0.3") == 250
        mark = daemon.mark()
        daemon.put("nets", "127.0.0.3 yes\n")
        daemon.wait_event("table-file.loaded", after=mark, table="nets", entries="1")
        assert answer(daemon, source="127.0.0.2") == 250 and answer(daemon, source="127.0.0.3") == 550
        mark = daemon.mark()
        daemon.put("nets", "127.0.0.2 yes\n\n127.0.0.300 yes\n")
        event = daemon.wait_event("table-file.refused", after=mark, table="nets")
        assert event["reason"].startswith(daemon.path("nets") + ":3: '127.0.0.300' is not an address or network"), event
        assert answer(daemon, source="127.0.0.2") == 250 and answer(daemon, source="127.0.0.3") == 550
        os.remove(daemon.path("nets"))
        wait_until(lambda: len(daemon.events("table-file.refused", after=mark)) == 2, 10, "the missing file is told")
        assert answer(daemon, source="127.0.0.3") == 550
        daemon.put("nets", "127.0.0.4 yes\n")
        wait_until(lambda: answer(daemon, source="127.0.0.4") == 550, 10, "the mended file")


def test_a_file_that_cannot_be_loaded_refuses_the_configuration():
    daemon = Files({"broken": ("regex", "^ok$ yes\n^(open yes\n")}, rule("broken", "sender"), start=False)
    try:
        daemon.start(ready=False)
        assert daemon.process.wait(20) == 78
        assert "60-broken.yaml:3:7" in daemon.tail() and "table-broken:2: '^(open', character" in daemon.tail(), daemon.tail()
        os.remove(daemon.path("broken"))
        daemon.write("60-broken.yaml", f"plugin: table-file\ninstance: broken\nfile: {daemon.path('broken')}\nmissing: empty\n")
        daemon.start()
        assert answer(daemon) == 250
        daemon.write("10-access.yaml", rules(rule("unknown", "sender")))
        done = daemon.run("reload")
        assert done.returncode == 78 and b"there is no table 'unknown'" in done.stdout + done.stderr, done
        daemon.stop()
    finally:
        daemon.clean()


def test_reloads_and_new_files_while_messages_ask():
    blocked = "".join(f"user{n}@blocked.test yes\n" for n in range(20_000))
    with Sink() as sink, Files({"users": ("hash", blocked)}, rule("users", "sender", "yes"), hop=sink) as daemon:
        with Load(daemon.port, "--messages", "1000", "--connections", "10") as load:
            for turn in range(5):
                at = 150 * (turn + 1)
                wait_until(lambda: sink.count() >= at or load.process.poll() is not None, 60, f"{at} messages")  # pylint: disable=cell-var-from-loop
                daemon.put("users", blocked + f"more{turn}@blocked.test yes\n")
                daemon.cmd("reload")
                assert answer(daemon, f"more{turn}@blocked.test") == 550, "who connects after a reload meets the new tables"
                assert [answer(daemon, f"{user}@blocked.test") for user in ("user7", "user70000")] == [550, 250], daemon.tail()
            load.wait()
            acknowledged = load.acknowledged()
        assert len(acknowledged) == 1000
        sink.wait(1000, 60)
        assert not daemon.events("access.undecided")
        wait_until(lambda: sorted(sink.ids()) == sorted(acknowledged), 10, lambda: f"each once: {set(sink.ids()) ^ set(acknowledged)}, {len(sink.ids())}")


class Api:
    """An HTTP server of users. `users`: what is found; `code`, `delay`, `text`: misdeeds for all. `asked`: the paths, in order."""

    def __init__(self, **users):
        self.users, self.code, self.text, self.asked, self.release = users, 200, None, [], threading.Event()
        self.release.set()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # pylint: disable=invalid-name
                api.asked.append((self.path, self.headers.get("Authorization")))
                api.release.wait(30)
                user = api.users.get(urllib.parse.unquote(self.path.rsplit("/", 1)[1]).partition("@")[0])
                code = api.code if api.code != 200 or user is not None else 404
                octets = (api.text or json.dumps({"destination": user})).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                try:
                    self.wfile.write(octets)
                except OSError:
                    pass  # the client has gone: that is what a time-out is

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def daemon(self, *all_rules, **settings):
        port = self.server.server_address[1]
        values = {"plugin": "table-http", "instance": "users", "url": f"http://127.0.0.1:{port}/users/{{key}}", "value": "/destination", **settings}
        unknown = {"name": "unknown", "when": {"recipient": "*"}, "not": {"table": {"name": "users", "key": "recipient"}}, "action": "reject"}
        files = {"60-users.yaml": "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()), "10-access.yaml": rules(*(all_rules or [unknown]))}
        return Daemon({"loops": 1}, files=files)  # one loop: one cache, one breaker

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


def to(daemon, *users):
    return [answer(daemon, recipient=f"{user}@example.test") for user in users]


def test_http_found_absent_and_cached():
    headers = [{"name": "Authorization", "value": "Bearer s3cret"}]
    with Api(ann="x", odd="y") as api, api.daemon(headers=headers) as daemon:
        assert to(daemon, "ann", "bob", "ann", "bob", "odd+tag") == [250, 550, 250, 550, 550]
        assert [path for path, _ in api.asked] == ["/users/ann%40example.test", "/users/bob%40example.test", "/users/odd%2Btag%40example.test"], api.asked
        assert {secret for _, secret in api.asked} == {"Bearer s3cret"}
        metrics = daemon.metrics()
        assert metrics["veredus_plugin_table_http_requests_total"] == 3 and metrics["veredus_plugin_table_http_cached_total"] == 2, metrics
        assert "s3cret" not in daemon.cmd("config", "show") + daemon.tail(500)


def test_http_values_and_equals():
    asked = {"table": {"name": "users", "key": "recipient", "equals": "a@x.test,b@y.test"}}
    with Api(list=["a@x.test", "b@y.test"], one="a@x.test") as api, api.daemon({"name": "both", "when": asked, "action": "reject"}) as daemon:
        assert to(daemon, "list", "one", "none") == [550, 250, 250]


def test_http_failures_are_no_answer():
    with Api(ann="x") as api, api.daemon(cache="0s", cache_negative="0s", stale="0s", breaker={"failures": 1000}) as daemon:
        for code, text in ((500, None), (403, None), (200, "no json"), (200, "")):
            api.code, api.text = code, text or None
            if code != 200 or text:
                assert to(daemon, "ann") == [451], (code, text)
        api.code, api.text = 200, None
        assert to(daemon, "ann", "bob") == [250, 550]
        assert "500" in daemon.events("table-http.failed")[0]["reason"] and daemon.events("access.undecided"), daemon.tail()


def test_http_a_slow_api_ends_in_time():
    with Api(ann="x") as api, api.daemon(query_timeout="300ms") as daemon:
        api.release.clear()
        began = time.monotonic()
        assert to(daemon, "ann") == [451] and time.monotonic() - began < 5
        api.release.set()
        assert to(daemon, "ann") == [250]


def test_http_breaker_and_return():
    with Api(ann="x") as api, api.daemon(breaker={"failures": 2, "pause": "1s"}) as daemon:
        api.code = 503
        assert to(daemon, "ann", "bob") == [451, 451]
        event = daemon.wait_event("table-http.paused", table="users")
        assert "503" in event["reason"] and event["pause_ms"] == "1000", event
        assert to(daemon, "ann", "bob", "eve") == [451, 451, 451] and len(api.asked) == 2, api.asked
        api.code = 200
        wait_until(lambda: to(daemon, "ann") == [250], 10, "asked again after the pause")


def test_http_what_was_said_before_helps_out():
    with Api(ann="x") as api, api.daemon(cache="0s", cache_negative="0s", stale="1h") as daemon:
        assert to(daemon, "ann", "bob") == [250, 550]
        api.code = 500
        assert to(daemon, "ann", "bob", "new") == [250, 550, 451]
        assert daemon.metrics()["veredus_plugin_table_http_stale_total"] == 2


def test_http_equal_questions_are_one_request():
    with Api(ann="x") as api, api.daemon(query_timeout="20s") as daemon:
        api.release.clear()
        clients = [Smtp(daemon.port) for _ in range(5)]
        for client in clients:
            client.hello()
            client.cmd("MAIL FROM:<a@client.test>", 250)
            client.send(b"RCPT TO:<ann@example.test>\r\n")
        wait_until(lambda: api.asked, 10, "the request")
        wait_until(lambda: daemon.cmd("plugin", "stats", "access", json=True)[0]["stages"] and stats_calls(daemon) == 5, 10, "five waiting recipients")
        api.release.set()
        assert [client.expect(250).code for client in clients] == [250] * 5
        assert len(api.asked) == 1, api.asked
        for client in clients:
            client.close()


def stats_calls(daemon):
    stages = daemon.cmd("plugin", "stats", "access", json=True)[0]["stages"]
    return {stage["stage"]: stage["calls"] for stage in stages}.get("rcpt", 0)


if __name__ == "__main__":
    run_tests(globals())
