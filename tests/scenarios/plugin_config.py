#!/usr/bin/env python3
# What is known of plugins without running them: config check and show, plugin list, show, lint, order and new, enable and disable.
import contextlib
import json
import os
import shutil
import subprocess
import time

from lib_veredus import BUILD, VEREDUS, Daemon, FakeDns, Smtp, free_port, run_tests, work_dir

OBJECTS = os.path.join(BUILD, "core/plugin/test_plugins")
CORE = 'core: { state: STATE, control: STATE/control, listeners: [{ address: "127.0.0.1:PORT" }] }\n'


class Host:
    """A directory with conf.d, plugins and packaged fragments; no daemon."""

    def __init__(self, *plugins, **fragments):
        self.dir = work_dir()
        self.conf = os.path.join(self.dir, "conf.d")
        for name in ("conf.d", "plugins", "conf"):
            os.mkdir(os.path.join(self.dir, name))
        for name in plugins:
            self.add(name)
        self.write("conf.d/00-core.yaml", CORE.replace("STATE", self.dir).replace("PORT", str(free_port())))
        for name, text in fragments.items():
            self.write(f"conf.d/{name.replace('_', '-').removeprefix('f')}.yaml", text)

    def add(self, name):
        shutil.copy(os.path.join(OBJECTS, name + ".so"), os.path.join(self.dir, "plugins"))

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, *words, code=0, cwd=None):
        """Everything printed, the directory's name taken out of it."""
        env = {**os.environ, "VEREDUS_PLUGINS": os.path.join(self.dir, "plugins"), "VEREDUS_CONF": self.conf, "TMPDIR": self.dir}
        done = subprocess.run([VEREDUS, *words], capture_output=True, text=True, timeout=60, env=env, cwd=cwd or self.dir, check=False)
        text = (done.stdout + done.stderr).replace(self.dir, "")
        assert done.returncode == code, f"veredus {' '.join(words)}: exit {done.returncode}\n{text}"
        return text

    def json(self, *words):
        return [json.loads(line) for line in self.run("--json", *words).splitlines()]

    def fragments(self):
        return {name: open(os.path.join(self.conf, name), encoding="utf-8").read() for name in sorted(os.listdir(self.conf))}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def unchanged(host):
    before = host.fragments()
    yield
    assert host.fragments() == before, f"conf.d has changed\n{before}\n{host.fragments()}"


def test_check_finds_wrong_plugins_and_settings():
    with Host("good", f30_good="plugin: good\ndelay: 1h\n") as host:
        assert "the configuration is good" in host.run("config", "check")
        host.write("conf.d/30-good.yaml", "plugin: good\ndely: 5m\ncount: 1000\nrules: [{ weight: 2 }]\n")
        host.add("bad-crash")
        host.add("bad-abi")
        host.write("conf.d/40-crash.yaml", "plugin: bad-crash\n")
        host.write("conf.d/50-abi.yaml", "plugin: bad-abi\n")
        lines = host.run("config", "check", code=78).splitlines()
        starts = ["/conf.d/30-good.yaml:2:1: unknown setting 'dely' (did you mean 'delay'?)", "/conf.d/30-good.yaml:3:8: count: '1000' is out of range (-10 to 100)",
                  "/conf.d/30-good.yaml:4:9: 'sender' is missing", "/conf.d/40-crash.yaml:1:9: plugin 'bad-crash': ", "/conf.d/50-abi.yaml:1:9: plugin 'bad-abi': "]
        assert len(lines) == len(starts), lines
        for line, start in zip(lines, starts):
            assert line.startswith(start), (line, start)
        assert "signal 11" in lines[3] and "built for ABI 1.5, this host offers 1.0" in lines[4], lines


def test_check_names_unknown_plugins_and_double_ones():
    with Host("good", f30_good="plugin: goood\n") as host:
        assert host.run("config", "check", code=78) == "/conf.d/30-good.yaml:1:9: unknown plugin 'goood' (did you mean 'good'?)\n"
        host.write("conf.d/30-good.yaml", "plugin: good\n")
        host.write("conf.d/31-good.yaml", "plugin: good\n")
        assert "is enabled twice; the first is at /conf.d/30-good.yaml:1:9" in host.run("config", "check", code=78)
        host.write("conf.d/31-good.yaml", "plugin: good\ninstance: second\nisolation: process\n")
        assert "/conf.d/31-good.yaml:1:9: isolation: plugins cannot run in a process of their own yet" in host.run("config", "check", code=78)


