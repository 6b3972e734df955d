#!/usr/bin/env python3
# Scenario: TLS connections that are cut without close_notify, as somebody on the way can do at any octet. Nothing that is not whole counts:
# no message of a client, no reply of a next hop, no policy of MTA-STS.
import socket
import ssl
import threading

from lib_base import free_port
from lib_sasl import Certificates
from lib_sts import Authority, policy, records
from lib_veredus import *
from plugin_mta_sts import check
from tls_inbound import encrypted, tls_daemon
from tls_outbound import core_for, deliver

MESSAGE = b"Subject: pay 1\r\n\r\nand not 1000\r\n"


def cut_contents():
    """What a client says behind RCPT until it is cut off."""
    for octets in (b"Subject: pay 1", MESSAGE, MESSAGE + b".", MESSAGE + b".\r", MESSAGE + b".\n"):
        yield "DATA", b"DATA\r\n", octets
    size = len(MESSAGE)
    yield "BDAT", b"", f"BDAT {size + 1} LAST\r\n".encode() + MESSAGE
    yield "BDAT", b"", f"BDAT {size}\r\n".encode() + MESSAGE
    yield "BDAT", b"", f"BDAT {size}\r\n".encode() + MESSAGE + b"BDAT 0 LAST"
    yield "BDAT", b"", f"BDAT {size}\r\n".encode() + MESSAGE + b"BDAT 0 LAST\r"


def test_a_client_that_is_cut_off_has_sent_no_message():
    with Certificates() as certs, tls_daemon([certs.pair("server")]) as daemon:
        cases = list(cut_contents())
        for _, first, octets in cases:
            smtp = encrypted(daemon.port)
            smtp.hello()
            smtp.envelope()
            if first:
                smtp.send(first)
                smtp.expect(354)
            smtp.send(octets)
            smtp.close()  # the socket only: TLS is not told
        wait_until(lambda: len(daemon.events("message.aborted")) == len(cases), 15, daemon.tail)
        assert not daemon.queue() and not daemon.events("message.accepted"), daemon.tail()


def test_a_reply_that_is_cut_off_is_none():
    with Certificates() as certs:
        for reply in (b"250", b"250 2.0.0 Ok", b"250 2.0.0 Ok\r", b"250-2.0.0 Ok\r\n", b"250-2.0.0 Ok\r\n250 2.0.0"):
            def cut(connection, _line, octets=reply):
                connection.send(octets)
                connection.socket.shutdown(socket.SHUT_RDWR)
                raise EOFError

            with Hop({"DOT": cut}, ehlo=["PIPELINING"], tls=(certs.path("server.pem"), certs.path("server.key"))) as hop, Daemon(core_for(hop, "encrypt")) as daemon:
                answer = deliver(daemon)
                assert hop.sessions and answer.startswith("451 4."), (reply, answer)
                assert not daemon.events("recipient.delivered"), reply


class CutWeb:
    """HTTPS that says `answer` and is cut off."""

    def __init__(self, pair, answer):
        self.answer, self.port, self.asked = answer, free_port(), 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(sock, server_side=True) as secure:
                    if b"mta-sts.txt" in secure.recv(65536):
                        self.asked += 1
                    secure.sendall(self.answer)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def test_a_policy_that_is_cut_off_is_none():
    """The end of such an answer is only told by the end of the connection; what came may look whole."""
    text = policy()[2].encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
    answers = [head + b"Connection: close\r\n\r\n" + text, head + b"Content-Length: %d\r\n\r\n" % (len(text) + 20) + text,
               head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(text), text), b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + text]
    with Authority() as ca, FakeDns(records()) as dns:
        for answer in answers:
            with CutWeb(ca.pair("mta-sts.sts.test"), answer) as web:
                said = check(dns, web, ca)
                assert web.asked and said.startswith("invalid ") and "sts-policy-fetch-error" in said, (answer, said)
        whole = head + b"Content-Length: %d\r\n\r\n" % len(text) + text
        with CutWeb(ca.pair("mta-sts.sts.test"), whole) as web:
            assert check(dns, web, ca).startswith("valid "), "what is whole by its own count is taken"


if __name__ == "__main__":
    run_tests(globals())
