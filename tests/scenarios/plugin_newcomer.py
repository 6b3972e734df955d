#!/usr/bin/env python3
# What somebody does who has never written a plugin: the guide's "first plugin in ten minutes", word for word, and the mistakes on the way.
import os
import re
import subprocess

from lib_veredus import *  # noqa: F401,F403
from lib_base import BUILD, ROOT, VEREDUS, VEREDUSD

OLD_PLUGINS = os.path.join(BUILD, "core/plugin/test_plugins")


def guide_blocks():
    """The shell blocks of the guide's section: build it; try it in a daemon."""
    with open(os.path.join(ROOT, "sdk/README.md"), encoding="utf-8") as file:
        section = re.search(r"^## The first plugin.*?\n(.*?)^## ", file.read(), re.S | re.M)[1]
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, re.S | re.M)
    assert len(blocks) == 2 and blocks[1].count("veredusd &") == 1, blocks
    return blocks


class Newcomer:
    """An empty directory, and a shell with Veredus in its path and nothing else of this tree in its environment."""

    def __init__(self):
        self.dir = work_dir()
        bin_dir = os.path.join(self.dir, "bin")
        os.mkdir(bin_dir)
        for program in (VEREDUS, VEREDUSD):
            os.symlink(program, os.path.join(bin_dir, os.path.basename(program)))
        self.env = {"PATH": bin_dir + ":" + os.environ["PATH"], "HOME": self.dir, "PKG_CONFIG_PATH": os.path.join(BUILD, "sdk")}
        self.env.update({name: os.environ[name] for name in ("CC", "CXX", "LANG") if name in os.environ})

    def sh(self, script, code=0, **env):
        done = subprocess.run(["sh", "-euc", script], cwd=self.dir, env={**self.env, **env}, capture_output=True, text=True, timeout=300)
        text = done.stdout + done.stderr
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{script}\n{text}"
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


def field(sink, at):
    return [line for line in sink.wait(at + 1)[at].header.splitlines() if line.startswith("X-hello:")]


def test_the_first_plugin_in_ten_minutes():
    building, trying = guide_blocks()
    with Newcomer() as newcomer, Sink() as sink:
        text = newcomer.sh(building)
        assert "./hello is a plugin that builds" in text and re.search(r"Ok:\s+2", text), text
        assert "Adds a header field to every message" in text and "value: a text" in text.replace("any text", "a text"), text
        before, after = trying.split("veredusd &", 1)
        after = after.partition("\n")[2]
        plugins = newcomer.sh("cd hello\n" + before + 'echo "$VEREDUS_PLUGINS"').splitlines()[-1]
        assert plugins.startswith(os.path.join(newcomer.dir, "hello/build:")), plugins
        with Daemon({"routes": routes_to(sink)}, env={"VEREDUS_PLUGINS": plugins}) as daemon:
            send_one(daemon.port)
            assert field(sink, 0) == []
            enable, stats, disable = after.strip().splitlines()
            environment = {"VEREDUS_CONF": daemon.conf, "VEREDUS_PLUGINS": plugins}
            assert "the daemon has reloaded" in newcomer.sh(enable, **environment)
            send_one(daemon.port)
            assert field(sink, 1) == ["X-hello: seen"], sink.arrivals()[1].header
            assert re.search(r"message +1 calls .*next 1", newcomer.sh(stats, **environment)), newcomer.sh(stats, **environment)
            assert daemon.metrics()["veredus_plugin_hello_marked_total"] == 1, daemon.cmd("metrics")
            daemon.write("50-hello.yaml", "plugin: hello\nvalue: again\n")
            daemon.cmd("reload")
            send_one(daemon.port)
            assert field(sink, 2) == ["X-hello: again"]
            assert "the daemon has reloaded" in newcomer.sh(disable, **environment)
            send_one(daemon.port)
            assert field(sink, 3) == []


def refused(daemon, *parts, command=("reload",), code=78):
    """The command is refused with all these words, and mail goes on as before."""
    done = daemon.run(*command)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == code, f"exit {done.returncode}: {text}"
    for part in parts:
        assert part in text, (part, text)
    send_one(daemon.port)


def test_mistakes_are_told_with_their_place_and_change_nothing():
    with Sink() as sink, Daemon({"routes": routes_to(sink)}, files={"30-good.yaml": "plugin: good\n"}, env={"VEREDUS_PLUGINS": OLD_PLUGINS}) as daemon:
        daemon.write("30-good.yaml", "plugin: good\ndely: 5m\n")
        refused(daemon, "30-good.yaml:2:1: unknown setting 'dely' (did you mean 'delay'?)")
        daemon.write("30-good.yaml", "plugin: good\ndelay: soon\n")
        refused(daemon, "30-good.yaml:2:8: delay: 'soon' is not a duration")
        daemon.write("30-good.yaml", "plugin: goood\n")
        refused(daemon, "30-good.yaml:1:9: unknown plugin 'goood' (did you mean 'good'?)")
        daemon.write("30-good.yaml", "plugin: good\n")
        daemon.write("40-abi.yaml", "plugin: bad-abi\n")
        refused(daemon, "40-abi.yaml:1:9: plugin 'bad-abi': ", "built for ABI 1.5, this host offers 1.0")
        os.remove(os.path.join(daemon.conf, "40-abi.yaml"))
        refused(daemon, "there is no plugin 'goood'", "(did you mean 'good'?)", command=("enable", "goood"), code=64)
        daemon.cmd("reload")
        assert {row["plugin"] for row in daemon.cmd("plugin", "stats", json=True)} == {"good"}
        assert len(sink.wait(5)) == 5


def test_a_daemon_does_not_start_with_a_mistake():
    for text, said in {"plugin: nothing-such\n": "unknown plugin 'nothing-such'", "plugin: bad-abi\n": "built for ABI 1.5", "plugin: good\ncount: many\n": "30-x.yaml:2:8: count: "}.items():
        daemon = Daemon(files={"30-x.yaml": text}, env={"VEREDUS_PLUGINS": OLD_PLUGINS}, start=False)
        try:
            daemon.start(ready=False)
            assert daemon.process.wait(20) == 78 and said in daemon.tail(), daemon.tail()
        finally:
            daemon.clean()


if __name__ == "__main__":
    run_tests(globals())
