#!/usr/bin/env python3
# DNS against real servers: a signed tree of zones served by NSD, validated by unbound, seen through `veredus dns`, and mail by MX.
import glob
import os
import pwd
import shutil
import subprocess

from lib_veredus import Daemon, Sink, free_port, is_root, run_tests, send_one, wait_until, work_dir

TLSA = "3 1 1 " + "ab" * 32
SOA = "@ 60 IN SOA ns.test. root.test. 1 60 60 600 1\n@ 60 IN NS ns.test.\n"
ZONES = {
    "example.test": SOA + f"""
@ 60 IN MX 20 mx2
@ 60 IN MX 10 mx1
@ 60 IN TXT "v=spf1 -all" " and more"
mx1 60 IN A 127.0.0.1
mx1 60 IN AAAA ::1
mx2 60 IN A 127.0.0.1
alias 60 IN CNAME mx1
chain 60 IN CNAME alias
dangling 60 IN CNAME nothing
null 60 IN MX 0 .
_25._tcp.mx1 60 IN TLSA {TLSA}
many 60 IN TXT "{'x' * 250}"
""" + "".join(f'many 60 IN TXT "{i:03d}{"y" * 240}"\n' for i in range(40)),
    "bogus.test": SOA + f"@ 60 IN MX 10 mx\nmx 60 IN A 127.0.0.1\n_25._tcp.mx 60 IN TLSA {TLSA}\n",
    "plain.test": SOA + "@ 60 IN MX 10 mx\nmx 60 IN A 127.0.0.1\nmx 60 IN TXT plain\n",
    "2.0.192.in-addr.arpa": SOA + "1 60 IN PTR mx1.example.test.\n",
}
EXPIRED = ["-i", "20200101000000", "-e", "20200201000000"]


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed"
    return found


class Servers:
    """NSD with the zones and unbound in front of it, in a directory of their own, on free ports."""

    def __init__(self):
        self.dir = work_dir()
        self.nsd_port, self.port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.processes = []
        try:
            self._make_zones()
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def path(self, name):
        return os.path.join(self.dir, name)

    def _make_zones(self):
        delegations = ""
        for zone in ("example.test", "bogus.test"):
            key = self._sign(zone, ZONES[zone], EXPIRED if zone == "bogus.test" else [])
            delegations += f"{zone}. 60 IN NS ns.test.\n" + self._run("ldns-key2ds", "-n", "-2", key + ".key")
        for zone in ("plain.test", "2.0.192.in-addr.arpa"):
            self._write(f"{zone}.zone", f"$ORIGIN {zone}.\n{ZONES[zone]}")
        delegations += "plain.test. 60 IN NS ns.test.\n"
        key = self._sign("test", SOA + "ns 60 IN A 127.0.0.1\n" + delegations, [])
        self._write("anchor.ds", self._run("ldns-key2ds", "-n", "-2", key + ".key"))

    def _sign(self, zone, text, dates):
        self._write(f"{zone}.plain", f"$ORIGIN {zone}.\n$TTL 60\n{text}")
        ksk = self._run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone).strip()
        zsk = self._run("ldns-keygen", "-a", "ECDSAP256SHA256", zone).strip()
        self._run("ldns-signzone", "-n", "-s", "aa", *dates, "-f", f"{zone}.zone", f"{zone}.plain", ksk, zsk)
        return ksk

    def _run(self, name, *words):
        done = subprocess.run([tool(name), *words], cwd=self.dir, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        return self.path(name)

    def _start(self):
        zones = ["test", *ZONES]
        nsd = f"""server:
  ip-address: 127.0.0.1@{self.nsd_port}
  username: ""
  chroot: ""
  database: ""
  pidfile: "{self.path('nsd.pid')}"
  zonelistfile: "{self.path('zones.list')}"
  xfrdfile: "{self.path('xfrd.state')}"
  xfrdir: "{self.dir}"
  zonesdir: "{self.dir}"
remote-control:
  control-enable: no
""" + "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{zone}.zone"\n' for zone in zones)
        unbound = f"""server:
  interface: 127.0.0.1
  port: {self.port}
  username: ""
  chroot: ""
  directory: "{self.dir}"
  pidfile: "{self.path('unbound.pid')}"
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  do-ip6: no
  trust-anchor-file: "{self.path('anchor.ds')}"
  module-config: "validator iterator"
  local-zone: "test." nodefault
  local-zone: "2.0.192.in-addr.arpa." nodefault
  domain-insecure: "2.0.192.in-addr.arpa"
  cache-max-ttl: 5
  cache-max-negative-ttl: 1
remote-control:
  control-enable: no
""" + "".join(f'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{self.nsd_port}\n' for zone in zones)
        for path in glob.glob(self.path("*")):
            os.chmod(path, 0o644)
        self._spawn("nsd", "-d", "-c", self._write("nsd.conf", nsd))
        self._spawn("unbound", "-d", "-p", "-c", self._write("unbound.conf", unbound))

    def _spawn(self, name, *words):
        """As nobody when started by root: these programs need no rights."""
        user = None
        if is_root():
            user = pwd.getpwnam("nobody").pw_uid
            os.chown(self.dir, user, -1)
        with open(self.path(name + ".log"), "wb") as log:
            self.processes.append(subprocess.Popen([tool(name), *words], stdout=log, stderr=log, user=user, cwd=self.dir))

    def logs(self):
        out = ""
        for name in ("nsd.log", "unbound.log"):
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                out += f"--- {name}\n" + "".join(file.readlines()[-15:])
        return out

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)