def test_show_and_explain():
    with Host("good", f30_good="plugin: good\ndelay: 1h\npassword: hunter2\n") as host:
        text = host.run("config", "show")
        assert "good.delay: 1h " in text and "# /conf.d/30-good.yaml:2:8\n" in text, text
        assert "good.password: (hidden)" in text and "hunter2" not in text, text
        assert "good.count: -3 " in text and "hostname: " in text, text
        rows = {row["setting"]: row for row in host.json("config", "show")}
        assert rows["good.delay"]["value"] == "1h" and rows["good.on"]["value"] is True and rows["good.count"]["origin"] == "default", rows
        assert rows["good.password"]["value"] == "(hidden)", rows
        assert "type: a duration, 1s to 1d\n  default: 5m" in host.run("config", "explain", "good.delay")
        assert "good.rules[].sender" in host.run("config", "explain", "good.rules")
        assert "(did you mean 'delay'?)" in host.run("config", "explain", "good.dely", code=64)
        assert "there is no setting 'goood.delay'" in host.run("config", "explain", "goood.delay", code=64)


def test_list():
    with Host("good", "bad-hang", f30_good="plugin: good\ninstance: first\n", f40_gone="plugin: gone\n", f50_broken="plugin: [\n") as host:
        rows = {row["id"]: row for row in host.json("plugin", "list")}
        assert list(rows) == ["bad-hang", "gone", "good"], rows
        assert rows["good"]["enabled"] and rows["good"]["version"] == "1.2" and rows["good"]["fragments"][0]["instance"] == "first", rows
        assert not rows["bad-hang"]["enabled"] and "takes longer than" in rows["bad-hang"]["error"], rows
        assert rows["gone"]["enabled"] and "not found in" in rows["gone"]["error"], rows
    with Host("good") as host:
        line = host.run("plugin", "list")
        assert line.split() == ["good", "1.2", "not", "enabled", "Does", "nothing", "well."], line
    with Host() as host:
        assert host.run("--json", "plugin", "list") == ""


def test_show_plugin():
    with Host("good") as host:
        for word in ("good", "./plugins/good.so"):
            text = host.run("plugin", "show", word)
            for part in ("good 1.2\n  Does nothing well.\n", "ABI: 1.0\n", "  rcpt: order 5, on_fault next, may change recipients notes\n", "svc.table/1",
                         "  999: left out", "  veredus good stats [NAME]\n", "  delay: a duration, 1s to 1d; default 5m\n      How long to wait.\n"):
                assert part in text, (part, text)
        shown, = host.json("plugin", "show", "good")
        assert shown["hooks"][0] == {"stage": "rcpt", "order": 5, "may": ["recipients", "notes"], "content": False, "on_fault": "next", "known": True}, shown
        assert {s["key"]: s for s in shown["settings"]}["mode"]["bounds"] == "soft|hard", shown
        assert "there is no plugin 'godo'" in host.run("plugin", "show", "godo", code=64)
        host.write("text.so", "no object")
        assert "not a shared object (no ELF file)" in host.run("plugin", "show", "./text.so", code=65)
        assert "usage: " in host.run("plugin", "show", code=64)


def test_lint():
    with Host("good", "bad-exports", "bad-rights") as host:
        assert host.run("plugin", "lint", "plugins/good.so") == "plugins/good.so: good\n"
        assert "helpful_function" in host.run("plugin", "lint", "plugins/bad-exports.so", code=65)
        assert "the right 'body' does not exist at this stage" in host.run("plugin", "lint", "plugins/bad-rights.so", code=65)
        assert "No such file" in host.run("plugin", "lint", "plugins/none.so", code=65)


