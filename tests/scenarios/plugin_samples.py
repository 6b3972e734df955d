#!/usr/bin/env python3
# The samples in a real daemon: tag, written in C, and subject-guard, written in Rust, side by side.
import os

from lib_veredus import *  # noqa: F401,F403
from lib_base import BUILD, Skip

SAMPLES = os.path.join(BUILD, "sdk/samples")


def sampled(sink, **files):
    for name in ("tag", "subject-guard"):
        if not os.path.exists(os.path.join(SAMPLES, name + ".so")):
            raise Skip(f"{name} is not built (no rustc?)")
    return Daemon({"routes": routes_to(sink)}, files={name.replace("_", "-")[1:] + ".yaml": text for name, text in files.items()}, env={"VEREDUS_PLUGINS": SAMPLES})


def counts(arrivals):
    return sorted(line for one in arrivals for line in one.header.splitlines() if line.startswith("X-Sender-Count: "))


def test_the_c_sample_counts_and_its_counters_survive_a_restart():
    with Sink() as sink, sampled(sink, f40_tag="plugin: tag\n") as daemon:
        for sender in ("a@one.test", "b@one.test", "c@two.test", ""):
            send_one(daemon.port, sender=sender)
        assert counts(sink.wait(4)) == ["X-Sender-Count: one.test 1", "X-Sender-Count: one.test 2", "X-Sender-Count: two.test 1"]
        assert daemon.metrics()["veredus_plugin_tag_counted_total"] == 3
        daemon.wait_empty()
        daemon.restart()
        send_one(daemon.port, sender="a@one.test")
        assert "X-Sender-Count: one.test 3" in counts(sink.wait(5))
        daemon.write("40-tag.yaml", "plugin: tag\nheader: X-Sender-Count\nlifetime: 10s\n")
        daemon.cmd("reload")
        send_one(daemon.port, sender="a@one.test")
        assert "X-Sender-Count: one.test 4" in counts(sink.wait(6))


def test_the_rust_sample_refuses_and_exempts():
    guard = "plugin: subject-guard\nwords: [free offer, ümlaut]\nexempt: [friend.test]\n"
    with Sink() as sink, sampled(sink, f40_guard=guard) as daemon, Smtp(daemon.port) as client:
        client.hello()
        for subject in (b"=?utf-8?q?A_Free_?= =?utf-8?b?T2ZmZXI=?=", b"A FREE\r\n offer"):
            client.envelope(sender="a@foe.test")
            assert client.data(b"Subject: " + subject + b"\r\n\r\nbody\r\n").code == 550
        client.deliver(b"Subject: a free offer\r\n\r\nbody\r\n", sender="a@friend.test")
        client.deliver(b"Subject: free\r\n\r\nfree offer\r\n", sender="a@foe.test")
        sink.wait(2)
        assert daemon.metrics()["veredus_plugin_subject_guard_matched_total"] == 2, daemon.cmd("metrics")
        daemon.write("40-guard.yaml", guard + "action: tag\n")
        daemon.cmd("reload")
        send_one(daemon.port, message=b"Subject: free offer\r\n\r\nbody\r\n")
        assert "X-Subject-Guard: matched" in sink.wait(3)[2].header


def test_both_under_load_and_reloads():
    with Sink() as sink, sampled(sink, f40_tag="plugin: tag\n", f41_guard="plugin: subject-guard\nwords: [never]\n") as daemon:
        with Load(daemon.port, "--messages", "400", "--connections", "8") as load:
            for at in (50, 150, 250):
                wait_until(lambda: sink.count() >= at or load.process.poll() is not None, 60, f"{at} messages")  # pylint: disable=cell-var-from-loop
                daemon.cmd("reload")
            load.wait()
            acknowledged = load.acknowledged()
        arrivals = sink.wait(len(acknowledged), 60)
        assert len(acknowledged) == 400 and all("X-Sender-Count: " in one.header for one in arrivals)


if __name__ == "__main__":
    run_tests(globals())