SERVERS = None


def daemon(core=None):
    return Daemon({"resolvers": [SERVERS.address], **(core or {})})


def ask(veredus, name, kind, code=0):
    found = veredus.cmd("dns", name, kind, json=True, code=code)
    assert len(found) == 1, found
    return found[0]


def ready(veredus):
    """The servers may still be loading: asked for several names, because a failure is remembered for two seconds."""
    wait_until(lambda: ask(veredus, "example.test", "MX", None)["status"] == "ok", 30, SERVERS.logs, 0.3)
    return veredus


def test_authentic_answers_of_every_type():
    with daemon() as veredus:
        ready(veredus)
        mx = ask(veredus, "example.test", "MX")
        assert mx["status"] == "ok" and mx["authentic"] is True and mx["bogus"] is False, mx
        assert sorted((r["preference"], r["target"]) for r in mx["records"]) == [(10, "mx1.example.test"), (20, "mx2.example.test")], mx
        assert ask(veredus, "mx1.example.test", "A")["records"][0]["address"] == "127.0.0.1"
        assert ask(veredus, "mx1.example.test", "AAAA")["records"][0]["address"] == "::1"
        assert ask(veredus, "EXAMPLE.Test.", "TXT")["records"][0]["text"] == "v=spf1 -all and more"
        assert ask(veredus, "alias.example.test", "CNAME")["records"][0]["target"] == "mx1.example.test"
        tlsa = ask(veredus, "_25._tcp.mx1.example.test", "TLSA")
        assert tlsa["authentic"] and tlsa["records"][0]["data"] == TLSA, tlsa
        chain = ask(veredus, "chain.example.test", "A")
        assert chain["canonical"] == "mx1.example.test" and chain["authentic"], chain
        null = ask(veredus, "null.example.test", "MX")
        assert null["records"] == [{"preference": 0, "target": "", "ttl": null["records"][0]["ttl"]}], null
        text = veredus.cmd("dns", "example.test", "mx")
        assert "10 mx1.example.test." in text and "authentic" in text, text


def test_answers_that_are_not_authenticated():
    with daemon() as veredus:
        ready(veredus)
        plain = ask(veredus, "plain.test", "MX")
        assert plain["status"] == "ok" and plain["authentic"] is False, plain
        ptr = ask(veredus, "192.0.2.1", "PTR")
        assert ptr["records"][0]["target"] == "mx1.example.test" and ptr["authentic"] is False, ptr
        assert ask(veredus, "1.2.0.192.in-addr.arpa", "PTR")["records"] == ptr["records"]
    with daemon({"tls": {"trusted_resolvers": ["192.0.2.0/24"]}}) as veredus:
        ready(veredus)
        assert ask(veredus, "example.test", "MX")["authentic"] is False, "AD believed from a resolver that is not trusted"