def test_order():
    with Host("good", "bad-exports", f50_good="plugin: good\ninstance: late\n", f20_good="plugin: good\ninstance: early\non_fault: reject\ntimeout: 3s\n") as host:
        host.write("conf.d/30-x.yaml", "plugin: bad-exports\n")
        rows = host.json("plugin", "order")
        assert [(r["stage"], r["position"], r["plugin"]) for r in rows] == [("connect", 1, "bad-exports"), ("rcpt", 1, "good/early"), ("rcpt", 2, "good/late")], rows
        assert rows[1]["on_fault"] == "reject" and rows[2]["on_fault"] == "next", rows
        text = host.run("plugin", "order")
        assert text.index("good/early") < text.index("good/late") and "timeout 3s" in text and "rcpt  (answers: next ok reject tempfail" in text, text
        host.write("conf.d/30-x.yaml", "plugin: bad-exports\nx: 1\n")
        assert "30-x.yaml:2:1: unknown setting 'x'" in host.run("plugin", "order", code=78)
    with Host() as host:
        assert host.run("plugin", "order") == "no plugin with hooks is enabled\n"


def test_enable_copies_the_packaged_fragment_and_disable_renames():
    with Host("good") as host:
        host.write("conf/30-good.yaml", "plugin: good\ndelay: 7m\n")
        text = host.run("enable", "good")
        assert "good is enabled by /conf.d/30-good.yaml, a copy of /conf/30-good.yaml; no daemon is running" in text, text
        assert host.fragments()["30-good.yaml"] == "plugin: good\ndelay: 7m\n"
        assert "already enabled by /conf.d/30-good.yaml" in host.run("enable", "good")
        host.write("conf.d/30-good.yaml", "plugin: good\ndelay: 8m\n")
        assert "good is disabled" in host.run("disable", "good")
        assert sorted(host.fragments()) == ["00-core.yaml", "30-good.yaml.off"], host.fragments()
        assert "already disabled" in host.run("disable", "good")
        assert "the configuration is good" in host.run("config", "check")
        host.run("enable", "good")
        assert host.fragments()["30-good.yaml"] == "plugin: good\ndelay: 8m\n", "the operator's settings are lost"
        assert "30-good.yaml.off" not in host.fragments()


HELPER = "core:\n  helpers:\n    - { name: good, command: [/bin/cat] }\n"


def test_a_helper_comes_and_goes_with_its_plugin():
    with Host("good") as host:
        host.write("conf/30-good.yaml", "plugin: good\n")
        host.write("conf/05-helper-good.yaml", HELPER)
        text = host.run("enable", "good")
        assert "30-good.yaml, a copy of /conf/30-good.yaml and /conf.d/05-helper-good.yaml, a copy of /conf/05-helper-good.yaml; no daemon" in text, text
        assert host.fragments()["05-helper-good.yaml"] == HELPER
        assert "already enabled by /conf.d/30-good.yaml" in host.run("enable", "good")
        host.write("conf.d/05-helper-good.yaml", HELPER.replace("/bin/cat", "/bin/tac"))
        text = host.run("disable", "good")
        assert "/conf.d/30-good.yaml and /conf.d/05-helper-good.yaml are now called .off" in text, text
        assert sorted(host.fragments()) == ["00-core.yaml", "05-helper-good.yaml.off", "30-good.yaml.off"], host.fragments()
        host.run("enable", "good")
        assert "/bin/tac" in host.fragments()["05-helper-good.yaml"], "the operator's settings are lost"
        os.remove(os.path.join(host.conf, "05-helper-good.yaml"))
        assert "good is enabled by /conf.d/05-helper-good.yaml, a copy" in host.run("enable", "good")  # what was missing is brought
        host.write("conf.d/40-good.yaml", "plugin: good\ninstance: b\n")
        host.run("disable", "good/b")
        assert "05-helper-good.yaml" in host.fragments(), "another instance still needs it"


def test_a_helper_that_the_administrator_has_named_is_enough():
    with Host("good", f10_mine=HELPER) as host:
        host.write("conf/30-good.yaml", "plugin: good\n")
        host.write("conf/05-helper-good.yaml", HELPER)
        host.run("enable", "good")
        assert sorted(host.fragments()) == ["00-core.yaml", "10-mine.yaml", "30-good.yaml"], host.fragments()
        host.run("disable", "good")
        assert "10-mine.yaml" in host.fragments()
        host.write("conf.d/10-mine.yaml", HELPER.replace("good", "another"))
        with unchanged(host):
            text = host.run("enable", "good", code=78)
            assert "/conf.d/10-mine.yaml:2:" in text and "where core.helpers is set already, add the entry" in text, text


