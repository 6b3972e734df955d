#!/usr/bin/env python3
# Plugins in a running daemon: under load, across reloads, when they fail and when they misbehave.
import concurrent.futures
import os

from lib_veredus import *  # noqa: F401,F403
from lib_veredus import BUILD, Daemon, Load, Sink, Smtp, routes_to, run_tests, send_one, wait_until

PLUGINS = {"VEREDUS_PLUGINS": os.path.join(BUILD, "core/plugin/test_plugins")}


def daemon_with(sink, files, start=True):
    return Daemon({"routes": routes_to(sink)}, files=files, env=PLUGINS, start=start)


def test_reloading_settings_under_load_drops_nothing():
    files = {"30-next.yaml": "plugin: next\n", "40-recorder.yaml": "plugin: recorder\n", "50-serial.yaml": "plugin: recorder-serial\n"}
    with Sink() as sink, daemon_with(sink, files) as daemon:
        with Load(daemon.port, "--messages", "1500", "--connections", "20") as load:
            for i in range(6):
                at = 200 * (i + 1)
                wait_until(lambda: sink.count() >= at or load.process.poll() is not None, 60, f"{at} messages")  # pylint: disable=cell-var-from-loop
                daemon.write("40-recorder.yaml", f"plugin: recorder\nrefuse: nobody{i}@example.test\n")
                daemon.cmd("reload")
            load.wait()
            acknowledged = load.acknowledged()
        sink.wait(len(acknowledged), 60)
        assert sorted(sink.ids()) == sorted(acknowledged)
        assert len(acknowledged) == 1500
        daemon.wait_empty()
        wait_until(lambda: len(daemon.events("recorder.destroy")) == 6, 10, "the end of six generations")
        assert "X-Seen: " in sink.arrivals()[0].header


def test_a_plugin_that_fails_to_start_keeps_the_old_configuration():
    with Sink() as sink, daemon_with(sink, {"30-r.yaml": "plugin: recorder\nrefuse: eve@example.test\n"}) as daemon:
        daemon.write("30-r.yaml", "plugin: recorder\nfail: true\n")
        done = daemon.run("reload")
        assert done.returncode != 0 and b"30-r.yaml:2:7: told to fail" in done.stdout + done.stderr, done
        daemon.write("30-r.yaml", "plugin: recorder\nnonsense: 1\n")
        assert daemon.run("reload").returncode != 0
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@example.test>", 250)
            client.cmd("RCPT TO:<eve@example.test>", 551)
            client.cmd("RCPT TO:<ann@example.test>", 250)


def test_of_two_reloads_at_once_the_later_files_are_in_force():
    with Sink() as sink, Daemon({"routes": routes_to(sink), "loops": 2}, files={"30-r.yaml": "plugin: recorder\n"}, env=PLUGINS) as daemon:
        go = os.path.join(daemon.dir, "go")
        first = f"plugin: recorder\nrefuse: first@example.test\nhold_loop: {go}\n"
        second = "plugin: recorder\nrefuse: second@example.test\n"
        daemon.write("30-r.yaml", first)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            slow = pool.submit(daemon.run, "reload")
            daemon.wait_event("plugin.slow_start", plugin="recorder", function="shard_start")  # it hangs, and is named
            daemon.write("30-r.yaml", second)
            quick = pool.submit(daemon.run, "reload")
            with open(go, "w", encoding="ascii"):
                pass
            assert slow.result(30).returncode == 0 and quick.result(30).returncode == 0
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<a@example.test>", 250)
            client.cmd("RCPT TO:<second@example.test>", 551)
            client.cmd("RCPT TO:<first@example.test>", 250)


def test_a_plugin_that_fails_at_the_start_is_a_configuration_error():
    with Sink() as sink:
        daemon = daemon_with(sink, {"30-r.yaml": "plugin: recorder\nfail: true\n"}, start=False)
        try:
            daemon.start(ready=False)
            assert daemon.process.wait(20) == 78
            assert "30-r.yaml:2:7: told to fail" in daemon.events("plugin.failed")[0]["reason"]
        finally:
            daemon.clean()


def test_misbehaving_plugins_are_named_and_mail_goes_on():
    for how, said in {"nonsense": "an action that does not exist", "throws": "threw an exception", "slow": "", "leaks": "", "wrong_thread": "thread"}.items():
        files = {"30-m.yaml": f"plugin: misbehave\non_fault: next\nhow: {how}\n"}
        with Sink() as sink:
            daemon = daemon_with(sink, files)
            try:
                send_one(daemon.port)
                sink.wait(1)
                if said:
                    event = daemon.wait_event("plugin.misbehaved", plugin="misbehave")
                    assert said in event["reason"], event
                if how == "slow":
                    daemon.wait_event("hook.slow", plugin="misbehave", stage="rcpt")
                if how == "leaks":
                    daemon.stop()
                    assert daemon.events("plugin.leaked_views", plugin="misbehave")
            finally:
                daemon.clean()


def test_numbers_of_plugins_are_shown():
    with Sink() as sink, daemon_with(sink, {"30-next.yaml": "plugin: next\n"}) as daemon:
        send_one(daemon.port)
        sink.wait(1)
        daemon.wait_empty()
        text = daemon.cmd("plugin", "stats")
        assert "next: generation 1" in text and "rcpt" in text, text
        rows = {row.split()[0] for row in text.splitlines()[1:]}
        assert {"connect", "helo", "mail", "rcpt", "data", "message", "queued", "route", "attempt", "result"} <= rows
        assert {row["stage"]: row["calls"] for row in daemon.cmd("plugin", "stats", "next", json=True)[0]["stages"]}["rcpt"] == 1
        assert daemon.run("plugin", "stats", "nobody").returncode != 0
        assert daemon.metrics()['veredus_plugin_calls_total{plugin="next",stage="rcpt"}'] == 1


run_tests(globals())
