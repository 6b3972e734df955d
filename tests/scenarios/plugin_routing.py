#!/usr/bin/env python3
# The plugin routing in a real daemon: next hops by envelope, header and table, fail-over, copies with fields of their own, the router.
import json
import os

from lib_veredus import *  # noqa: F401,F403


def routing(settings, *fallback, table=None):
    """A daemon that is not started, with the plugin and perhaps the table `boxes`."""
    daemon = Daemon({"routes": routes_to(*fallback), "relay_domains": [".test"], "queue": {"retry": ["300ms"]}}, start=False)
    if table is not None:
        path = os.path.join(daemon.dir, "boxes")
        with open(path, "w", encoding="utf-8") as file:
            file.write("".join(f'"{key}" "{value}"\n' for key, value in table.items()))
        daemon.write("60-table-file.yaml", f"plugin: table-file\ninstance: boxes\nfile: {json.dumps(path)}\n")
    daemon.write("50-routing.yaml", "plugin: routing\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))
    return daemon


def took(hop):
    return sorted(recipient for message in hop.messages for recipient in message.recipients)


def test_recipients_go_where_the_rules_say():
    with Hop() as first, Hop() as second, Hop() as rest:
        dead = f"smtp://127.0.0.1:{free_port()}"
        rules = [
            {"name": "one", "when": {"recipient": "@a.test"}, "to": [dead, first.hop]},
            {"name": "two", "when": {"header": {"name": "List-Id", "present": True}}, "to": second.hop},
        ]
        with routing({"rules": rules}, rest) as daemon:
            daemon.start()
            send_one(daemon.port, recipients=["1@a.test", "2@b.test"])
            send_one(daemon.port, recipients=["3@a.test", "4@b.test"], message=b"List-Id: <x>\r\n\r\nbody\r\n")
            wait_until(lambda: sum(len(took(hop)) for hop in (first, second, rest)) == 4, 20, lambda: f"all four\n{daemon.tail()}")
            assert (took(first), took(second), took(rest)) == (["1@a.test", "3@a.test"], ["4@b.test"], ["2@b.test"])


def test_a_table_routes_and_refuses():
    with Hop() as hop, Hop() as rest:
        table = {"a@a.test": hop.hop, "gone@a.test": "reject 5.1.6 Moved to b@c.test", "busy@a.test": "defer", "odd@a.test": "nonsense"}
        with routing({"rules": [{"name": "boxes", "table": {"name": "boxes"}}]}, rest, table=table) as daemon:
            daemon.start()
            with Smtp(daemon.port) as client:
                client.hello()
                client.cmd("MAIL FROM:<x@x.test>", 250)
                client.cmd("RCPT TO:<gone@a.test>", "550 5.1.6 Moved to b@c.test")
                client.cmd("RCPT TO:<busy@a.test>", "451 4.2.1")
                client.cmd("RCPT TO:<odd@a.test>", "451 4.3.0")
                client.cmd("RCPT TO:<a@A.test>", 250)
                client.cmd("RCPT TO:<other@a.test>", 250)
                assert client.data(b"Subject: a\r\n\r\nb\r\n").code == 250
            hop.wait(1), rest.wait(1)
            assert took(rest) == ["other@a.test"] and len(took(hop)) == 1
            daemon.wait_event("routing.undecided", rule="boxes")


def test_split_recipients_have_a_copy_of_their_own():
    rules = [{"name": "gold", "when": {"recipient": "@gold.test"}, "tenant": "gold", "priority": 90, "split": True}]
    with Hop() as hop, routing({"rules": rules}, hop) as daemon:
        daemon.start()
        send_one(daemon.port, recipients=["1@gold.test", "2@other.test", "3@gold.test"])
        wait_until(lambda: len(took(hop)) == 3, 20, lambda: f"three recipients\n{daemon.tail()}")
        daemon.wait_empty()
        ids = {e["recipient"]: e["id"] for e in daemon.events("recipient.delivered")}
        assert ids["1@gold.test"] == ids["3@gold.test"] != ids["2@other.test"], ids


def test_the_router_is_asked_by_a_route():
    with Hop() as hop:
        settings = {"router": {"table": {"name": "boxes"}, "missing": "reject Nobody of that name"}}
        with routing(settings, "router:routing", table={"a@a.test": hop.hop}) as daemon:
            daemon.start()
            send_one(daemon.port, sender="", recipients=["a@a.test"])
            send_one(daemon.port, sender="", recipients=["none@a.test"])
            hop.wait(1)
            daemon.wait_event("recipient.bounced", recipient="none@a.test", timeout=20)


run_tests(globals())
