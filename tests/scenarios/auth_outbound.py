#!/usr/bin/env python3
# This host as a client that authenticates: to another veredusd that knows accounts (PLAIN, SCRAM with and without channel binding), and to a
# hop that takes tokens, which come from an OAuth 2.0 endpoint and are fetched again when they run out or are refused.
import base64
import http.server
import json
import os
import threading
import urllib.parse

from lib_hop import Hop
from lib_sasl import Certificates
from lib_veredus import *  # noqa: F401,F403


class Tokens:
    """A token endpoint: each answer has another token, "t1", "t2" ...; with `rotates` another refresh token too."""

    def __init__(self, life=3600, rotates=False):
        self.asked, self.life, self.status, self.rotates = [], life, 200, rotates
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                outer.asked.append({key: value[0] for key, value in form.items()})
                answer = {"access_token": f"t{len(outer.asked)}", "expires_in": outer.life} if outer.status == 200 else {"error": "invalid_grant"}
                if outer.rotates:
                    answer["refresh_token"] = f"r{len(outer.asked)}"
                body = json.dumps(answer).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def client_core(port, credentials, certs=None, tls="encrypt", **more):
    return {"routes": [{"match": "*", "to": [f"smtp://localhost:{port}"], "credentials": "smart", "tls": tls}], "hosts": {"localhost": ["127.0.0.1"]},
            "credentials": {"smart": credentials}, "queue": {"retry": ["1h"]}, "tls": {"ca": certs.path("ca.pem")} if certs else {}, **more}


def send(daemon):
    queue_id = send_one(daemon.port)
    found = wait_until(lambda: daemon.events("recipient.delivered", id=queue_id) + daemon.events("recipient.deferred", id=queue_id), 20, lambda: f"an outcome\n{daemon.tail()}")
    return "delivered" if found[0]["event"] == "recipient.delivered" else found[0]["reply"]


def server_with(certs, password, *scheme):
    import subprocess
    line = subprocess.run([VEREDUS, "auth-file", "hash", "ann", *scheme], input=password.encode() + b"\n", capture_output=True, check=True, timeout=30).stdout
    directory = work_dir()
    accounts = os.path.join(directory, "accounts")
    with open(os.open(accounts, os.O_CREAT | os.O_WRONLY, 0o640), "wb") as file:
        file.write(line)
    return Daemon({"listeners": [{"role": "submission"}], "tls": {"certificates": [certs.pair("server")]}, "auth": {"delay": "0s"},
                   "routes": [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]}, files={"70-auth-file.yaml": f"plugin: auth-file\nfile: {accounts}\n"})


def test_mechanisms_against_a_real_server():
    with Certificates() as certs:
        for scheme, mechanisms, wanted in (((), [], "PLAIN"), (("--scheme", "scram-sha-256"), [], "SCRAM-SHA-256-PLUS"),
                                           (("--scheme", "scram-sha-256"), ["SCRAM-SHA-256"], "SCRAM-SHA-256"), (("--scheme", "scram-sha-256"), ["LOGIN"], "LOGIN")):
            with server_with(certs, "pencil", *scheme) as server:
                entry = {"user": "ann", "password": "pencil", "mechanisms": mechanisms}
                with Daemon(client_core(server.port, entry, certs, tls="verify")) as daemon:
                    assert send(daemon) == "delivered", wanted
                    event = server.wait_event("auth.accepted")
                    assert event["mechanism"] == wanted and event["account"] == "ann", event
                    assert "pencil" not in daemon.tail(10000) + server.tail(10000)


def test_wrong_passwords_wait_for_the_administrator():
    with Certificates() as certs, server_with(certs, "pencil") as server:
        directory = work_dir()
        secret = os.path.join(directory, "password")
        with open(secret, "w", encoding="ascii") as file:
            file.write("wrong\n")
        with Daemon(client_core(server.port, {"user": "ann", "password_file": secret}, certs)) as daemon:
            reply = send(daemon)
            assert reply.startswith("451 4.7.8 No authentication to localhost") and "535" in reply, reply
            assert not server.events("message.accepted")
            with open(secret, "w", encoding="ascii") as file:
                file.write("pencil\n")
            daemon.wait_event("outbound.auth_failed")
        with Daemon(client_core(server.port, {"user": "ann", "password_file": secret}, certs)) as daemon:
            assert send(daemon) == "delivered"


