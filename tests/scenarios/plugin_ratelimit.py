#!/usr/bin/env python3
# The plugin ratelimit: its scripts in the test host, then a real daemon: buckets of all loops, refills, marks, octets, restarts.
import json

from lib_veredus import *  # noqa: F401,F403
from plugin_greylist import run_scripts


def limits(*all_limits):
    return "plugin: ratelimit\nlimits: " + json.dumps(all_limits) + "\n"


def limited(hop, *all_limits, **args):
    return Daemon({"routes": routes_to(hop)}, files={"20-ratelimit.yaml": limits(*all_limits)}, **args)


def mail(daemon, code, sender="u@a.test", source=None):
    with Smtp(daemon.port, source=source) as client:
        client.hello()
        return client.cmd(f"MAIL FROM:<{sender}>", code)


def test_scripts_strict():
    run_scripts("ratelimit", "strict")


def test_scripts_chaos():
    run_scripts("ratelimit", "chaos")


def test_messages_are_counted_over_loops_and_restarts():
    with Hop() as hop, limited(hop, {"name": "m", "what": "messages", "rate": "3/1h"}) as daemon:
        for _ in range(3):
            mail(daemon, 250)
        mail(daemon, "451 4.7.1 Too many messages within a short time, try again in 1")
        mail(daemon, 250, source="127.0.0.9")
        daemon.restart()
        mail(daemon, "451 4.7.1")
        daemon.write("20-ratelimit.yaml", limits({"name": "m", "what": "messages", "rate": "seldom"}))
        assert daemon.run("reload").returncode != 0
        daemon.write("20-ratelimit.yaml", limits())
        daemon.cmd("reload")
        mail(daemon, 250)


def test_a_bucket_is_refilled():
    with Hop() as hop, limited(hop, {"name": "m", "what": "messages", "rate": "1/1s", "per": "sender"}) as daemon:
        mail(daemon, 250)
        mail(daemon, 250, sender="v@a.test")

        def once():
            with Smtp(daemon.port) as client:
                client.hello()
                return client.cmd("MAIL FROM:<u@a.test>").code == 250

        wait_until(once, 10, "a token", 0.1)


def test_connections_are_closed_and_recipients_refused():
    with Hop() as hop, limited(
        hop,
        {"name": "c", "what": "connections", "rate": "2/1h", "over": "disconnect", "when": {"client": "127.0.0.7"}},
        {"name": "r", "what": "recipients", "per": "recipient_domain", "rate": "1/1h", "over": "reject", "reply": "Enough, {seconds}"},
    ) as daemon:
        for _ in range(2):
            with Smtp(daemon.port, source="127.0.0.7") as client:
                assert client.banner.code == 220
        with Smtp(daemon.port, source="127.0.0.7") as client:
            assert client.banner.text.startswith("421 4.7.0 Too many connections"), client.banner
        with Smtp(daemon.port) as client:
            client.hello()
            client.cmd("MAIL FROM:<u@a.test>", 250)
            client.cmd("RCPT TO:<b@example.test>", 250)
            client.cmd("RCPT TO:<c@example.test>", "550 5.7.1 Enough, 3")


def test_octets_are_counted_at_the_end_of_a_message():
    with Hop() as hop, limited(hop, {"name": "o", "what": "octets", "rate": "20KiB/1h"}) as daemon, Smtp(daemon.port) as client:
        client.hello()
        client.deliver(b"Subject: large\r\n\r\n" + b"line of text\r\n" * 1600)
        client.envelope()
        assert client.data(b"Subject: small\r\n\r\nb\r\n").text.startswith("451 4.7.1 Too many octets")
        hop.wait(1)


if __name__ == "__main__":
    run_tests(globals())
