#!/usr/bin/env python3
# Accounts behind an HTTP API: what it is asked, yes and no, answers that are none, time-outs, the breaker, the cache, https with a
# certificate of its own authority.
import hashlib
import hmac
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading

import lib_sasl
from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts


SUBMISSION = {"loops": 1, "listeners": [{"role": "submission"}], "auth": {"clear_text": True, "delay": "0s"}}


def stored_secret(password, salt=b"0123456789abcdef", iterations=4096):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client, server = (hmac.digest(salted, text, "sha256") for text in (b"Client Key", b"Server Key"))
    return f"SCRAM-SHA-256${iterations}:{lib_sasl.b64(salt)}${lib_sasl.b64(hashlib.sha256(client).digest())}:{lib_sasl.b64(server)}"


class Api:
    """`accounts`: name -> password. `code`, `text`, `release`: misdeeds for all. `asked`: documents and header fields, in order."""

    def __init__(self, tls=None, **accounts):
        self.accounts, self.code, self.text, self.asked, self.release = accounts, 200, None, [], threading.Event()
        self.release.set()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.asked.append((question, dict(self.headers)))
                api.release.wait(30)
                octets = (api.text or json.dumps(api.decide(**question))).encode()
                self.send_response(api.code)
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
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def decide(self, kind, account, password=None, token=None, **_):
        name = account.lower() or "ann"
        ok = {"password": self.accounts.get(name) == password, "token": token == "t0ken", "secret": name in self.accounts}[kind] and name in self.accounts
        secret = {"secret": stored_secret(self.accounts[name])} if ok and kind == "secret" else {}
        return {"ok": True, "account": name, "tenant": "acme", **secret} if ok else {"ok": False}

    def daemon(self, **settings):
        return Asking(**{"url": f"http://127.0.0.1:{self.port}/auth", **settings})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


