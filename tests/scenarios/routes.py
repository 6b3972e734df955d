#!/usr/bin/env python3
# Scenario: which next hop mail takes: patterns, order, balance, fail-over, smarthosts, fallback, LMTP, and routes that change.
import time

from lib_delivery import Watched, assert_final, core_for, token
from lib_veredus import *


def send_to(daemon, *recipients):
    for recipient in recipients:
        send_one(daemon.port, sender="", recipients=[recipient])
        assert_final(daemon, recipient, "delivered")


def took(hop):
    return [r for message in hop.messages for r in message.recipients]


def test_patterns_and_order():
    with Hop() as exact, Hop() as below, Hop() as deeper, Hop() as rest:
        routes = [*routes_to(exact, match="a.test"), *routes_to(deeper, match=".x.a.test"), *routes_to(below, match=".a.test"),
                  *routes_to(rest, match="*"), *routes_to(exact, match="never.test")]
        with Daemon(core_for(routes)) as daemon:
            send_to(daemon, "1@a.test", "2@A.TEST", "3@b.a.test", "4@c.b.a.test", "5@q.x.a.test", "6@x.a.test", "7@ba.test", "8@never.test", "9@test")
            assert took(exact) == ["1@a.test", "2@A.TEST"], took(exact)
            assert took(below) == ["3@b.a.test", "4@c.b.a.test", "6@x.a.test"], took(below)
            assert took(deeper) == ["5@q.x.a.test"], took(deeper)
            assert took(rest) == ["7@ba.test", "8@never.test", "9@test"], took(rest)


def test_one_message_over_several_routes():
    with Hop() as one, Hop() as two, Sink("--lmtp", unix=True) as lists:
        routes = [*routes_to(one, match="one.test"), *routes_to(two, match="two.test"), *routes_to(lists, match=".lists.test")]
        with Daemon(core_for(routes)) as daemon:
            recipients = ["a@one.test", "b@two.test", "c@one.test", "d@x.lists.test"]
            send_one(daemon.port, recipients=recipients)
            daemon.wait_empty()
            assert sorted(took(one)) == ["a@one.test", "c@one.test"] and took(two) == ["b@two.test"]
            assert lists.wait(1)[0].recipients == ["d@x.lists.test"]


def test_fail_over_in_order():
    dead = f"smtp://127.0.0.1:{free_port()}"
    with Hop() as second, Hop() as third, Daemon(core_for([{"match": "*", "to": [dead, second.hop, third.hop]}], outbound={"idle": "0s"})) as daemon:
        for number in range(5):
            send_to(daemon, f"r{number}@to.test")
        assert len(second.messages) == 5 and not third.messages, "the first that works takes it"
        second.replies["BANNER"] = "421 4.3.2 going down"
        send_to(daemon, "moved@to.test")
        assert took(third) == ["moved@to.test"]
        assert not daemon.events("recipient.deferred") and not daemon.events("destination.backoff")


def test_fail_over_while_talking():
    """A next hop that dies before it has decided passes the message to the next one."""
    with Hop(replies={"MAIL": CLOSE}) as first, Hop() as second, Daemon(core_for(routes_to(first, second))) as daemon:
        send_to(daemon, "a@to.test")
        assert took(second) == ["a@to.test"] and not daemon.events("recipient.deferred")


def test_refusals_do_not_fail_over():
    """What one next hop says about a recipient holds; only its absence makes us ask another."""
    with Hop(replies={"RCPT": "550 5.1.1 nobody"}) as first, Hop() as second, Daemon(core_for(routes_to(first, second))) as daemon:
        send_one(daemon.port, sender="", recipients=["a@to.test"])
        assert_final(daemon, "a@to.test", "bounced", "550 5.1.1")
        assert not second.commands


