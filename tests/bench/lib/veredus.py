"""Veredus as the benchmark runs it: one fragment of configuration, one daemon, default durability."""
import glob
import os
import shutil
import subprocess

FRAGMENT = """core:
  hostname: veredus.bench.test
  spool: {base}/spool
  state: {base}/state
  control: {base}/control
  listeners:
    - {{ address: "127.0.0.1:{port}", role: mx }}
{core}  queue:
    retry: [{retry}s]
  routes:
{routes}"""


class Veredus:
    name = "veredus"

    def __init__(self, scratch, build, directory="veredus"):
        self.base = os.path.join(scratch, directory)
        self.conf = os.path.join(self.base, "conf.d")
        self.build = build
        self.log = os.path.join(self.base, "log")
        self.port = None

    def _binary(self, name):
        found = [path for path in glob.glob(os.path.join(self.build, "**", name), recursive=True)
                 if os.path.isfile(path) and os.access(path, os.X_OK)]
        return found[0] if found else None

    def missing(self):
        if self._binary("veredusd") is None or self._binary("veredus") is None:
            return f"no veredusd in {self.build}"
        return None

    def unpack(self):
        pass

    def version(self):
        return "this tree"

    def configure(self, port, plan, keep_spool=False):
        self.port = port
        if not keep_spool:
            shutil.rmtree(self.base, ignore_errors=True)
        os.makedirs(self.conf, exist_ok=True)
        routes = [(domain, f"{host}:{plan.sink_port}") for domain, host in plan.routes]
        routes += [(domain, f"127.0.0.1:{dead}") for domain, dead in plan.dead_routes]
        routes.append(("*", f"127.0.0.1:{plan.sink_port}"))
        lines = "".join(f'    - {{ match: "{match}", to: ["smtp://{hop}"] }}\n' for match, hop in routes)
        with open(os.path.join(self.conf, "00-core.yaml"), "w", encoding="ascii") as file:
            core = plan.core or "  relay_networks: [127.0.0.0/8]\n"
            file.write(FRAGMENT.format(core=core, base=self.base, port=port, retry=plan.retry, routes=lines))
            file.write(f"  tls:\n    outbound: {plan.tls}\n")
            if plan.certificate:
                file.write(f"    certificates: [{{ cert: {self._certificate()}.pem, key: {self._certificate()}.key }}]\n")
        for number in range(plan.plugins):
            with open(os.path.join(self.conf, f"{number + 10}-next.yaml"), "w", encoding="ascii") as file:
                file.write(f"plugin: next\ninstance: n{number}\n")
        for name, text in plan.fragments.items():
            with open(os.path.join(self.conf, name), "w", encoding="ascii") as file:
                file.write(text)

    def _certificate(self):
        """A certificate with an elliptic key, made once; the path without its ending."""
        path = os.path.join(self.base, "tls")
        if not os.path.exists(path + ".pem"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=veredus.bench.test",
                            "-keyout", path + ".key", "-out", path + ".pem"], check=True, capture_output=True)
        return path

    def command(self):
        os.environ["VEREDUS_PLUGINS"] = ":".join([os.path.join(self.build, "core/plugin/test_plugins"), *glob.glob(os.path.join(self.build, "plugins/*"))])
        return [self._binary("veredusd"), "--conf", self.conf]

    def control(self, *words):
        return subprocess.run([self._binary("veredus"), "--conf", self.conf, *words], check=True,
                              capture_output=True, text=True, timeout=120).stdout

    def wait_until_ready(self):
        self.control("status", "--wait", "30")

    def reload(self):
        self.control("reload")
