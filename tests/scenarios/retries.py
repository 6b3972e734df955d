#!/usr/bin/env python3
# Scenario: when it is tried again, for how long, and what administrators and restarts do to that.
import collections
import datetime
import time

from lib_delivery import Watched, assert_final, core_for, final, token
from lib_veredus import *

SLACK = 0.6  # seconds by which a busy machine may be late
EARLY = 0.05


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Timed(Watched):
    """A hop that refuses every recipient for now and notes when it was asked about whom."""

    def __init__(self, reply="450 4.2.1 busy", **options):
        self.asked = collections.defaultdict(list)
        self.reply = reply
        super().__init__(replies={"RCPT": self._note}, **options)

    def _note(self, _connection, line):
        self.asked[line.split("<")[1].split(">")[0]].append(time.time())
        return self.reply

    def wait_asked(self, recipient, count, timeout=15):
        wait_until(lambda: len(self.asked[recipient]) >= count, timeout, lambda: f"{count} attempts for {recipient}: {self.asked[recipient]}")
        return list(self.asked[recipient])


def gaps(times):
    return [later - earlier for earlier, later in zip(times, times[1:])]


def assert_gaps(times, wanted):
    got = gaps(times)
    assert len(got) >= len(wanted), got
    for gap, want in zip(got, wanted):
        assert want - EARLY <= gap <= want + SLACK, f"waited {got}, not {wanted}"


def only(daemon):
    """The one recipient of the one message in the queue."""
    queue = daemon.queue()
    assert len(queue) == 1 and len(queue[0]["recipients"]) == 1, queue
    return queue[0]["recipients"][0]


def test_schedule():
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue={"retry": ["300ms", "600ms", "1s"]})) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        assert_gaps(hop.wait_asked("a@to.test", 6), [0.3, 0.6, 1, 1, 1])
        events = daemon.events("recipient.deferred", recipient="a@to.test")
        assert [e["attempts"] for e in events][:5] == [1, 2, 3, 4, 5], events
        assert all(e["reply"].startswith("450 4.2.1 busy") for e in events)
        for event, asked in zip(events, hop.asked["a@to.test"][1:]):
            assert abs(seconds(event["next"]) - asked) < SLACK, "the time logged for the next attempt was not kept"
        hop.reply = "250 2.1.5 ok"
        event = assert_final(daemon, "a@to.test", "delivered")
        assert event["attempts"] == len(hop.asked["a@to.test"]), event


def test_jitter():
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue={"retry": ["10s"], "jitter": 50})) as daemon:
        for number in range(30):
            send_one(daemon.port, recipients=[f"r{number}@to.test"])
        wait_until(lambda: len(daemon.events("recipient.deferred")) == 30, 10, "30 deferrals")
        waits = [seconds(e["next"]) - seconds(e["time"]) for e in daemon.events("recipient.deferred")]
        assert all(4.9 <= wait <= 15.2 for wait in waits), waits
        assert max(waits) - min(waits) > 3, f"no jitter: {waits}"
        daemon.cmd("queue", "delete", "--older", "0s")


def test_expiry_by_time_not_by_requeue():
    queue = {"retry": ["1h"], "expire": "2s", "delay_warning": "0s"}
    with Timed() as hop, Hop() as back, Daemon(core_for(routes_to(hop), back=back, queue=queue)) as daemon:
        began = time.time()
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        event = assert_final(daemon, "a@to.test", "expired", "450 4.2.1 busy")
        age = time.time() - began
        assert 1.9 <= age <= 2 + 2 * SLACK, f"expired after {age:.1f} s"
        assert event["attempts"] == 1
        back.wait(1)


def test_expiry_at_a_dead_destination():
    """Nothing listens there: the item never had an attempt of its own, and expires all the same."""
    dead = free_port()
    queue = {"retry": ["500ms", "1h"], "expire": "2s", "expire_bounce": "2s"}
    with Daemon(core_for([{"match": "*", "to": [f"smtp://127.0.0.1:{dead}"]}], queue=queue)) as daemon:
        for number in range(5):
            send_one(daemon.port, sender="", recipients=[f"r{number}@to.test"])
        for number in range(5):
            assert_final(daemon, f"r{number}@to.test", "expired")


def test_expire_bounce_for_null_senders():
    queue = {"retry": ["300ms"], "expire": "1h", "expire_bounce": "1s"}
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue=queue)) as daemon:
        send_one(daemon.port, sender="", recipients=["null@to.test"])
        send_one(daemon.port, sender="a@from.test", recipients=["real@to.test"])
        assert_final(daemon, "null@to.test", "expired")
        assert only(daemon)["address"] == "real@to.test"
        assert daemon.events("bounce.suppressed", recipient="null@to.test")
        daemon.cmd("queue", "delete", "--older", "0s")


