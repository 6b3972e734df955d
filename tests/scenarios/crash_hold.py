#!/usr/bin/env python3
# A message that is in hand whenever the worker crashes is held after the third time, so that it cannot stop everybody's mail.
import os
import signal

from lib_base import run_tests, wait_until
from lib_hop import STALL, Hop
from lib_veredus import Daemon, routes_to
from lib_smtp import send_one


def crash_with_mail_in_hand(daemon, hop, number):
    """Waits until the hop has the transaction, then ends the worker; returns when the next one is ready."""
    began = hop.connections
    wait_until(lambda: "MAIL" in " ".join(str(c) for c in hop.commands), 15, "the transaction")
    hop.commands.clear()
    old = daemon.worker_pid()
    mark = daemon.mark()
    os.kill(old, number)
    daemon.wait_event("worker.ready", timeout=30, after=mark)
    return began


def test_held_after_three_crashes():
    with Hop({"DOT": STALL, "MAIL": STALL}) as hop, Daemon({"routes": routes_to(hop), "queue": {"retry": ["1s"]}}) as daemon:
        queue_id = send_one(daemon.port)
        for _ in range(3):
            crash_with_mail_in_hand(daemon, hop, signal.SIGABRT)
        held = wait_until(lambda: next((m for m in daemon.queue() if "crash" in m["recipients"][0]["reply"]), None), 5, "the reason")
        assert held["id"] == queue_id and held["recipients"][0]["state"] == "held", held
        daemon.wait_event("message.held", id=queue_id)
        hop.replies.clear()
        daemon.cmd("queue", "release", queue_id)
        wait_until(lambda: len(hop.messages) == 1, 15, "the released message")
        daemon.wait_empty()


def test_a_killed_worker_is_nobodys_fault():
    with Hop({"MAIL": STALL}) as hop, Daemon({"routes": routes_to(hop), "queue": {"retry": ["1s"]}}) as daemon:
        send_one(daemon.port)
        for _ in range(3):
            crash_with_mail_in_hand(daemon, hop, signal.SIGKILL)
        assert daemon.queue()[0]["recipients"][0]["state"] == "queued"
        hop.replies.clear()
        daemon.restart()
        daemon.wait_empty()


run_tests(globals())