def test_enable_and_disable_change_nothing_when_they_refuse():
    with Host("good", "bad-id") as host:
        with unchanged(host):
            assert "there is no plugin 'goood' in /plugins (did you mean 'good'?)" in host.run("enable", "goood", code=64)
            assert "brings no fragment; write one" in host.run("enable", "good", code=64)
            assert "no fragment enables a plugin 'good'" in host.run("disable", "good", code=64)
        host.write("conf/30-good.yaml", "plugin: good\ndelay: soon\n")
        host.write("conf/30-bad-id.yaml", "plugin: bad-id\n")
        with unchanged(host):
            text = host.run("enable", "good", code=78)
            assert "/conf.d/30-good.yaml:2:8: delay: 'soon' is not a duration" in text and "nothing was changed" in text, text
            assert "its id is 'another'" in host.run("enable", "bad-id", code=78)
        host.write("conf.d/40-good.yaml.off", "plugin: good\ninstance: b\nmode: medium\n")
        with unchanged(host):
            assert "40-good.yaml:3:7: mode: 'medium' is not one of soft, hard" in host.run("enable", "good", code=78)
        host.write("conf.d/40-good.yaml.off", "plugin: good\ninstance: b\n")
        host.write("conf.d/50-core.yaml", "core: { loops: many }\n")
        with unchanged(host):
            assert "50-core.yaml" in host.run("enable", "good", code=78)


def test_disable_refuses_what_others_need():
    with Host("good", f30_good="plugin: good\ninstance: users\n", f40_good="plugin: good\ninstance: asks\nusers: users\n") as host:
        with unchanged(host):
            assert "/conf.d/40-good.yaml:3:8: there is no table 'users'" in host.run("disable", "good/users", code=78)
        host.run("disable", "good/asks")
        assert sorted(host.fragments()) == ["00-core.yaml", "30-good.yaml", "40-good.yaml.off"], host.fragments()


@contextlib.contextmanager
def running(**fragments):
    """A daemon that knows the plugins of a host, and that host; `fragments` of conf.d."""
    with Host("good", "recorder") as host:
        files = {name.replace("_", "-").removeprefix("f") + ".yaml": text for name, text in fragments.items()}
        with Daemon(files=files, env={"VEREDUS_PLUGINS": os.path.join(host.dir, "plugins")}) as daemon:
            host.conf = daemon.conf
            yield host, daemon


def in_use(daemon):
    return sorted(row["plugin"] for row in daemon.cmd("plugin", "stats", json=True) if row["generations"])


def test_a_running_daemon_takes_what_is_enabled_and_disabled():
    with running() as (host, daemon):
        host.write("conf/30-good.yaml", "plugin: good\ndelay: 7m\n")
        text = host.run("enable", "good")
        assert "a copy of /conf/30-good.yaml; the daemon has reloaded" in text, text
        assert in_use(daemon) == ["good"] and daemon.events("plugin.started", plugin="good")
        host.write("conf/40-recorder.yaml", "plugin: recorder\nrefuse: eve@example.test\n")
        assert "the daemon has reloaded" in host.run("enable", "recorder")
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@example.test>", 250)
            client.cmd("RCPT TO:<eve@example.test>", 551)
            assert "the daemon has reloaded" in host.run("disable", "recorder")
            client.cmd("RCPT TO:<eve@example.test>", 551)  # a session keeps the plugins that it began with
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@example.test>", 250)
            client.cmd("RCPT TO:<eve@example.test>", 250)
        assert in_use(daemon) == ["good"], daemon.cmd("plugin", "stats")
        assert sorted(host.fragments()) == ["00-core.yaml", "30-good.yaml", "40-recorder.yaml.off"]


def test_a_helper_that_comes_wants_a_restart():
    with running() as (host, daemon):
        host.write("conf/30-good.yaml", "plugin: good\n")
        host.write("conf/05-helper-good.yaml", HELPER)
        text = host.run("enable", "good")
        assert "; restart the daemon, which starts the helper" in text and in_use(daemon) == [], text
        daemon.restart()
        assert in_use(daemon) == ["good"]
        daemon.wait_event("helper.started", helper="good")
        text = host.run("disable", "good")
        assert "the daemon has reloaded; its helper runs on, unused, until the daemon is restarted" in text and in_use(daemon) == [], text