def test_delay_warning_survives_a_restart():
    queue = {"retry": ["300ms"], "delay_warning": "1s", "expire": "1h"}
    with Timed() as hop, Hop() as back, Daemon(core_for(routes_to(hop), back=back, queue=queue)) as daemon:
        send_one(daemon.port, sender="s@back.test", recipients=["a@to.test"])
        back.wait(1)
        wait_until(lambda: daemon.balance()[2] == 1, 5, "the report is delivered")
        daemon.restart()
        before = len(hop.asked["a@to.test"])
        hop.wait_asked("a@to.test", before + 6)  # more than another second
        assert len(back.messages) == 1, "the sender was told twice of the delay"
        hop.reply = "250 2.1.5 ok"
        assert_final(daemon, "a@to.test", "delivered")


def test_restart_keeps_attempts_and_times():
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue={"retry": ["300ms", "3s"]})) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        times = hop.wait_asked("a@to.test", 2)
        wait_until(lambda: only(daemon)["attempts"] == 2, 5, "two attempts recorded")
        before = only(daemon)
        daemon.restart()
        after = only(daemon)
        assert after["attempts"] == 2 and after["reply"] == before["reply"] and after["state"] == "queued", after
        assert abs(seconds(after["next"]) - seconds(before["next"])) < 0.1, (before, after)
        assert_gaps([times[1], hop.wait_asked("a@to.test", 3)[2]], [3])
        wait_until(lambda: only(daemon)["attempts"] == 3, 5, "three attempts recorded")


def test_kill9_keeps_attempts_and_times():
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue={"retry": ["3s"]})) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        times = hop.wait_asked("a@to.test", 1)
        wait_until(lambda: only(daemon)["attempts"] == 1, 5, "one attempt recorded")
        time.sleep(0.2)  # states are on stable storage 50 ms later; what is killed is not the machine
        daemon.kill9("all")
        daemon.start()
        assert only(daemon)["attempts"] == 1  # the next attempt is seconds away
        assert_gaps([times[0], hop.wait_asked("a@to.test", 2)[1]], [3])


def test_queue_retry_is_now():
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue={"retry": ["1h"]})) as daemon:
        queue_id = send_one(daemon.port, recipients=["a@to.test"])
        daemon.wait_event("recipient.deferred")
        hop.reply = "250 2.1.5 ok"
        daemon.cmd("queue", "retry", queue_id)
        assert_final(daemon, "a@to.test", "delivered", timeout=3)


def test_hold_and_release_while_retrying():
    queue = {"retry": ["300ms"], "expire": "2s"}
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue=queue)) as daemon:
        queue_id = send_one(daemon.port, recipients=["a@to.test"])
        hop.wait_asked("a@to.test", 1)
        daemon.wait_event("recipient.deferred")
        daemon.cmd("queue", "hold", queue_id)
        wait_until(lambda: only(daemon)["state"] == "held", 5, "the hold")
        asked = len(hop.asked["a@to.test"])
        daemon.restart()
        assert only(daemon)["state"] == "held", "a hold is kept over a restart"
        time.sleep(2.2)  # longer than expire: held messages make no attempts and do not age
        assert only(daemon)["state"] == "held" and len(hop.asked["a@to.test"]) == asked
        hop.reply = "250 2.1.5 ok"
        daemon.cmd("queue", "release", queue_id)
        assert_final(daemon, "a@to.test", "delivered")


def test_suspend_and_resume():
    with Timed() as hop, Timed("250 2.1.5 ok") as free, Daemon(
            core_for([*routes_to(free, match="free.test"), *routes_to(hop)], queue={"retry": ["300ms"]})) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        hop.wait_asked("a@to.test", 2)
        daemon.cmd("suspend", hop.hop)
        wait_until(lambda: daemon.events("queue.suspended"), 5, "the suspension")
        hop.reply = "250 2.1.5 ok"
        asked = len(hop.asked["a@to.test"])
        send_one(daemon.port, recipients=["new@to.test"])
        send_one(daemon.port, recipients=["a@free.test"])
        assert_final(daemon, "a@free.test", "delivered")
        time.sleep(0.8)  # two retries long
        assert len(hop.asked["a@to.test"]) <= asked + 1 and not hop.asked["new@to.test"], "attempts at a suspended destination"
        assert len(daemon.queue()) == 2
        daemon.cmd("resume", hop.hop)
        for recipient in ("a@to.test", "new@to.test"):
            assert_final(daemon, recipient, "delivered", timeout=4)