class Asking(Daemon):
    def __init__(self, start=True, core=None, **settings):
        super().__init__(core or {"loops": 1}, start=False)
        self.write("70-auth-http.yaml", "plugin: auth-http\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))
        if start:
            self.start()

    def test(self, account, password):
        done = self.run("auth", "test", "auth-http", account, "--json", stdin=password.encode() + b"\n")
        said = json.loads(done.stdout)
        return f"{said['account']} {said['tenant']}" if said["result"] == "ok" else said["result"]


def test_scripts():
    run_scripts("auth-http", "strict")
    run_scripts("auth-http", "chaos")


def test_what_is_asked_and_answered():
    with Api(ann="pencil") as api, api.daemon(headers=[{"name": "Authorization", "value": "Bearer s3cret"}]) as daemon:
        assert daemon.test("Ann", "pencil") == "ann acme"
        assert [daemon.test(*pair) for pair in (("ann", 'p"\\\t'), ("nobody", "pencil"), ("ann", "é"))] == ["denied"] * 3
        question, headers = api.asked[0]
        assert question == {"kind": "password", "mechanism": "PLAIN", "account": "Ann", "acting_as": "", "client": "", "password": "pencil"}, question
        assert headers["Authorization"] == "Bearer s3cret" and headers["Content-Type"] == "application/json"
        assert [asked["password"] for asked, _ in api.asked] == ["pencil", 'p"\\\t', "pencil", "é"]
        assert not [word for word in ("s3cret", "pencil") if word in daemon.tail(1000) + daemon.cmd("config", "show")]


def test_answers_that_are_none():
    with Api(ann="pencil") as api, api.daemon(breaker={"failures": 1000}) as daemon:
        for code, text in ((500, None), (401, '{"ok": true}'), (404, None), (302, None), (200, "yes"), (200, "{}"), (200, '{"ok": "true"}'), (200, '{"ok": true, "account": "a\\nb"}')):
            api.code, api.text = code, text
            assert daemon.test("ann", "pencil") == "temporary", (code, text)
        api.code, api.text = 200, None
        assert daemon.test("ann", "pencil") == "ann acme"
        assert daemon.metrics()["veredus_plugin_auth_http_failures_total"] == 7
        assert len(daemon.events("plugin.misbehaved")) == 1, "an account with a line break"


def test_slow_and_absent_apis_and_the_breaker():
    with Api(ann="pencil") as api, api.daemon(query_timeout="200ms", breaker={"failures": 2, "pause": "500ms"}) as daemon:
        api.release.clear()
        assert [daemon.test("ann", "pencil") for _ in range(2)] == ["temporary"] * 2
        daemon.wait_event("auth-http.paused")
        asked = len(api.asked)
        api.release.set()
        assert daemon.test("ann", "pencil") == "temporary" and len(api.asked) == asked, "it is left in peace"
        wait_until(lambda: daemon.test("ann", "pencil") == "ann acme", 5, daemon.tail)
    with Asking(url=f"http://127.0.0.1:{free_port()}/") as daemon:
        assert daemon.test("ann", "pencil") == "temporary"
        daemon.wait_event("auth-http.failed")


def test_the_cache_keeps_yes_only_and_not_for_ever():
    with Api(ann="pencil") as api, api.daemon(cache="1s") as daemon:
        assert [daemon.test("ann", password) for password in ("pencil", "pencil", "wrong", "wrong")] == ["ann acme"] * 2 + ["denied"] * 2
        assert len(api.asked) == 3
        api.accounts["ann"] = "other"
        assert daemon.test("ann", "pencil") == "ann acme"
        wait_until(lambda: daemon.test("ann", "pencil") == "denied", 5, "the kept answer goes")
    with Api(ann="pencil") as api, api.daemon() as daemon:
        assert [daemon.test("ann", "pencil") for _ in range(2)] == ["ann acme"] * 2 and len(api.asked) == 2


def test_https_and_clear_text():
    directory = work_dir()
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=api.test", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    with Api(tls=(cert, key), ann="pencil") as api:
        with Asking(url=f"https://127.0.0.1:{api.port}/", ca_file=cert) as daemon:
            assert daemon.test("ann", "pencil") == "ann acme"
        with Asking(url=f"https://127.0.0.1:{api.port}/") as daemon:
            assert daemon.test("ann", "pencil") == "temporary", "its authority is not known"
    shutil.rmtree(directory)
    daemon = Asking(start=False, url="http://192.0.2.1/")
    try:
        daemon.start(ready=False)
        assert daemon.process.wait(20) == 78 and "would send passwords in clear over the network" in daemon.tail(), daemon.tail()
    finally:
        daemon.clean()


def test_mechanisms_follow_the_kinds():
    with Asking(url="http://127.0.0.1:9/", kinds=["token", "secret"]) as daemon:
        said = json.loads(daemon.run("auth", "test", "auth-http", "x", "--json", stdin=b"x\n").stdout)
        assert said["mechanisms"] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"] and said["result"] == "denied", said


def test_tokens_and_secrets_through_a_listener():
    with Api(ann="pencil") as api, Asking(core=SUBMISSION, url=f"http://127.0.0.1:{api.port}/", kinds=["token", "secret", "password"]) as daemon:
        with Smtp(daemon.port) as smtp:
            assert "AUTH SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN" in smtp.hello().lines
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            for initial in (True, False):
                with Smtp(daemon.port) as smtp:
                    smtp.hello()
                    assert lib_sasl.oauth(smtp, "b4d", "ann", mechanism, initial).text.startswith("535 5.7.8")
                    assert lib_sasl.oauth(smtp, "t0ken", "ann", mechanism, initial).text.startswith("235 2.7.0")
                    smtp.cmd("MAIL FROM:<ann@a.test>", 250)
        with Smtp(daemon.port) as smtp:
            smtp.hello()
            assert lib_sasl.oauth(smtp, "t0ken").code == 235, "the token says whose it is"
        wait_until(lambda: len(daemon.events("auth.accepted", account="ann")) == 5, 5, daemon.tail)
        with Smtp(daemon.port, source="127.0.0.5") as smtp:
            smtp.hello()
            assert lib_sasl.scram(smtp, "ann", "wrong").code == 535
            assert lib_sasl.scram(smtp, "nobody", "pencil").code == 535
            assert lib_sasl.scram(smtp, "ann", "pencil").code == 235
        assert api.asked[-1][0] == {"kind": "secret", "mechanism": "SCRAM-SHA-256", "account": "ann", "acting_as": "", "client": "127.0.0.5"}, api.asked[-1]
        api.code = 500
        with Smtp(daemon.port) as smtp:
            smtp.hello()
            assert lib_sasl.oauth(smtp, "t0ken", "ann").text.startswith("454 4.7.0")
            assert lib_sasl.scram(smtp, "ann", "pencil").text.startswith("454 4.7.0")
            assert lib_sasl.plain(smtp, "ann", "pencil").text.startswith("454 4.7.0")
        assert not [word for word in ("t0ken", "b4d", "pencil") if word in daemon.tail(2000)]


if __name__ == "__main__":
    run_tests(globals())