def test_what_cannot_be_used_is_told():
    with Certificates() as certs:
        for ehlo, entry, text in ((["PIPELINING"], {"user": "ann", "password": "x"}, "offers no AUTH"),
                                  (["AUTH GSSAPI"], {"user": "ann", "password": "x"}, "no mechanism that these credentials may use"),
                                  (["AUTH PLAIN"], {"user": "ann", "password_file": "/nowhere"}, "password_file /nowhere cannot be read")):
            with Hop(ehlo=ehlo, tls=(certs.path("server.pem"), certs.path("server.key"))) as hop, Daemon(client_core(hop.port, entry)) as daemon:
                assert text in send(daemon), text
                assert not any(command.startswith("AUTH") for command in hop.commands)


def token_of(command):
    return base64.b64decode(command.split(" ")[2]).split(b"auth=Bearer ")[1].split(b"\1")[0].decode()


def test_tokens():
    with Certificates() as certs, Tokens() as tokens:
        directory = work_dir()
        for name, text in (("refresh", "r/e+f\n"), ("secret", "s&c\n")):
            with open(os.path.join(directory, name), "w", encoding="ascii") as file:
                file.write(text)
        entry = {"user": "ann@example.test", "token_url": tokens.url, "client_id": "veredus", "client_secret_file": os.path.join(directory, "secret"),
                 "refresh_token_file": os.path.join(directory, "refresh"), "scope": "mail"}
        for mechanism in ("XOAUTH2", "OAUTHBEARER"):
            good = {"AUTH": lambda c, line: "235 2.7.0 ok"}
            with Hop(good, ehlo=[f"AUTH {mechanism}"], tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
                before = len(tokens.asked)
                with Daemon(client_core(hop.port, entry, loops=1, outbound={"idle": "0s"})) as daemon:
                    assert send(daemon) == "delivered" and send(daemon) == "delivered"
                    used = [token_of(command) for command in hop.commands if command.startswith("AUTH")]
                    assert len(used) == 2 and set(used) == {f"t{before + 1}"}, used  # one fetch for both
                    assert tokens.asked[-1] == {"grant_type": "refresh_token", "refresh_token": "r/e+f", "client_id": "veredus", "client_secret": "s&c", "scope": "mail"}
                    hop.replies["AUTH"] = "535 5.7.8 no"  # revoked: the next attempt fetches anew
                    assert "535" in send(daemon)
                    count = len(tokens.asked)
                    hop.replies["AUTH"] = "235 2.7.0 ok"
                    daemon.cmd("queue", "retry", "--state", "queued")
                    wait_until(lambda: len(tokens.asked) == count + 1, 20, "a fresh token was not fetched")
        tokens.status = 400
        with Hop({"AUTH": "235 ok"}, ehlo=["AUTH XOAUTH2"], tls=(certs.path("server.pem"), certs.path("server.key"))) as hop, Daemon(client_core(hop.port, entry)) as daemon:
            reply = send(daemon)
            assert "the token endpoint answered 400 (invalid_grant)" in reply, reply


def test_refresh_tokens_that_change():
    """The endpoint gives another refresh token each time. It goes into the file, and counts even where the file cannot be written."""
    with Certificates() as certs:
        for writable in (True, False):
            directory = work_dir()
            path = os.path.join(directory, "refresh")
            with open(path, "w", encoding="ascii") as file:
                file.write("first\n")
            os.chmod(path, 0o640)
            if not writable:
                os.mkdir(path + ".new")
            good = {"AUTH": "235 2.7.0 ok"}
            with Tokens(rotates=True) as tokens, Hop(good, ehlo=["AUTH XOAUTH2"], tls=(certs.path("server.pem"), certs.path("server.key"))) as hop:
                entry = {"user": "ann@example.test", "token_url": tokens.url, "client_id": "veredus", "refresh_token_file": path}
                with Daemon(client_core(hop.port, entry, loops=1, outbound={"idle": "0s"})) as daemon:
                    assert send(daemon) == "delivered"
                    hop.replies["AUTH"] = "535 5.7.8 no"
                    assert "535" in send(daemon)
                    hop.replies["AUTH"] = "235 2.7.0 ok"
                    daemon.cmd("queue", "retry", "--state", "queued")
                    wait_until(lambda: len(daemon.events("recipient.delivered")) == 2, 20, "not delivered with a fresh token")
                    assert [form["refresh_token"] for form in tokens.asked] == ["first", "r1"], tokens.asked
                    if writable:
                        wait_until(lambda: open(path, encoding="ascii").read() == "r2\n", 10, "the file has not the new token")
                        assert os.stat(path).st_mode & 0o777 == 0o640


if __name__ == "__main__":
    run_tests(globals())