def test_what_is_not_there():
    with daemon() as veredus:
        ready(veredus)
        gone = ask(veredus, "gone.example.test", "MX")
        assert gone["status"] == "no_name" and gone["authentic"] is True and gone["records"] == [], gone
        empty = ask(veredus, "mx1.example.test", "MX")
        assert empty["status"] == "no_data" and empty["authentic"] is True, empty
        dangling = ask(veredus, "dangling.example.test", "A")
        assert dangling["status"] == "no_name" and dangling["canonical"] == "nothing.example.test", dangling
        assert ask(veredus, "a..b", "A")["status"] == "no_name"
        assert veredus.run("dns", "example.test", "ANY").returncode == 64
        assert veredus.run("dns", "example.test").returncode == 64


def test_bogus_is_told_apart():
    with daemon() as veredus:
        ready(veredus)
        mx = ask(veredus, "bogus.test", "MX", 75)
        assert mx["status"] == "server_failure" and mx["temporary"] and mx["records"] == [], mx
        tlsa = ask(veredus, "_25._tcp.mx.bogus.test", "TLSA", 75)
        assert tlsa["bogus"] is True and tlsa["records"] == [], tlsa


def test_a_large_answer_comes_by_tcp():
    with daemon() as veredus:
        ready(veredus)
        many = ask(veredus, "many.example.test", "TXT")
        assert many["status"] == "ok" and len(many["records"]) == 41 and many["authentic"], many
        assert veredus.metrics()["veredus_dns_by_tcp_total"] >= 1


def test_a_dead_resolver_is_passed_over():
    with daemon({"resolvers": [f"127.0.0.1:{free_port()}", SERVERS.address]}) as veredus:
        ready(veredus)
        assert ask(veredus, "example.test", "MX")["server"] == SERVERS.address
    with daemon({"resolvers": [f"127.0.0.1:{free_port()}"]}) as veredus:
        answer = ask(veredus, "example.test", "MX", 75)
        assert answer["temporary"] and answer["problem"], answer


def test_the_hosts_table_comes_first():
    with daemon({"hosts": {"mx1.example.test": ["127.0.0.9"]}}) as veredus:
        assert ask(veredus, "mx1.example.test", "A")["records"][0]["address"] == "127.0.0.9"
        assert ask(veredus, "localhost", "A")["records"][0]["address"] == "127.0.0.1"


def test_mail_goes_where_the_mx_says():
    with Sink() as sink, daemon({"outbound": {"port": int(sink.address.rsplit(":", 1)[1])}, "relay_domains": []}) as veredus:
        ready(veredus)
        for domain in ("example.test", "plain.test"):
            send_one(veredus.port, recipients=[f"someone@{domain}"])
        arrived = sink.wait(2)
        assert sorted(a.recipients[0] for a in arrived) == ["someone@example.test", "someone@plain.test"], arrived
        veredus.wait_empty()
        send_one(veredus.port, recipients=["someone@null.example.test", "someone@gone.example.test"])
        veredus.wait_event("recipient.bounced", recipient="someone@null.example.test")
        veredus.wait_event("recipient.bounced", recipient="someone@gone.example.test")
        send_one(veredus.port, recipients=["someone@bogus.test"])
        veredus.wait_event("destination.backoff", destination="mx:bogus.test", timeout=30)
        waiting = veredus.queue("--recipient", "someone@bogus.test")[0]["recipients"][0]
        assert waiting["state"] == "queued" and waiting["reply"].startswith("451 4.4.3 "), waiting
        assert waiting["destination"] == "mx:bogus.test", waiting
        assert len(sink.wait(2)) == 2, "mail for a bogus domain must wait"
        veredus.cmd("queue", "delete", "--older", "0s")


if __name__ == "__main__":
    with Servers() as SERVERS:
        run_tests(globals())
