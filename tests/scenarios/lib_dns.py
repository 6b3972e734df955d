# FakeDns: an authoritative server on loopback, UDP and TCP on one port, that answers from a dictionary or misbehaves by name.
import socket
import socketserver
import struct
import threading

from lib_base import free_port

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
MISDEEDS = {"SERVFAIL", "REFUSED", "TIMEOUT", "TRUNCATE", "WRONG-ID", "WRONG-QUESTION", "GARBAGE", "SHORT", "LOOP"}


def encode_name(name):
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode()
    return out + b"\0"


def decode_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode("ascii", "replace"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


def encode_value(kind, value):
    if isinstance(value, bytes):
        return value
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        return struct.pack("!H", value[0]) + encode_name(value[1])
    if kind == "TXT":
        parts = [value[i : i + 255] for i in range(0, len(value), 255)] or [""]
        return b"".join(bytes([len(part)]) + part.encode() for part in parts)
    return encode_name(value)


class FakeDns:
    """records: { "a.test": { "A": ["127.0.0.1"], "MX": [(10, "mx.a.test")] }, "gone.test": "SERVFAIL" }.

    A value may be raw bytes. A name without an entry is NXDOMAIN, an entry without the type asked is no data, so an empty
    dictionary is a name without records. In place of an entry, or of a list of values, a misdeed: SERVFAIL REFUSED TIMEOUT
    TRUNCATE (TC and nothing by UDP; by TCP what stands under "TCP") WRONG-ID WRONG-QUESTION GARBAGE SHORT LOOP (a compression
    pointer to itself). `queries` lists (name, type, transport) as they came."""

    def __init__(self, records=None, ttl=60, authentic=False):
        self.records = {name.lower().rstrip("."): entry for name, entry in (records or {}).items()}
        self.ttl, self.authentic = ttl, authentic
        self.queries = []
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._servers = [_Udp(("127.0.0.1", self.port), _UdpHandler), _Tcp(("127.0.0.1", self.port), _TcpHandler)]
        for server in self._servers:
            server.dns = self
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def asked(self, name, kind=None):
        return [q for q in list(self.queries) if q[0] == name and kind in (None, q[1])]

    def answer(self, packet, transport):
        """The octets to send back, or None for silence."""
        if len(packet) < 17:
            return None
        ident, flags, questions = struct.unpack("!HHH", packet[:6])
        name, at = decode_name(packet, 12)
        number = struct.unpack("!H", packet[at : at + 2])[0]
        question = packet[12 : at + 4]
        kind = next((k for k, v in TYPES.items() if v == number), str(number))
        self.queries.append((name, kind, transport))
        entry = self.records.get(name)
        found = entry.get(kind, []) if isinstance(entry, dict) else entry
        if found == "TRUNCATE" and transport == "tcp":
            found = entry.get("TCP", []) if isinstance(entry, dict) else []
        if isinstance(found, str):
            return self._misdeed(found, ident, question)
        return self._regular(ident, question, name, kind, at + 4 < len(packet), transport)

    def _misdeed(self, what, ident, question):
        assert what in MISDEEDS, what
        a_record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x7f\0\0\1"
        if what == "TIMEOUT":
            return None
        if what in ("SERVFAIL", "REFUSED"):
            return self._head(ident, SERVFAIL if what == "SERVFAIL" else REFUSED, 0) + question
        if what == "TRUNCATE":
            return self._head(ident, NOERROR, 0, truncated=True) + question
        if what == "WRONG-ID":
            return self._head(ident ^ 1, NOERROR, 1) + question + a_record
        if what == "WRONG-QUESTION":
            other = encode_name("other.test") + question[-4:]
            return self._head(ident, NOERROR, 1) + other + a_record
        if what == "LOOP":
            at = 12 + len(question)
            return self._head(ident, NOERROR, 1) + question + struct.pack("!H", 0xC000 | at) + a_record[2:]
        if what == "SHORT":
            return self._head(ident, NOERROR, 9) + question + a_record[:7]
        return struct.pack("!H", ident) + b"\x81\x80" + b"\xff" * 200

    def _head(self, ident, rcode, answers, authority=0, truncated=False, additional=0):
        flags = 0x8580 | (0x0200 if truncated else 0) | (0x0020 if self.authentic else 0) | rcode
        return struct.pack("!HHHHHH", ident, flags, 1, answers, authority, additional)

    def _regular(self, ident, question, name, kind, edns, transport):
        records, rcode, seen = [], NOERROR, set()
        while True:
            entry = self.records.get(name)
            if not isinstance(entry, dict):
                rcode = SERVFAIL if isinstance(entry, str) else NXDOMAIN
                break
            if kind != "CNAME" and entry.get("CNAME") and name not in seen and len(seen) < 30:
                seen.add(name)
                target = entry["CNAME"][0].lower().rstrip(".")
                records.append((name, "CNAME", target))
                name = target
                continue
            values = entry.get(kind, [])
            records += [(name, kind, value) for value in values if not isinstance(values, str)]
            break
        body = b"".join(self._record(*record) for record in records)
        soa = b"" if records else self._record("test", "SOA", encode_name("ns.test") + encode_name("root.test") + struct.pack("!5I", 1, 60, 60, 60, 1))
        opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if edns else b""
        out = self._head(ident, rcode, len(records), 1 if soa else 0, False, 1 if opt else 0) + question + body + soa + opt
        if transport == "udp" and len(out) > (1232 if edns else 512):
            return self._head(ident, rcode, 0, truncated=True) + question
        return out

    def _record(self, name, kind, value):
        octets = encode_value(kind, value)
        return encode_name(name) + struct.pack("!HHIH", TYPES[kind], 1, self.ttl, len(octets)) + octets


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _UdpHandler(socketserver.BaseRequestHandler):
    def handle(self):
        packet, sock = self.request
        out = self.server.dns.answer(packet, "udp")
        if out is not None:
            sock.sendto(out, self.client_address)


class _TcpHandler(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(2)) == 2:
            out = self.server.dns.answer(self.rfile.read(struct.unpack("!H", head)[0]), "tcp")
            if out is None:
                return
            self.wfile.write(struct.pack("!H", len(out)) + out)
