#!/usr/bin/env python3
# The plugin deliver-maildir in a real daemon: durable files in new/, folders, missing and full mailboxes, hostile addresses, a crash.
import json
import os

from lib_veredus import *  # noqa: F401,F403


class Maildirs(Daemon):
    """A daemon that delivers example.test into Maildirs below its directory."""

    def __init__(self, settings="", hop="plugin:deliver-maildir", **core):
        super().__init__(start=False)
        self.root = os.path.join(self.dir, "boxes")
        os.mkdir(self.root)
        self.configure({"routes": [{"match": "example.test", "to": [hop]}], "queue": {"retry": ["300ms"]}, **core})
        self.write("70-deliver-maildir.yaml", f"plugin: deliver-maildir\nroot: {json.dumps(self.root)}\n{settings}")
        self.start()

    def box(self, user, folder=""):
        directory = os.path.join(self.root, "example.test", user, "Maildir", folder, "new")
        return [os.path.join(directory, name) for name in sorted(os.listdir(directory))] if os.path.isdir(directory) else []

    def text(self, user, folder=""):
        files = self.box(user, folder)
        assert len(files) == 1, files
        with open(files[0], encoding="utf-8", errors="replace") as file:
            return file.read()


def test_a_message_is_in_the_mailbox_with_what_stands_above_it():
    with Maildirs() as daemon:
        send_one(daemon.port, sender="a@from.test", recipients=["User@Example.test"], message=b"Subject: hello\r\n\r\nline one\r\n.dot\r\n")
        event = daemon.wait_event("recipient.delivered", recipient="User@Example.test")
        assert event["remote"] == "plugin:deliver-maildir", event
        text = daemon.text("user")
        assert text.startswith("Return-Path: <a@from.test>\nDelivered-To: User@Example.test\nReceived: "), text
        assert text.endswith("Subject: hello\n\nline one\n.dot\n"), text


def test_several_recipients_and_a_large_message():
    with Maildirs() as daemon:
        body = "Subject: big\r\n\r\n" + "".join(f"line {n} {'x' * 60}\r\n" for n in range(60_000))
        send_one(daemon.port, recipients=["a@example.test", "b@example.test", "c@example.test"], message=body.encode())
        wait_until(lambda: daemon.balance()[2] == 0, 20, "all are delivered")
        texts = [daemon.text(user) for user in "abc"]
        wanted = body.replace("\r\n", "\n")
        assert all(text.endswith(wanted) for text in texts)


def test_folders_by_address_and_by_route():
    with Maildirs(hop="plugin:deliver-maildir/Junk") as daemon:
        send_one(daemon.port, recipients=["user@example.test"])
        daemon.wait_event("recipient.delivered")
        assert "Delivered-To: user@example.test" in daemon.text("user", ".Junk")
    with Maildirs() as daemon:
        os.makedirs(os.path.join(daemon.root, "example.test", "user", "Maildir", ".lists"))
        send_one(daemon.port, recipients=["user+lists@example.test"])
        daemon.wait_event("recipient.delivered")
        assert daemon.text("user", ".lists")


def test_a_mailbox_that_may_not_be_made_is_a_bounce():
    with Maildirs("create: false\n") as daemon:
        send_one(daemon.port, sender="", recipients=["nobody@example.test"])
        event = daemon.wait_event("recipient.bounced", recipient="nobody@example.test")
        assert "5.1.1" in event["reply"], event
        assert os.listdir(daemon.root) == []


def test_names_that_would_leave_the_root_are_refused():
    with Maildirs() as daemon:
        for local in ('"../../etc"', '"a/b"', '".."'):
            send_one(daemon.port, sender="", recipients=[f"{local}@example.test"])
        wait_until(lambda: len(daemon.events("recipient.bounced")) == 3, 10, "three bounces")
        assert all("5.1.3" in event["reply"] for event in daemon.events("recipient.bounced"))
        assert os.listdir(daemon.root) == []
        send_one(daemon.port, recipients=['"odd name"@example.test'])
        daemon.wait_event("recipient.delivered")
        assert daemon.text("odd name")


def test_a_full_mailbox_waits_until_there_is_room():
    with Maildirs("quota: 2KiB\n") as daemon:
        send_one(daemon.port, recipients=["u@example.test"], message=b"Subject: 1\r\n\r\n" + b"x" * 1500 + b"\r\n")
        daemon.wait_event("recipient.delivered")
        send_one(daemon.port, recipients=["u@example.test"], message=b"Subject: 2\r\n\r\n" + b"y" * 500 + b"\r\n")
        event = daemon.wait_event("recipient.deferred")
        assert "4.2.2" in event["reply"], event
        os.remove(daemon.box("u")[0])
        wait_until(lambda: len(daemon.box("u")) == 1, 10, "the second message arrives")


def test_a_crash_loses_nothing():
    with Maildirs() as daemon:
        for number in range(50):
            send_one(daemon.port, recipients=[f"u{number}@example.test"])
        daemon.kill9("worker")
        wait_until(lambda: all(daemon.box(f"u{number}") for number in range(50)), 20, "every mailbox has its message")


def test_settings_that_cannot_be_are_refused_with_their_place():
    daemon = Daemon(start=False)
    try:
        daemon.write("70-deliver-maildir.yaml", "plugin: deliver-maildir\nroot: /nowhere/at/all\npath: '{domain}'\n")
        process = daemon.start(ready=False).process
        assert process.wait(20) == 78, process.returncode
        assert "70-deliver-maildir.yaml" in daemon.tail() and "{local}" in daemon.tail(), daemon.tail()
    finally:
        daemon.clean()


if __name__ == "__main__":
    run_tests(globals())
