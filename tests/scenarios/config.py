#!/usr/bin/env python3
# Configuration: errors with their places, all at once, exit 78; rules of conf.d; show and explain; reload that changes all or nothing.
import json
import os
import random
import re
import shutil
import signal
import subprocess

from lib_veredus import *

UNREACHED = [{"match": "*", "to": ["smtp://127.0.0.1:1"]}]


class Fragments:
    """A directory of fragments without a daemon."""

    def __init__(self, **files):
        self.dir = work_dir()
        for name, text in files.items():
            self.write(name, text)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *words, program=VEREDUS, timeout=20):
        return subprocess.run([program, "--conf", self.dir, *words], capture_output=True, text=True, errors="replace", timeout=timeout, check=False)

    def check(self):
        """Exit code and everything printed, the directory's name taken out of it."""
        done = self.run("config", "check")
        return done.returncode, (done.stdout + done.stderr).replace(self.dir + "/", "conf.d/")


def place_of(text, word):
    """LINE:COLUMN: of a word, counted from 1."""
    at = text.index(word)
    return f"{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}: "


def only_core(text):
    return Fragments(**{"00-core.yaml": text})


def test_every_error_at_once_with_its_place():
    text = "\n".join([
        "core:", "  hostnme: mx.example.test", "  loops: many", "  listeners:", "    - { address: \"127.0.0.1:25\", role: mxx }", "    - { address: 127.0.0.1, role: mx }",
        "  relay_networks: [10.0.0.0/33]", "  queue:", "    retry: [5m, soon]", "    expire: 5 days", "  limits: { message_size: 1GB, recipient: 3 }",
        "  routes:", "    - { match: \"*\", to: [\"smpt://a.test\"] }", "    - { to: [mx] }", "  hosts: { a.test: [localhost] }", ""])
    words = ["hostnme", "many", "mxx", "127.0.0.1, role", "10.0.0.0/33", "soon", "5 days", "1GB", "recipient:", "\"smpt", "{ to:", "localhost"]
    wanted = [place_of(text, word) for word in words]
    wanted[0] += "unknown setting 'hostnme' (did you mean 'hostname'?)"
    wanted[8] += "unknown setting 'recipient' (did you mean 'recipients'?)"
    with only_core(text) as conf:
        code, out = conf.check()
        assert code == 78, (code, out)
        lines = out.splitlines()
        for place in wanted:
            assert any(line.startswith("conf.d/00-core.yaml:" + place) for line in lines), f"no error at {place}\n{out}"
        assert len(lines) == len(wanted), out
        assert re.search(r"5:\d+: .*did you mean 'mx'", out), out
        for program in ([], ["show"]):
            done = conf.run("config", *program) if program else conf.run("config", "check")
            assert done.returncode == 78
        assert conf.run("status").returncode == 78 and conf.run("queue", "list").returncode == 78
        done = conf.run(program=VEREDUSD)
        text = (done.stdout + done.stderr).replace(conf.dir + "/", "conf.d/")
        assert done.returncode == 78 and all("conf.d/00-core.yaml:" + place in text for place in wanted), (done.returncode, text)


BROKEN = ["core:\n  loops: [1\n", "core:\n\tloops: 1\n", "core: {loops: 1", "- a\n- b\n", "just text", "core: 5\n", "core:\n  loops: 1\n---\ncore:\n  loops: 2\n",
          "core:\n  loops: 1\n  loops: 2\n", "core:\n  hostname: \"a\n", "a: &x 1\nb: *x\n", "core: &a { spool: *a }\n", "core:\n  loops: !!int 1\n", b"core:\n  hostname: \xff\xfe\n",
          "core:\n  " + "[" * 5000, "? {a: b}\n: c\n", "core:\n  loops: 1\0\n", "hostname: a.test\n", "core:\nplugin: x\n", "plugin: nosuchplugin\n", "%YAML 9.9\n---\ncore: {}\n\x01",
          "core:\n  hostname: [a.test]\n", "core:\n  listeners: { address: x }\n", "core:\n  queue: [1]\n", "core:\n  relay_domains: [\"*.a.test\"]\n"]


def test_broken_files_are_told_with_their_place():
    for text in BROKEN:
        with only_core(text) as conf:
            code, out = conf.check()
            assert code == 78, (text, code, out)
            assert re.search(r"^conf\.d/00-core\.yaml(:\d+:\d+)?: .", out, re.M), (text, out)
            assert "terminate" not in out and "Sanitizer" not in out, out


def test_a_huge_file_and_random_octets():
    draw = random.Random(3)
    with only_core("core:\n  hosts:\n" + "".join(f"    h{i}.test: [127.0.0.1]\n" for i in range(400000))) as conf:
        code, out = conf.check()
        assert code == 78 and "larger" in out, (code, out[:300])
    for _ in range(30):
        with only_core(bytes(draw.randrange(256) for _ in range(draw.randrange(1, 300)))) as conf:
            assert conf.check()[0] in (0, 78)


