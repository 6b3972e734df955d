# Hop: a next hop whose every reply is scripted, for what no honest server does. For floods of mail use Sink.
import re
import socket
import ssl
import threading

from lib_base import free_port, wait_until

EHLO = ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "CHUNKING"]

# Replies that are deeds. Any of them may stand where a reply's text stands.
CLOSE = object()     # close without a word
RESET = object()     # the same with a TCP reset
STALL = object()     # silence until the hop is stopped or the client gives up
ENDLESS = object()   # a multi-line reply without end, until the client gives up


class Taken:
    """A message that the hop answered 2xx."""

    def __init__(self, sender, recipients, octets, how):
        self.sender, self.recipients, self.octets, self.how = sender, recipients, octets, how


class Hop:
    """replies: { "MAIL": "450 4.7.1 later" }, keys BANNER EHLO HELO LHLO MAIL RCPT DATA DOT BDAT RSET QUIT NOOP and, for one
    recipient, "RCPT b@a.test". A value is a reply (str, CRLF is added; bytes are sent as they are), a deed, a list (one
    after the other, the last one stays), or a function (connection, line) that returns one of these. `ehlo` lists the extensions.
    `script` replaces all of it: a function (connection) that is called for each connection with .read_line(), .send(), .number.
    `commands` and `messages` tell what came."""

    def __init__(self, replies=None, ehlo=None, lmtp=False, script=None, address="127.0.0.1", port=None, tls=None):
        # tls: (certificate file, key file). STARTTLS is offered then; a reply for "TLS" replaces the handshake: STALL, CLOSE or octets.
        self.tls, self.sessions = None, []  # of each TLS session: whether it was resumed, and the name asked for
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
            self.tls.sni_callback = lambda sock, name, _: setattr(sock, "asked", name)
        self.replies = replies or {}
        self.ehlo = list(EHLO if ehlo is None else ehlo) + (["STARTTLS"] if tls else [])
        self.lmtp, self.script = lmtp, script
        self.messages, self.commands, self.connections = [], [], 0
        self._used, self._lock = {}, threading.Lock()
        self._stopped = threading.Event()
        self.port = port or free_port(address)
        self.host = address
        self.address = f"{address}:{self.port}" if ":" not in address else f"[{address}]:{self.port}"
        self.listener = socket.create_server((address, self.port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def hop(self):
        return f"{'lmtp' if self.lmtp else 'smtp'}://{self.address}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopped.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()

    def wait(self, count, timeout=15.0):
        wait_until(lambda: len(self.messages) >= count, timeout, lambda: f"{count} messages, {len(self.messages)} there; commands {self.commands[-8:]}")
        return list(self.messages)

    def wait_command(self, pattern, timeout=15.0):
        return wait_until(lambda: [c for c in list(self.commands) if re.search(pattern, c)], timeout, lambda: f"command {pattern}; had {self.commands[-8:]}")

    def _accept(self):
        while not self._stopped.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=_serve, args=(self, Connection(self, sock, self.connections)), daemon=True).start()

    def choose(self, key, connection, line, default):
        with self._lock:
            value = self.replies.get(key, default)
            if isinstance(value, list):
                at = min(self._used.get(key, 0), len(value) - 1)
                self._used[key] = at + 1
                value = value[at]
        return value(connection, line) if callable(value) else value


class Connection:
    def __init__(self, hop, sock, number):
        self.hop, self.socket, self.number = hop, sock, number
        self.file = sock.makefile("rb")
        self.sender, self.recipients = None, []

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode() + b"\r\n")

    def start_tls(self):
        self.send("220 2.0.0 go ahead")
        self.file.close()
        self.socket = self.hop.tls.wrap_socket(self.socket, server_side=True)
        self.file = self.socket.makefile("rb")
        self.hop.sessions.append((self.socket.session_reused, getattr(self.socket, "asked", None)))

    def read_line(self):
        line = self.file.readline(65536)
        if not line:
            raise EOFError
        text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
        self.hop.commands.append(text)
        return text

    def read_dotted(self):
        out = b""
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError
            if line == b".\r\n":
                return out
            out += line[1:] if line.startswith(b".") else line

    def stall(self):
        self.hop._stopped.wait(120)
        raise EOFError

    def say(self, key, line, default):
        """Answers, or does what stands in place of an answer; returns the class of the reply, such as 2."""
        what = self.hop.choose(key, self, line, default)
        if what is None:
            return 0
        if what is STALL:
            self.stall()
        if what is CLOSE or what is RESET:
            if what is RESET:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise EOFError
        while what is ENDLESS:
            self.send("250-and so on")
        self.send(what)
        first = what[:1]
        return int(first) if first.isdigit() else 0

    def finish(self, octets, how, line):
        for _ in self.recipients if self.hop.lmtp else [0]:
            if self.say("DOT", line, "250 2.0.0 taken") == 2:
                self.hop.messages.append(Taken(self.sender, list(self.recipients), octets, how))
        self.sender, self.recipients = None, []


def _path(line):
    found = re.search(r"<(.*?)>", line)
    return found[1] if found else ""


def _serve(hop, connection):
    try:
        if hop.script:
            hop.script(connection)
        else:
            _converse(hop, connection)
    except (EOFError, OSError, ValueError):
        pass
    finally:
        connection.file.close()
        connection.socket.close()


def _converse(hop, c):
    chunks = b""
    c.say("BANNER", "", "220 hop.test ESMTP")
    while True:
        line = c.read_line()
        verb = line.split(" ")[0].upper()
        if verb in ("EHLO", "LHLO"):
            lines = ["hop.test", *hop.ehlo]
            c.say(verb, line, "\r\n".join(f"250{' ' if i == len(lines) - 1 else '-'}{text}" for i, text in enumerate(lines)))
        elif verb == "STARTTLS" and c.hop.tls:
            if c.hop.choose("TLS", c, line, None) is None:
                c.start_tls()
            else:
                c.say("TLS", line, "220 never reached")
        elif verb == "MAIL":
            c.recipients, chunks = [], b""
            if c.say("MAIL", line, "250 2.1.0 ok") == 2:
                c.sender = _path(line)
        elif verb == "RCPT":
            key = f"RCPT {_path(line)}"
            if c.say(key if key in hop.replies else "RCPT", line, "250 2.1.5 ok") == 2:
                c.recipients.append(_path(line))
        elif verb == "DATA":
            if c.say("DATA", line, "354 go on" if c.recipients else "554 5.5.1 no valid recipients") == 3:
                c.finish(c.read_dotted(), "DATA", line)
        elif verb == "BDAT":
            octets = c.file.read(int(line.split(" ")[1]))
            if not c.recipients:
                c.say("BDAT", line, "554 5.5.1 no valid recipients")
                continue
            chunks += octets
            if line.upper().endswith(" LAST"):
                c.finish(chunks, "BDAT", line)
            else:
                c.say("BDAT", line, "250 2.0.0 go on")
        elif verb == "QUIT":
            c.say("QUIT", line, "221 2.0.0 bye")
            return
        else:
            c.say(verb, line, "250 2.0.0 ok" if verb in ("RSET", "NOOP", "HELO") else "500 5.5.1 what")
