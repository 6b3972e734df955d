# A domain with MTA-STS for scenarios: an authority, a web server that serves a policy well or badly, the records, and a mail exchanger.
import http.server
import os
import shutil
import ssl
import subprocess
import threading
import time

from lib_base import free_port, work_dir

POLICY = "version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {age}\r\n"


class Authority:
    """A CA of openssl's; pair(name) gives (certificate, key) for a name."""

    def __init__(self):
        self.dir = work_dir()
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2",
                  "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self.ca = self.path("ca.pem")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def _run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.dir, capture_output=True, check=True, timeout=30)

    def pair(self, name):
        cert, key = self.path(name + ".pem"), self.path(name + ".key")
        if not os.path.exists(cert):
            self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", name + ".csr", "-subj", "/CN=test")
            with open(self.path("ext"), "w", encoding="ascii") as file:
                file.write(f"subjectAltName=DNS:{name}\n")
            self._run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", cert, "-extfile", "ext")
        return cert, key


class Web:
    """HTTPS on loopback. `answer` is (code, headers, body), or a function of the request that gives one; `requests` is what came: (method, path, headers, body).
    `pause`: seconds before each answer."""

    def __init__(self, pair, answer=(404, {}, b"")):
        self.answer, self.requests, self.pause = answer, [], 0.0
        self.port = free_port()
        self.ended = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                web.requests.append((self.command, self.path, dict(self.headers), body))
                web.ended.wait(web.pause)
                code, headers, out = web.answer(self) if callable(web.answer) else web.answer
                out = out.encode() if isinstance(out, str) else out
                self.send_response(code)
                for name, value in {**headers, "Content-Length": str(len(out))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # handshakes that the other side breaks off

            def finish_request(self, request, address):
                try:
                    request.settimeout(20)
                    request = web.context.wrap_socket(request, server_side=True)
                except OSError:
                    return
                self.RequestHandlerClass(request, address, self)

        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


def policy(mode="enforce", mx="mx.sts.test", age=604800):
    return 200, {"Content-Type": "text/plain"}, POLICY.format(mode=mode, mx=mx, age=age)


def records(domain="sts.test", mx="mx.sts.test", record="v=STSv1; id=1;", more=None):
    out = {domain: {"MX": [(10, mx)], "A": ["127.0.0.1"]}, mx: {"A": ["127.0.0.1"]}, f"mta-sts.{domain}": {"A": ["127.0.0.1"]}}
    if record:
        out[f"_mta-sts.{domain}"] = {"TXT": [record] if isinstance(record, str) else record}
    return {**out, **(more or {})}


def utc_day(shift=0):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + shift * 86400))