def test_types_and_bounds():
    bad = {"loops": "-1", "hostname": "a..b", "control_mode": "0999", "drain": "11m", "log_level": "loud", "relay_domains": "[\"a b\"]", "postmaster": "nobody",
           "resolvers": "[dns.test]", "spool": "relative/path", "ptr_lookup": "maybe", "queue": "{ expire: 0s }", "limits": "{ recipients: 0 }", "outbound": "{ port: 70000 }",
           "routes": "[{ match: a.test, to: [] }]", "exempt_networks": "[10.0.0.1/8]"}
    good = {"loops": "2", "hostname": "a-b.test", "control_mode": "0600", "drain": "0s", "log_level": "debug", "relay_domains": "[a.test, .b.test]", "postmaster": "pm@a.test",
            "resolvers": "[\"127.0.0.1:5300\", \"[::1]:53\", 192.0.2.1]", "spool": "/x/y", "ptr_lookup": "true", "queue": "{ retry: [100ms, 2s, 5m, 1h, 1d], expire: 1w }",
            "limits": "{ recipients: 5, message_size: 25MiB }", "outbound": "{ port: 2525, idle: 500ms }",
            "routes": "[{ match: a.test, to: [[\"smtp://a.test\", \"smtp://[::1]:26\"], mx, \"mx:b.test\", \"lmtp:///run/x\", \"lmtp://127.0.0.1:24\"] }]",
            "exempt_networks": "[10.0.0.0/8, loopback]"}
    for settings, wanted in ((bad, 78), (good, 0)):
        for name, value in settings.items():
            with only_core(f"core:\n  {name}: {value}\n") as conf:
                code, out = conf.check()
                assert code == wanted, (name, value, code, out)
                assert wanted == 0 or name.split("_")[0] in out, (name, out)


def test_rules_of_conf_d():
    with Fragments(**{"00-core.yaml": "core:\n  hostname: one.test\n", "20-routes.yaml": "core:\n  routes: [{ match: \"*\", to: [mx] }]\n  queue: { retry: [1m] }\n",
                      "50-more.yaml": "core:\n  queue: { expire: 2d }\n"}) as conf:
        for name in ("core.yaml", "1-core.yaml", "00_core.yaml", "00-core.yml", "30-old.yaml.off", "00-core.yaml~", ".00-hidden.yaml", "README", "abc-x.yaml"):
            conf.write(name, "this: is: not: yaml: [")
        os.mkdir(os.path.join(conf.dir, "subdirectory"))
        assert conf.check()[0] == 0, conf.check()
        shown = {o["setting"]: o for o in map(json.loads, conf.run("config", "show", "--json").stdout.splitlines())}
        assert shown["hostname"]["value"] == "one.test" and shown["hostname"]["origin"].endswith("00-core.yaml:2:3"), shown["hostname"]
        assert shown["queue.retry"]["value"] == ["1m"] and "20-routes.yaml:3" in shown["queue.retry"]["origin"], shown["queue.retry"]
        assert shown["queue.expire"]["value"] == "2d" and shown["queue.jitter"]["origin"] == "default", shown["queue.expire"]
        conf.write("60-twice.yaml", "core:\n  hostname: two.test\n")
        code, out = conf.check()
        assert code == 78 and re.search(r"60-twice\.yaml:2:3: .*twice.*00-core\.yaml:2:3", out), out
        os.remove(os.path.join(conf.dir, "60-twice.yaml"))
        conf.write("60-twice.yaml", "core:\n  queue: { retry: [2m] }\n")
        code, out = conf.check()
        assert code == 78 and "60-twice.yaml:2" in out and "20-routes.yaml:3" in out, out
        conf.write("60-twice.yaml", "core:\n  spool: /a\n  spool: /b\n")
        code, out = conf.check()
        assert code == 78 and re.search(r"60-twice\.yaml:3:3: .*60-twice\.yaml:2:3", out), out
    with Fragments() as conf:
        shutil.rmtree(conf.dir)
        assert conf.check()[0] == 78
    with Fragments(**{"00-core.yaml": "core: {}\n"}) as conf:
        os.mkdir(os.path.join(conf.dir, "10-directory.yaml"))
        assert conf.check()[0] == 78


def test_show_and_explain():
    with only_core("core:\n  hostname: shown.test\n  queue: { retry: [1s, 2m] }\n") as conf:
        text = conf.run("config", "show").stdout
        assert re.search(r"^hostname: shown\.test\s+# .*00-core\.yaml:2:3$", text, re.M), text[:500]
        assert re.search(r"^queue\.expire: 5d\s+# default$", text, re.M), text
        names = {json.loads(line)["setting"] for line in conf.run("config", "show", "--json").stdout.splitlines()}
        assert {"hostname", "spool", "listeners", "relay_networks", "queue.retry", "limits.message_size", "outbound.port"} <= names
        for name in sorted(names):
            done = conf.run("config", "explain", name)
            assert done.returncode == 0 and done.stdout.startswith(name + "\n") and "default: " in done.stdout, (name, done.stdout)
        defaults = {"limits.message_size": "50MiB", "limits.header_size": "1MiB", "limits.command_line": "2048", "limits.recipients": "1000", "limits.errors": "20",
                    "limits.connections": "10000", "limits.connections_per_client": "50", "outbound.port": "25", "outbound.idle": "500ms", "queue.retry": "[5m, 15m, 1h, 4h]",
                    "queue.expire": "5d", "queue.delay_warning": "4h", "relay_domains": "[]", "relay_networks": "[loopback]", "state": "/var/lib/veredus",
                    "spool": "/var/spool/veredus", "control": "/run/veredus/control", "limits.auth_line": "12288"}
        for name, value in defaults.items():
            assert f"default: {value}\n" in conf.run("config", "explain", name).stdout, (name, value, conf.run("config", "explain", name).stdout)
        done = conf.run("config", "explain", "hostnam")
        assert done.returncode != 0 and "did you mean 'hostname'" in done.stdout + done.stderr
        assert conf.run("config", "explain").returncode == 64