def test_balance():
    with Hop() as one, Hop() as two, Hop() as three:
        core = core_for([{"match": "*", "to": [[one.hop, two.hop, three.hop]]}], outbound={"messages_per_connection": 1})
        with Daemon(core) as daemon:
            for number in range(45):
                send_one(daemon.port, recipients=[f"r{number}@to.test"])
            daemon.wait_empty()
            counts = [len(hop.messages) for hop in (one, two, three)]
            assert sum(counts) == 45 and min(counts) >= 6, counts
            two.stop()
            for number in range(20):
                send_to(daemon, f"later{number}@to.test")
            assert len(one.messages) + len(three.messages) == sum(counts) + 20 - counts[1]
            assert not daemon.events("recipient.deferred"), "a member of a balanced group that is down delays nothing"


def test_balanced_group_then_reserve():
    dead = [f"smtp://127.0.0.1:{free_port()}" for _ in range(2)]
    with Hop() as reserve, Daemon(core_for([{"match": "*", "to": [dead, reserve.hop]}])) as daemon:
        send_to(daemon, "a@to.test", "b@to.test")
        assert len(reserve.messages) == 2


def test_smarthost_by_name():
    """smtp://NAME uses addresses only, and no MX of the recipient's domain is looked up."""
    with Hop() as hop, FakeDns({"relay.hosts.test": {"A": ["127.0.0.1"], "MX": [(10, "other.test")]}}) as dns:
        with Daemon(core_for([{"match": "*", "to": [f"smtp://relay.hosts.test:{hop.port}"]}], dns=dns)) as daemon:
            send_to(daemon, "a@one.test", "b@two.test")
            assert sorted(took(hop)) == ["a@one.test", "b@two.test"]
            assert not any(kind == "MX" for _, kind, _ in dns.queries), dns.queries


def test_smarthost_that_is_missing_in_dns_is_waited_for():
    with Hop() as hop, FakeDns({}) as dns:
        with Daemon(core_for([{"match": "*", "to": [f"smtp://relay.hosts.test:{hop.port}"]}], dns=dns)) as daemon:
            send_one(daemon.port, sender="", recipients=["a@one.test"])
            daemon.wait_event("destination.backoff")
            assert not daemon.events("recipient.bounced"), "a mistake in our configuration is no reason to bounce"
            dns.records["relay.hosts.test"] = {"A": ["127.0.0.1"]}
            assert_final(daemon, "a@one.test", "delivered")


def test_mx_of_another_domain():
    with Hop() as hop, FakeDns({"provider.test": {"MX": [(10, "mx.hosts.test")]}, "mx.hosts.test": {"A": ["127.0.0.1"]}}) as dns:
        routes = [{"match": ".customer.test", "to": ["mx:provider.test"]}]
        with Daemon(core_for(routes, dns=dns, outbound={"port": hop.port})) as daemon:
            send_to(daemon, "a@one.customer.test", "b@two.customer.test")
            assert len(took(hop)) == 2 and not dns.asked("one.customer.test")


def test_no_route_means_mx():
    with Hop() as hop, Hop() as routed, FakeDns({"plain.test": {"MX": [(10, "mx.hosts.test")]}, "mx.hosts.test": {"A": ["127.0.0.1"]}}) as dns:
        with Daemon(core_for(routes_to(routed, match="routed.test"), dns=dns, outbound={"port": hop.port})) as daemon:
            send_to(daemon, "a@plain.test", "b@routed.test")
            assert took(hop) == ["a@plain.test"] and took(routed) == ["b@routed.test"]


def test_fallback():
    dead, outbound = f"smtp://127.0.0.1:{free_port()}", {}
    with Hop() as fallback, FakeDns({"null.test": {"MX": [(0, "")]}, "broken.test": "SERVFAIL"}) as dns, Hop(replies={"RCPT": "450 4.2.1 busy"}) as busy:
        outbound = {"fallback": [fallback.hop]}
        routes = [{"match": "dead.test", "to": [dead]}, *routes_to(busy, match="busy.test")]
        with Daemon(core_for(routes, dns=dns, outbound=outbound)) as daemon:
            send_to(daemon, "a@dead.test", "b@broken.test")
            assert took(fallback) == ["a@dead.test", "b@broken.test"]
            for domain, reply in (("null.test", "556 5.1.10"), ("gone.test", "550 5.1.2")):
                send_one(daemon.port, sender="", recipients=[f"c@{domain}"])
                assert_final(daemon, f"c@{domain}", "bounced", reply)
            send_one(daemon.port, sender="", recipients=["d@busy.test"])
            daemon.wait_event("recipient.deferred", recipient="d@busy.test")
            assert len(fallback.messages) == 2, "the fallback is for next hops that fail, not for what they say"
            daemon.cmd("queue", "delete", "--older", "0s")