def test_what_a_running_daemon_refuses_is_undone():
    with running(f30_good="plugin: good\n") as (host, daemon):
        host.write("conf/40-recorder.yaml", "plugin: recorder\nfail: true\n")  # its settings are good, and it refuses to start
        with unchanged(host):
            text = host.run("enable", "recorder", code=78)
            assert "40-recorder.yaml:2:7: told to fail" in text and "the daemon refused it: everything is as it was" in text, text
        daemon.write("40-recorder.yaml.off", "plugin: recorder\nfail: true\n")
        with unchanged(host):
            assert "everything is as it was" in host.run("enable", "recorder", code=78)
        assert in_use(daemon) == ["good"], daemon.cmd("plugin", "stats")
        daemon.cmd("reload")
        daemon.write("40-recorder.yaml.off", "plugin: recorder\n")
        assert "the daemon has reloaded" in host.run("enable", "recorder")
        assert in_use(daemon) == ["good", "recorder"]


def test_commands_of_plugins_are_listed():
    with Host("good") as host:
        text = host.run("help")
        assert "commands of plugins:\n  good stats [NAME]\n      Numbers.\n" in text, text
        assert "good stats\n" in host.run("completion")
        assert "unknown command" not in host.run("good", "stats", code=69)  # it is the daemon's, and none runs


def test_commands_run_without_daemon_and_configuration():
    with Host("offline") as host:
        shutil.rmtree(host.conf)
        text = host.run("offline", "echo", "--time", "86400", "a b", "", code=3)
        assert text == "hello\na b\n\ntime 86400, must unset\nto standard error\n", text
        assert "time 7, must" in host.run("--time", "7", "offline", "echo", code=3)
        assert "--time wants seconds" in host.run("offline", "echo", "--time=tomorrow", code=64)
        assert "--dns wants an address" in host.run("offline", "ask", "--dns", "nowhere", "a.test", code=64)
        assert host.run("offline", "later") == "now\nlater\n"
        assert host.run("offline", "ask", "", code=70) == "veredus: that is not a name\n"
        with FakeDns({"a.test": {"TXT": ["first", "second"]}, "b.test": "SERVFAIL"}) as dns:
            assert sorted(host.run("offline", "ask", "--dns", dns.address, "a.test").split()) == ["first", "second"]
            assert host.run("--dns", dns.address, "offline", "ask", "none.test") == ""
            host.run("offline", "ask", "b.test", f"--dns={dns.address}", code=69)
        assert "unknown command 'offline" in host.run("offline", "sing", code=64)
        assert not [name for name in os.listdir(host.dir) if name.startswith("veredus-offline-")], "a directory was left"


def test_a_command_that_hangs_ends_in_time():
    with Host("offline") as host:
        began = time.monotonic()
        assert "did not end within 20 s" in host.run("offline", "hang", code=75)
        assert time.monotonic() - began < 25


def test_new_refuses_bad_names_and_existing_directories():
    with Host() as host:
        for name in ("", "Hello", "../x", "a/b", "-x", "9x", "a" * 65, "a..b", "x-"):
            assert "is no name for a plugin" in host.run("plugin", "new", name, code=64), name
        os.mkdir(os.path.join(host.dir, "taken"))
        assert "./taken exists already" in host.run("plugin", "new", "taken", code=73)
        assert sorted(os.listdir(host.dir)) == ["conf", "conf.d", "plugins", "taken"]
        assert "usage: " in host.run("plugin", "new", code=64)


def test_new_fills_the_template():
    with Host() as host:
        assert "./hello-mail is a plugin" in host.run("plugin", "new", "hello-mail")
        names, texts = [], []
        for folder, _, files in os.walk(os.path.join(host.dir, "hello-mail")):
            for name in files:
                names.append(name)
                texts.append(open(os.path.join(folder, name), encoding="utf-8").read())
        assert "meson.build" in names and any("hello-mail" in text for text in texts), names
        assert not any("@NAME@" in text for text in names + texts), names


if __name__ == "__main__":
    run_tests(globals())
