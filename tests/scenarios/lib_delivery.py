# What the delivery scenarios share: a Hop that also remembers who said what on which connection, and small helpers.
import os
from dataclasses import dataclass, field

from lib_base import wait_until
from lib_hop import Hop


@dataclass
class Talk:
    """One connection as the hop saw it."""
    source: str  # the address it came from
    at: str  # the address it came to
    lines: list = field(default_factory=list)

    @property
    def verbs(self):
        return [line.split(" ")[0].upper() for line in self.lines]

    @property
    def helo(self):
        return next((line.split(" ", 1)[1] for line in self.lines if line[:4] in ("EHLO", "HELO", "LHLO")), "")

    def count(self, verb):
        return self.verbs.count(verb)


class Watched(Hop):
    """`talks` holds a Talk for each connection, in order; `lines` is every command line that was answered."""

    def __init__(self, *arguments, **options):
        self.talks = []
        self._by_number = {}
        super().__init__(*arguments, **options)

    def choose(self, key, connection, line, default):
        with self._lock:
            talk = self._by_number.get(connection.number)
            if talk is None:
                source, at = connection.socket.getpeername()[0], connection.socket.getsockname()[0]
                talk = self._by_number[connection.number] = Talk(source, at)
                self.talks.append(talk)
            if key != "BANNER" and not (key == "DOT" and line.upper().startswith("DATA")):
                talk.lines.append(line)
        return super().choose(key, connection, line, default)

    def lines(self, verb):
        return [line for talk in list(self.talks) for line in list(talk.lines) if line.upper().startswith(verb)]


def token():
    return "t" + os.urandom(6).hex()


def message(name, size=0, header="", body=None):
    """Octets of a message that can be told from all others by `name`."""
    text = f"From: <a@from.test>\r\nTo: <b@to.test>\r\nSubject: {name}\r\nMessage-ID: <{name}@from.test>\r\n{header}\r\n"
    octets = text.encode() + (f"This is {name}.\r\n".encode() if body is None else body)
    if size > len(octets):
        line = b"0123456789" * 7 + b"\r\n"
        octets += line * ((size - len(octets)) // len(line) + 1)
    return octets


def core_for(routes=(), dns=None, back=None, **settings):
    """Settings for delivery tests: quick retries without jitter, reports for back.test to `back`."""
    routes = [*([{"match": "back.test", "to": [back.hop]}] if back else []), *routes]
    core = {"queue": {"retry": ["300ms", "600ms", "1s"], "jitter": 0}, "routes": routes}
    if dns:
        core["resolvers"] = [dns.address]
    for name, value in settings.items():
        core[name] = {**core[name], **value} if name == "queue" else value
    return core


def final(daemon, recipient, timeout=15):
    """The event with the final state of a recipient; there must be exactly one."""
    states = ("delivered", "bounced", "expired", "discarded", "removed")

    def found():
        return [e for e in daemon.events("recipient.*", recipient=recipient) if e["event"][10:] in states]

    event = wait_until(found, timeout, lambda: f"a final state of {recipient}\n{daemon.tail()}")
    assert len(event) == 1, f"{recipient} ended more than once: {event}"
    return event[0]


def assert_final(daemon, recipient, state, reply="", timeout=15):
    """Checks the final state of a recipient and how the reply recorded with it begins."""
    event = final(daemon, recipient, timeout)
    assert event["event"] == f"recipient.{state}", f"{recipient} should be {state}: {event}"
    assert event["reply"].startswith(reply), f"{recipient}: reply should begin with {reply!r}: {event}"
    return event