def test_lmtp_routes():
    with Sink("--lmtp") as tcp, Sink("--lmtp", unix=True) as unix, Watched() as smtp:
        routes = [*routes_to(tcp, match="tcp.test"), *routes_to(unix, match="unix.test"), *routes_to(smtp)]
        with Daemon(core_for(routes)) as daemon:
            send_to(daemon, "a@tcp.test", "a@unix.test", "a@smtp.test")
            assert tcp.count() == unix.count() == len(smtp.messages) == 1
            assert smtp.lines("EHLO") and not smtp.lines("LHLO")


def test_smarthost_that_is_ourselves():
    port = free_port()
    core = core_for([{"match": "*", "to": [f"smtp://127.0.0.1:{port}"]}], listeners=[{"address": f"127.0.0.1:{port}", "role": "mx"}])
    with Daemon(core) as daemon:
        send_one(daemon.port, sender="", recipients=["a@to.test"])
        assert_final(daemon, "a@to.test", "bounced", "550 5.4.6")
        assert daemon.events("destination.loop") and len(daemon.events("message.accepted")) == 1


def test_two_daemons_in_a_circle_end():
    """Each sends everything to the other: the message ends by its Received fields, with one report at most."""
    ports = [free_port(), free_port()]

    def core(mine):
        return core_for([{"match": "*", "to": [f"smtp://127.0.0.1:{ports[1 - mine]}"]}], hostname=f"mx{mine}.example.test",
                        listeners=[{"address": f"127.0.0.1:{ports[mine]}", "role": "mx"}], limits={"received_hops": 10})

    with Daemon(core(0)) as one, Daemon(core(1)) as two:
        send_one(one.port, sender="", recipients=["a@to.test"])
        wait_until(lambda: one.events("recipient.bounced") or two.events("recipient.bounced"), 20, "the end of the loop")
        for daemon in (one, two):
            daemon.wait_empty()
        accepted = len(one.events("message.accepted")) + len(two.events("message.accepted"))
        assert 8 <= accepted <= 13, f"{accepted} rounds with received_hops 10"
        assert (one.events("message.loop") + two.events("message.loop")), "a loop is logged"
        reply = (one.events("recipient.bounced") + two.events("recipient.bounced"))[0]["reply"]
        assert "5.4.6" in reply, reply


def test_reload_moves_waiting_mail():
    dead = f"smtp://127.0.0.1:{free_port()}"
    with Hop() as hop, Daemon(core_for([{"match": "*", "to": [dead]}], queue={"retry": ["1h"]})) as daemon:
        send_one(daemon.port, sender="", recipients=["a@to.test"])
        daemon.wait_event("destination.backoff")
        daemon.configure({"routes": routes_to(hop)})
        daemon.cmd("reload")
        daemon.cmd("queue", "retry", "--older", "0s")
        assert_final(daemon, "a@to.test", "delivered")


def test_restart_with_new_routes():
    dead = f"smtp://127.0.0.1:{free_port()}"
    with Hop() as hop, Daemon(core_for([{"match": "*", "to": [dead]}], queue={"retry": ["1s"]})) as daemon:
        for number in range(5):
            send_one(daemon.port, sender="", recipients=[f"r{number}@to.test"])
        daemon.wait_event("destination.backoff")
        daemon.stop()
        daemon.configure({"routes": routes_to(hop)})
        daemon.start()
        daemon.wait_empty()
        assert len(hop.messages) == 5


if __name__ == "__main__":
    run_tests(globals())
