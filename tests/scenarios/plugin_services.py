#!/usr/bin/env python3
# What the host offers to plugins, in a real daemon: each service asked by a plugin's command; helpers with their privileges and their ends;
# providers that answer late, wrongly or never.
import atexit
import http.server
import os
import shutil
import signal
import subprocess
import threading

from lib_veredus import *  # noqa: F401,F403
from lib_veredus import BUILD, VEREDUS, Daemon, FakeDns, Sink, free_port, is_root, routes_to, run_tests, wait_until, work_dir

OBJECTS = os.path.join(BUILD, "core/plugin/test_plugins")
HELPER = r"""
import os, socket, struct, sys
s = socket.socket(fileno=3)
while True:
    head, fds, _, _ = socket.recv_fds(s, 8, 1)
    if len(head) < 8:
        sys.exit(0)
    size, number = struct.unpack("!II", head)
    text = b""
    while len(text) < size - 4:
        text += s.recv(size - 4 - len(text))
    if text == b"die":
        os._exit(3)
    answer = text.upper() + b" uid=%d" % os.getuid() + b" env=%d" % ("SECRET" in os.environ)
    socket.send_fds(s, [struct.pack("!II", 4 + len(answer), number) + answer], fds)
    for fd in fds:
        os.close(fd)
"""


def kept_dir():
    """A directory that goes when the program ends."""
    directory = work_dir()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def plugins():
    """A directory with the plugins that these tests need, and no others: the command looks at each for its own commands."""
    directory = kept_dir()
    for name in ("asker", "servant", "servant-serial"):
        os.symlink(os.path.join(OBJECTS, name + ".so"), os.path.join(directory, name + ".so"))
    return {"VEREDUS_PLUGINS": directory}


class Asking(Daemon):
    def __init__(self, settings="", files=None, **core):
        super().__init__({"routes": [{"match": "*", "to": ["smtp://127.0.0.1:9"]}], **core}, files={"50-asker.yaml": f"plugin: asker\n{settings}", **(files or {})},
                         env={**plugins(), "SECRET": "1"})

    def ask(self, *words, code=0):
        return self.cmd("ask", *words, code=code).strip()


def test_store_timers_and_work():
    with Asking() as daemon:
        assert daemon.ask("kv", "counter", "5") == "5" and daemon.ask("kv", "counter", "-2") == "3"
        assert daemon.ask("timer") == "in time"
        assert daemon.ask("work") == "on another thread"
        daemon.restart()
        assert daemon.ask("kv", "counter", "1") == "4", "counters survive a restart"
        assert "veredus_plugin_asker_runs_total" in daemon.cmd("metrics")
        daemon.cmd("ask", "nonsense", code=64)


def test_counters_survive_a_killed_worker_but_for_the_last_second():
    with Asking() as daemon:
        written = os.path.join(daemon.core["state"], "kv.db-wal")
        before = os.path.getsize(written)
        daemon.ask("kv", "old", "7")
        wait_until(lambda: os.path.getsize(written) > before, 5, "the store has written")
        before = daemon.worker_pid()
        daemon.kill9("worker")
        wait_until(lambda: daemon.worker_pid() != before, 10, "a new worker")
        daemon.wait_ready()
        assert daemon.ask("kv", "old", "0") == "7"


def test_dns():
    with FakeDns({"a.test": {"A": ["192.0.2.7"]}}) as dns, Asking(resolvers=[dns.address]) as daemon:
        assert daemon.ask("dns", "a.test") == "192.0.2.7"
        assert daemon.ask("dns", "nothing.test") == "no such name"


