# Smtp: a client that sends exactly the octets it is given and judges the form of every reply it reads.
import re
import socket
import time

OK_QUEUED = re.compile(r"^250 2\.0\.0 Ok: queued as ([0-9A-Z]{13})$")


class Reply:
    def __init__(self, raw):
        self.raw = raw
        texts = [line[:-2].decode("ascii") for line in raw.splitlines(keepends=True)]
        self.code = int(texts[0][:3])
        self.lines = [text[4:] for text in texts]
        self.text = "\n".join(texts)
        found = re.match(r"([245]\.\d{1,3}\.\d{1,3})( |$)", self.lines[0])
        self.enhanced = found[1] if found else None

    @property
    def id(self):
        found = OK_QUEUED.match(self.text)
        assert found, f"not the form of an acceptance: {self.text!r}"
        return found[1]

    def __str__(self):
        return self.text

    __repr__ = __str__


def check_line(line, code=None):
    """RFC 5321 4.2 and the contract: printable ASCII, CRLF, at most 510 octets and its CRLF, one code for all lines."""
    assert line.endswith(b"\r\n"), f"a reply line without CRLF: {line!r}"
    assert len(line) <= 512, f"a reply line of {len(line)} octets: {line[:80]!r}"
    assert re.fullmatch(rb"[2-5][0-9][0-9][ -][\x20-\x7e]*|[2-5][0-9][0-9]", line[:-2]), f"not a reply line: {line!r}"
    assert code is None or line[:3] == code, f"codes differ within one reply: {line!r}"


class Smtp:
    def __init__(self, port, host="127.0.0.1", source=None, timeout=15.0, banner=True, path=None):
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(path)
        else:
            self.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.banner = self.reply() if banner else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def abort(self):
        """Closes with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets.encode() if isinstance(octets, str) else octets)

    def send_in(self, pieces, pause=0.002):
        """Each piece in a segment of its own; the pause only makes it likely that the server reads it alone."""
        for piece in pieces:
            if piece:
                self.send(piece)
                time.sleep(pause)

    def _fill(self):
        octets = self.socket.recv(65536)
        self.pending += octets
        return len(octets)

    def reply(self):
        """One whole reply; EOFError when the connection ended before one began."""
        raw = b""
        while True:
            end = self.pending.find(b"\n")
            if end < 0:
                if not self._fill():
                    if raw or self.pending:
                        raise AssertionError(f"connection ended within a reply: {raw + self.pending!r}")
                    raise EOFError("connection ended")
                continue
            line, self.pending = self.pending[: end + 1], self.pending[end + 1 :]
            check_line(line, raw[:3] or None)
            raw += line
            if line[3:4] != b"-":
                return Reply(raw)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def cmd(self, line, code=None):
        """Sends a line with CRLF and returns its reply; with a code, or a reply's beginning such as `550 5.7.1`, checks it."""
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.expect(code, line)

    def expect(self, code, of=""):
        reply = self.reply()
        assert code is None or reply.text.startswith(str(code)), f"{str(of)[:120]!r}: wanted {code}, got {reply.text!r}"
        return reply

    def hello(self, name="client.test", verb="EHLO"):
        return self.cmd(f"{verb} {name}", 250)

    def envelope(self, sender="a@client.test", recipients=("b@example.test",), mail_args="", rcpt_args=""):
        self.cmd(f"MAIL FROM:<{sender}>{mail_args and ' ' + mail_args}", 250)
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            self.cmd(f"RCPT TO:<{recipient}>{rcpt_args and ' ' + rcpt_args}", 250)

    def data(self, message):
        """DATA with dots stuffed; the message must end with CRLF."""
        assert message.endswith(b"\r\n")
        self.cmd("DATA", 354)
        self.send(stuffed(message) + b".\r\n")
        return self.reply()

    def bdat(self, message, chunks=None):
        """BDAT in chunks of the sizes given (the last one takes the rest); all replies are read, the last one is returned."""
        cuts, at = [], 0
        for size in chunks or []:
            cuts.append(message[at : at + size])
            at += size
        cuts.append(message[at:])
        reply = None
        for number, chunk in enumerate(cuts):
            last = number == len(cuts) - 1
            self.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk)
            reply = self.reply()
            assert last or reply.code == 250, f"chunk {number}: {reply}"
        return reply

    def deliver(self, message, sender="a@client.test", recipients=("b@example.test",), chunks=None, how="data", **args):
        """A whole transaction that must be accepted; returns the queue id."""
        self.envelope(sender, recipients, **args)
        reply = self.data(message) if how == "data" else self.bdat(message, chunks)
        return reply.id

    def closed(self):
        """The server must have nothing more to say and close; reset counts as closed."""
        try:
            rest = self.pending + self.socket.recv(65536)
        except ConnectionResetError:
            rest = self.pending
        assert rest == b"", f"the server went on: {rest[:200]!r}"
        return True

    def read_all(self):
        """Everything until the server closes."""
        try:
            while self._fill():
                pass
        except ConnectionResetError:
            pass
        out, self.pending = self.pending, b""
        return out


def stuffed(message):
    out = message.replace(b"\r\n.", b"\r\n..")
    return b"." + out if out.startswith(b".") else out


def send_one(port, message=b"Subject: scenario\r\n\r\nbody\r\n", **args):
    """One connection, one accepted message; returns its queue id."""
    with Smtp(port) as client:
        client.hello()
        queue_id = client.deliver(message, **args)
        client.cmd("QUIT", 221)
        return queue_id


def parse_replies(octets):
    """Every reply in a stream that has ended."""
    out, raw = [], b""
    for line in octets.splitlines(keepends=True):
        check_line(line, raw[:3] or None)
        raw += line
        if line[3:4] != b"-":
            out.append(Reply(raw))
            raw = b""
    assert raw == b"", f"half a reply at the end: {raw!r}"
    return out