def test_the_packaged_fragment_is_good():
    with Fragments() as conf:
        shutil.copy(os.path.join(ROOT, "conf.d/00-core.yaml"), os.path.join(conf.dir, "00-core.yaml"))
        code, out = conf.check()
        assert code == 0, out


def test_a_user_that_does_not_exist():
    if not is_root():
        raise Skip("only root may change the user")
    daemon = Daemon({"user": "no-such-user"}, start=False)
    try:
        daemon.start(ready=False)
        code = daemon.process.wait(10)
        assert code in (67, 78) and "no-such-user" in daemon.tail(), (code, daemon.tail())
    finally:
        daemon.clean()


def test_reload_changes_all_or_nothing():
    with Daemon({"routes": UNREACHED}) as daemon, Smtp(daemon.port, source="127.0.0.2") as old:
        daemon.configure({"relay_networks": ["127.0.0.1/32"], "limits": {"recipients": 2}})
        with open(os.path.join(daemon.conf, "00-core.yaml"), "a", encoding="utf-8") as file:
            file.write("  nonsense: 1\n")
        done = daemon.run("reload")
        text = (done.stdout + done.stderr).decode()
        assert done.returncode == 78 and re.search(r"00-core\.yaml:\d+:3: unknown setting 'nonsense'", text), text
        daemon.wait_event("config.refused")
        answer = daemon.cmd("reload", json=True, code=78)[0]
        assert answer["ok"] is False and "nonsense" in answer["text"], answer
        with Smtp(daemon.port, source="127.0.0.2") as client:  # the old one is in force, whole
            client.hello()
            client.envelope(recipients=[f"r{i}@elsewhere.test" for i in range(4)])
        mark = daemon.mark()
        daemon.configure({})
        assert daemon.cmd("reload", json=True)[0]["ok"] is True
        daemon.wait_event("config.reloaded", after=mark)
        with Smtp(daemon.port, source="127.0.0.2") as client:
            client.hello()
            client.cmd("MAIL FROM:<a@client.test>", 250)
            client.cmd("RCPT TO:<b@elsewhere.test>", 550)
            assert [client.cmd(f"RCPT TO:<r{i}@example.test>").code for i in range(3)] == [250, 250, 452]
        old.hello()  # a session keeps working across reloads
        old.deliver(b"Subject: old session\r\n\r\nx\r\n")


def test_reload_by_sighup():
    with Sink() as sink, Daemon({"routes": UNREACHED, "queue": {"retry": ["300ms"]}}) as daemon:
        send_one(daemon.port)
        daemon.wait_event("destination.backoff")
        mark = daemon.mark()
        daemon.configure({"routes": routes_to(sink)})
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("config.reloaded", after=mark)
        sink.wait(1)  # mail that waits takes the new route
        mark = daemon.mark()
        daemon.write("99-bad.yaml", "core: [\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("config.refused", after=mark)
        send_one(daemon.port)
        sink.wait(2)
        os.remove(os.path.join(daemon.conf, "99-bad.yaml"))


def test_what_needs_a_restart_is_told():
    with Daemon({"routes": UNREACHED}) as daemon:
        old = daemon.port
        mark = daemon.mark()
        daemon.configure({"listeners": [{"address": f"127.0.0.1:{free_port()}", "role": "mx"}], "loops": 3})
        text = daemon.cmd("reload")
        assert "listeners" in text and "loops" in text, text
        daemon.wait_event("config.needs_restart", after=mark)
        assert send_one(old)
        daemon.restart()
        assert send_one(daemon.port)


def test_reload_under_load_loses_nothing():
    with Sink() as sink, Daemon({"routes": routes_to(sink)}) as daemon, Load(daemon.port, "--connections", "10", "--messages", "3000", "--pipelining", "--rcpt", "r%d@example.test") as load:
        reloads = 0
        while load.process.poll() is None and reloads < 200:
            daemon.configure({"limits": {"recipients": 100 + reloads}})
            daemon.cmd("reload")
            reloads += 1
        summary = load.wait()
        assert summary["acknowledged"] == 3000 and reloads > 3, (summary, reloads)
        sink.wait(3000, 30)
        assert sorted(sink.ids()) == sorted(load.acknowledged())


run_tests(globals())