def test_http():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # pylint: disable=invalid-name
            body = b"hello " + self.path.encode()
            self.send_response(200 if self.path == "/there" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, Asking() as daemon:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert daemon.ask("http", base + "/there") == "200 hello /there"
        assert daemon.ask("http", base + "/gone") == "404 hello /gone"
        assert daemon.ask("http", f"http://127.0.0.1:{free_port()}/", code=1) == "status -12"
        server.shutdown()


def test_messages_of_plugins_go_the_way_of_all_mail():
    with Sink() as sink, Asking(routes=routes_to(sink)) as daemon:
        queue_id = daemon.ask("inject", "robot@example.test", "ann@example.test")
        sink.wait(1)
        assert daemon.wait_event("recipient.delivered", id=queue_id)["recipient"] == "ann@example.test"
        assert "Subject: injected" in sink.arrivals()[0].header
        assert daemon.ask("inject", "no address", "ann@example.test", code=1) == "status -1"


def test_orders_on_the_queue():
    with Asking(queue={"retry": ["1h"]}) as daemon:
        daemon.ask("inject", "", "bob@example.test")
        daemon.wait_event("recipient.deferred")
        assert daemon.ask("hold", "bob@example.test") == "1"
        assert [r["state"] for m in daemon.queue() for r in m["recipients"]] == ["held"]
        assert daemon.ask("hold", "nobody@example.test") == "0"
        daemon.cmd("queue", "delete", "--older", "0s")


def test_plugins_ask_each_other():
    for mode in ("servant", "servant-serial"):
        with Asking(files={"40-s.yaml": f"plugin: {mode}\n"}) as daemon:
            assert daemon.ask("call", mode, "echo", "hello") == "hello"
            assert daemon.ask("call", mode, "refuse", "x", code=1) == "status -7"
            assert daemon.ask("call", mode, "short", "x", code=1) == "status -13", "an answer that is none is a fault"
            assert daemon.ask("call", "nobody", "echo", "x", code=1) == "status -3"


def test_providers_that_never_answer_or_twice():
    with Asking(files={"40-s.yaml": "plugin: servant\nmode: never\n"}) as daemon:
        assert daemon.ask("call", "servant", "echo", "x", code=1) == "status -4"
    with Asking(files={"40-s.yaml": "plugin: servant\nmode: twice\n"}) as daemon:
        assert daemon.ask("call", "servant", "echo", "x") == "x"
    with Asking(files={"40-s.yaml": "plugin: servant\nmode: later\n"}) as daemon:
        assert daemon.ask("call", "servant", "echo", "x") == "x"


def test_a_command_whose_user_leaves():
    with Asking() as daemon:
        words = [VEREDUS, "--conf", daemon.conf, "ask", "never"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=daemon.env) as client:
            try:
                daemon.wait_event("control.command", command="plugin")
            finally:
                client.kill()
        assert daemon.ask("timer") == "in time"


def test_helpers():
    with open(os.path.join(kept_dir(), "helper.py"), "w", encoding="utf-8") as file:
        file.write(HELPER)
    helper = {"name": "shouter", "command": ["/usr/bin/python3", file.name]}
    if is_root():
        os.chmod(os.path.dirname(file.name), 0o755)
        helper.update({"user": "nobody", "group": "nogroup"})
    uid = "65534" if is_root() else str(os.getuid())
    with Asking("helper: shouter\n", helpers=[helper]) as daemon:
        assert daemon.ask("helper", "hello") == f"HELLO uid={uid} env=0 with a descriptor"
        assert daemon.ask("helper", "die", code=1) == "status -15"
        daemon.wait_event("helper.crashed")
        wait_until(lambda: daemon.run("ask", "helper", "again").stdout.startswith(b"AGAIN"), 10, "the helper is started again")
        pid = daemon.events("helper.started")[-1]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: daemon.events("helper.started")[-1]["pid"] != pid, 10, "a killed helper is started again")
        before = daemon.worker_pid()
        daemon.kill9("worker")
        wait_until(lambda: daemon.worker_pid() != before, 10, "a new worker")
        daemon.wait_ready()
        wait_until(lambda: daemon.run("ask", "helper", "new").stdout.startswith(b"NEW"), 10, "the new worker has its helper")


def test_a_helper_that_is_not_configured():
    daemon = Daemon(files={"50-asker.yaml": "plugin: asker\nhelper: nobody\n"}, env=plugins(), start=False)
    try:
        assert daemon.start(ready=False).process.wait(20) == 78
    finally:
        daemon.clean()


if __name__ == "__main__":
    run_tests(globals())
