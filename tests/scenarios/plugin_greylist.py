#!/usr/bin/env python3
# The plugin greylist: its scripts in the test host, then a real daemon: delays, fields, what is kept over a restart, the null sender.
import os
import subprocess

from lib_veredus import *  # noqa: F401,F403
from lib_base import BUILD, ROOT

TOOL = os.path.join(BUILD, "sdk/plugin-test/veredus-plugin-test")
FRAGMENT = "plugin: greylist\nexempt: []\n"


def run_scripts(name, mode):
    script = os.path.join(ROOT, "plugins", name, f"{name}.test.yaml")
    done = subprocess.run([TOOL, os.path.join(BUILD, "plugins", name, f"{name}.so"), script, "--mode", mode], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if not line.startswith("ok")) + done.stderr[-4000:]


def listing(hop, more="delay: 1s\n", **args):
    return Daemon({"routes": routes_to(hop)}, files={"25-greylist.yaml": FRAGMENT + more}, **args)


def rcpt(daemon, code, sender="u@a.test", recipient="b@example.test", source=None):
    with Smtp(daemon.port, source=source) as client:
        client.hello()
        client.cmd(f"MAIL FROM:<{sender}>", 250)
        return client.cmd(f"RCPT TO:<{recipient}>", code)


def passes(daemon, **args):
    """Tries until the delay is over."""

    def once():
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd(f"MAIL FROM:<{args.get('sender', 'u@a.test')}>", 250)
            return client.cmd(f"RCPT TO:<{args.get('recipient', 'b@example.test')}>").code == 250

    wait_until(once, 10, "the end of the delay", 0.1)


def test_scripts_strict():
    run_scripts("greylist", "strict")


def test_scripts_chaos():
    run_scripts("greylist", "chaos")


def test_a_first_try_is_put_off_and_a_later_one_delivered_with_its_delay():
    with Hop() as hop, listing(hop) as daemon:
        rcpt(daemon, "451 4.7.1 Unknown sender for this recipient, please try again in 1 seconds")
        passes(daemon)
        rcpt(daemon, "451 4.7.1", recipient="c@example.test")
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<u@a.test>", 250)
            wait_until(lambda: client.cmd("RCPT TO:<c@example.test>").code == 250, 10, "the end of the delay", 0.1)
            client.cmd("RCPT TO:<d@example.test>", "451 4.7.1")
            assert client.data(b"Subject: a\r\n\r\nb\r\n").code == 250
        arrived = hop.wait(1)[0]
        assert arrived.recipients == ["c@example.test"], arrived.recipients
        assert b"X-Greylist: delayed 1 seconds by mx.example.test\r\n" in arrived.octets, arrived.octets
        assert daemon.events("greylist.passed"), daemon.tail()


def test_what_passed_is_known_after_a_restart_and_other_networks_are_not():
    with Hop() as hop, listing(hop, "delay: 1s\nipv4_prefix: 32\n") as daemon:
        rcpt(daemon, "451 4.7.1")
        passes(daemon)
        daemon.restart()
        rcpt(daemon, 250)
        rcpt(daemon, "451 4.7.1", source="127.0.0.9")


def test_the_null_sender_waits_at_data():
    with Hop() as hop, listing(hop, "delay: 1h\n") as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.cmd("MAIL FROM:<>", 250)
        client.cmd("RCPT TO:<b@example.test>", 250)
        client.cmd("DATA", "451 4.7.1")


def test_exempt_are_recipients_and_changed_settings_hold_after_a_reload():
    with Hop() as hop, listing(hop, "delay: 1h\n") as daemon:
        rcpt(daemon, 250, recipient="postmaster@example.test")
        rcpt(daemon, "451 4.7.1")
        daemon.write("25-greylist.yaml", "plugin: greylist\nretry_window: 1m\ndelay: 2m\n")
        done = daemon.run("reload")
        assert done.returncode != 0 and b"retry_window must be longer than delay" in done.stdout + done.stderr, done
        daemon.write("25-greylist.yaml", "plugin: greylist\n")  # loopback is exempt
        daemon.cmd("reload")
        rcpt(daemon, 250)


if __name__ == "__main__":
    run_tests(globals())