def test_backoff_of_one_destination_does_not_touch_another():
    dead = free_port()
    with Sink() as sink:
        routes = [{"match": "dead.test", "to": [f"smtp://127.0.0.1:{dead}"]}, *routes_to(sink)]
        with Daemon(core_for(routes, queue={"retry": ["1h"]})) as daemon:
            for number in range(50):
                send_one(daemon.port, recipients=[f"r{number}@dead.test"])
            daemon.wait_event("destination.backoff")
            for number in range(20):
                began = time.monotonic()
                send_one(daemon.port, recipients=[f"r{number}@good.test"])
                sink.wait(number + 1, 5)
                assert time.monotonic() - began < 1 + SLACK, "a dead destination delayed another"
            send_one(daemon.port, recipients=["mixed@dead.test", "mixed@good.test"])
            assert_final(daemon, "mixed@good.test", "delivered", timeout=3)
            assert len(daemon.queue("--domain", "dead.test")) == 51
            daemon.cmd("queue", "delete", "--older", "0s")


def test_dead_destination_is_probed_not_flooded():
    """Its backlog shares the attempts: one connection a round, and everything flows when it works again."""
    with Watched(replies={"BANNER": CLOSE}) as hop:
        with Daemon(core_for(routes_to(hop), queue={"retry": ["1s"]})) as daemon:
            for number in range(40):
                send_one(daemon.port, recipients=[f"r{number}@to.test"])
            wait_until(lambda: hop.connections >= 1, 5, "a first attempt")
            time.sleep(3.2)
            assert hop.connections <= 15, f"{hop.connections} connections in 3 s to a destination that closes them; retry is 1 s"
            assert hop.connections >= 3, f"{hop.connections} connections in 3 s"
            attempts = {r["attempts"] for m in daemon.queue() for r in m["recipients"]}
            assert min(attempts) >= 2, f"a failure of the destination is an attempt of every item that waits: {attempts}"
            hop.replies.clear()
            daemon.wait_empty(5)
            assert len(hop.messages) == 40
            assert daemon.events("destination.recovered")


def test_every_recipient_ends_once():
    replies = {"RCPT bad@to.test": "550 5.1.1 nobody", "RCPT slow@to.test": ["450 4.2.1 busy", "450 4.2.1 busy", "250 2.1.5 ok"],
               "RCPT old@to.test": "450 4.2.1 busy"}
    queue = {"retry": ["300ms"], "expire_bounce": "3s"}
    with Watched(replies=replies) as hop, Daemon(core_for(routes_to(hop), queue=queue)) as daemon:
        wanted = {"good": "delivered", "bad": "bounced", "slow": "delivered", "old": "expired"}
        ids = [send_one(daemon.port, sender="", recipients=[f"{name}@to.test" for name in wanted]) for _ in range(5)]
        removed = send_one(daemon.port, sender="", recipients=["old@to.test"])
        daemon.wait_event("recipient.deferred", id=removed)
        daemon.cmd("queue", "delete", removed)
        daemon.wait_empty()
        for queue_id in ids:
            ends = collections.Counter((e["recipient"], e["event"]) for e in daemon.events("recipient.*", id=queue_id)
                                       if e["event"][10:] in ("delivered", "bounced", "expired", "discarded", "removed"))
            assert ends == {(f"{name}@to.test", f"recipient.{state}"): 1 for name, state in wanted.items()}, ends
            order = [e["event"] for e in daemon.events(None, id=queue_id)]
            assert order.index("message.accepted") == 0 or order[0] == "message.accepted", order
            assert order.count("message.finished") == 1 and order[-1] == "message.finished", order
        event = final_of(daemon, removed)
        assert event["event"] == "recipient.removed" and event["by"], event
        assert daemon.balance() == (21, 21, 0), daemon.balance()


def final_of(daemon, queue_id):
    return [e for e in daemon.events("recipient.*", id=queue_id) if e["event"] not in ("recipient.deferred", "recipient.delayed")][0]


def test_reload_changes_the_schedule():
    with Timed() as hop, Daemon(core_for(routes_to(hop), queue={"retry": ["1s"]})) as daemon:
        send_one(daemon.port, recipients=["a@to.test"])
        hop.wait_asked("a@to.test", 1)
        daemon.wait_event("recipient.deferred")
        daemon.configure({"queue": {"retry": ["3s"], "jitter": 0}})
        daemon.cmd("reload")
        assert_gaps(hop.wait_asked("a@to.test", 3), [1, 3])


if __name__ == "__main__":
    run_tests(globals())
