# SignedTree: zones from a dictionary, signed by ldns-signzone, served by a real NSD, validated by a real unbound; both on free ports of
# loopback, as nobody when started by root, ended by their pids.
#
#     TREE = {
#         "example.test": {"@": "MX 10 mx", "mx": "A 127.0.0.1", "_25._tcp.mx": [tlsa(pem), "TLSA 3 1 1 abcd..."]},   # signed
#         "plain.test": unsigned({"@": "MX 10 mx.example.test."}),
#         "island.test": insecure({"mx": "A 127.0.0.1"}),                # signed, but the parent has no DS: an insecure delegation
#         "old.test": expired({"mx": "A 127.0.0.1"}),                    # the signatures' time is over: bogus
#         "spoilt.test": bogus({"mx": "A 127.0.0.1"}),                   # no signature is right but those of the keys
#         "dead.test": dead({"mx": "A 127.0.0.1"}),                      # signed and delegated, but its server has no data: SERVFAIL
#         "forged.test": bogus({"mx": "A 127.0.0.1"}, changed={"mx": "A 127.0.0.2"}),   # one record was changed after signing
#     }
#     with SignedTree(TREE) as tree, Daemon({"resolvers": [tree.resolver]}) as daemon:
#         tree.update("example.test", {"_25._tcp.mx": None, "mx2": "A 127.0.0.1"})     # signs again, and waits until it is served
#         daemon.cmd("reload")                                           # so that the daemon forgets what it knows
#
# Names are relative to the zone ("@" is the zone, a dot at the end makes them absolute), data is one text or a list, TTLs are 60 s.
# Parents come by themselves: "test" is made, signed, with NS and DS of its children; its key is the trust anchor (tree.anchor). A zone
# that has no parent here and is not below "test" stands alone: signed with an anchor of its own, or insecure.
# tree.resolver is unbound, tree.nsd the authoritative server (both "ADDRESS:PORT"), tree.stubs() what a resolver of one's own must be told.
# tree.lookup(NAME, TYPE) asks by drill; tlsa(PEM, 3, 1, 1) makes the data of a TLSA record with openssl.
import glob
import hashlib
import os
import pwd
import re
import shutil
import subprocess

from lib_base import free_port, is_root, wait_until, work_dir

LONG_AGO = ["-i", "20200101000000", "-e", "20200201000000"]


class Zone:
    def __init__(self, records, signed=True, delegated=True, dates=(), spoil=False, changed=None, served=True):
        self.served = served
        self.records = {name: _list(data) for name, data in records.items()}
        self.signed, self.delegated, self.dates, self.spoil, self.changed = signed, delegated, list(dates), spoil, changed or {}
        self.keys, self.serial, self.children = None, 0, []


def unsigned(records):
    return Zone(records, signed=False)


def insecure(records):
    return Zone(records, delegated=False)


def expired(records):
    return Zone(records, dates=LONG_AGO)


def dead(records):
    return Zone(records, served=False)


def bogus(records, changed=None):
    return Zone(records, spoil=not changed, changed=changed)


def tlsa(pem, usage=3, selector=1, matching=1):
    """Data of the record for the first certificate of a PEM text or file."""
    if "BEGIN" not in pem:
        with open(pem, encoding="ascii") as file:
            pem = file.read()
    octets = _openssl(["x509", "-outform", "DER"], pem.encode())
    if selector == 1:
        octets = _openssl(["pkey", "-pubin", "-outform", "DER"], _openssl(["x509", "-noout", "-pubkey"], pem.encode()))
    digest = {0: lambda o: o.hex(), 1: lambda o: hashlib.sha256(o).hexdigest(), 2: lambda o: hashlib.sha512(o).hexdigest()}[matching]
    return f"TLSA {usage} {selector} {matching} {digest(octets)}"


class Lookup:
    """What drill printed: status ("NOERROR", "SERVFAIL", ...), ad, and the records of the answer as texts."""

    def __init__(self, text):
        self.text = text
        found = re.search(r"rcode: (\w+)", text)
        self.status = found.group(1) if found else "NONE"
        self.ad = bool(re.search(r";; flags:[^;\n]*\bad\b", text))
        answer = text.split(";; ANSWER SECTION:", 1)[-1].split(";;", 1)[0]
        self.records = [line for line in answer.splitlines() if line and "\tRRSIG\t" not in line]


class SignedTree:
    def __init__(self, zones):
        self.dir = work_dir()
        self.zones = {name: zone if isinstance(zone, Zone) else Zone(zone) for name, zone in zones.items()}
        if any(name.endswith(".test") for name in zones):
            self.zones.setdefault("test", Zone({})).records["ns"] = ["A 127.0.0.1"]
        self.nsd_port, self.port = free_port(), free_port()
        self.nsd, self.resolver = f"127.0.0.1:{self.nsd_port}", f"127.0.0.1:{self.port}"
        self.anchor = self.path("anchors.ds")
        self.processes = {}
        try:
            self._make()
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

    def stubs(self):
        return {name: self.nsd for name in self.zones}

    def insecure_tops(self):
        """Zones without a parent and without signatures: a validator must be told that they are insecure."""
        return [name for name, zone in self.zones.items() if not zone.signed and not self._parent(name)]

    # Changing

    def update(self, name, records, **state):
        """Merges records by name (None removes a name); `state` changes signed, delegated, dates, spoil, changed of the zone."""
        zone = self.zones[name]
        delegation = (zone.signed, zone.delegated)
        for owner, data in records.items():
            zone.records.pop(owner, None)
            if data is not None:
                zone.records[owner] = _list(data)
        for key, value in state.items():
            assert hasattr(zone, key), key
            setattr(zone, key, value)
        self._write_zone(name)
        parent = self._parent(name)
        if parent and delegation != (zone.signed, zone.delegated):
            self._write_zone(parent)
        self.processes["nsd"].send_signal(1)
        self._wait_served([name] + ([parent] if parent else []))
        for top in ("test", name):
            self._control("flush_zone", top)

    # Asking

    def lookup(self, name, kind, server=None, checking=True):
        """Through unbound, or at another server "ADDRESS:PORT"; checking=False sets CD."""
        address, port = (server or self.resolver).rsplit(":", 1)
        words = ["-D", *([] if checking else ["-o", "CD"]), "-p", port, f"@{address}", name, kind]
        done = subprocess.run([_tool("drill"), *words], capture_output=True, text=True, timeout=60, check=False)
        return Lookup(done.stdout + done.stderr)

    # Making

    def _parent(self, name):
        while "." in name:
            name = name.split(".", 1)[1]
            if name in self.zones:
                return name
        return None

    def _make(self):
        for name in sorted(self.zones, key=lambda n: -n.count(".")):  # children first, because parents hold their DS
            parent = self._parent(name)
            if parent:
                self.zones[parent].children.append(name)
            self._write_zone(name)
        tops = [name for name, zone in self.zones.items() if zone.signed and not self._parent(name)]
        self._write("anchors.ds", "".join(self._ds(name) for name in tops))

    def _write_zone(self, name):
        zone = self.zones[name]
        zone.serial += 1
        lines = [f"$ORIGIN {name}.", "$TTL 60", f"@ IN SOA ns.test. root.test. {zone.serial} 60 60 600 1", "@ IN NS ns.test."]
        lines += [f"{owner} IN {data}" for owner, all_data in zone.records.items() for data in all_data]
        for child in zone.children:
            lines.append(f"{child}. IN NS ns.test.")
            if self.zones[child].signed and self.zones[child].delegated:
                lines.append(self._ds(child).strip())
        text = "\n".join(lines) + "\n"
        self._write(name + ".zone", self._signed(name, zone, text) if zone.signed else text)
        os.utime(self.path(name + ".zone"), (zone.serial, zone.serial))  # a reload must see that it is another file

    def _signed(self, name, zone, text):
        self._write(name + ".plain", text)
        if not zone.keys:
            zone.keys = [self._run("ldns-keygen", "-a", "ECDSAP256SHA256", *kind, name).strip() for kind in (["-k"], [])]
        self._run("ldns-signzone", "-n", "-s", "aa", *zone.dates, "-f", name + ".signed", name + ".plain", *zone.keys)
        with open(self.path(name + ".signed"), encoding="ascii") as file:
            lines = file.read().splitlines()
        if zone.spoil:
            lines = [_spoilt(line) for line in lines]
        for owner, data in zone.changed.items():
            lines = _changed(lines, name if owner == "@" else owner if owner.endswith(".") else f"{owner}.{name}", _list(data))
        return "\n".join(lines) + "\n"

    def _ds(self, name):
        return self._run("ldns-key2ds", "-n", "-2", self.zones[name].keys[0] + ".key")

    def _run(self, name, *words):
        done = subprocess.run([_tool(name), *words], cwd=self.dir, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.path(name), 0o644)
        return self.path(name)

    # Serving

    def _start(self):
        for path in glob.glob(self.path("*")):
            os.chmod(path, 0o644)
        if is_root():
            os.chown(self.dir, pwd.getpwnam("nobody").pw_uid, -1)
        self._spawn("nsd", "-d", "-c", self._write("nsd.conf", self._nsd_conf()))
        self._spawn("unbound", "-d", "-p", "-c", self._write("unbound.conf", self._unbound_conf()))
        self._wait_served(self._served())
        wait_until(lambda: self.lookup("ready.invalid", "A").status != "NONE", 20, self.logs, 0.05)

    def _nsd_conf(self):
        return f"""server:
  ip-address: {self.nsd.replace(':', '@')}
  server-count: 1
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
""" + "".join(f'zone:\n  name: "{name}"\n  zonefile: "{name}.{"zone" if zone.served else "none"}"\n' for name, zone in self.zones.items())

    def _unbound_conf(self):
        alone = "".join(f'  local-zone: "{name}." nodefault\n' for name in self.zones if not self._parent(name))
        alone += "".join(f'  domain-insecure: "{name}"\n' for name in self.insecure_tops())
        return f"""server:
  interface: 127.0.0.1
  port: {self.port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{self.dir}"
  pidfile: "{self.path('unbound.pid')}"
  use-syslog: no
  do-daemonize: no
  do-not-query-localhost: no
  do-ip6: no
  trust-anchor-file: "{self.anchor}"
  module-config: "validator iterator"
  cache-max-ttl: 5
  cache-max-negative-ttl: 1
{alone}remote-control:
  control-enable: yes
  control-interface: "{self.path('unbound.control')}"
  control-use-cert: no
""" + "".join(f'stub-zone:\n  name: "{name}"\n  stub-addr: {at.replace(":", "@")}\n' for name, at in self.stubs().items())

    def _served(self):
        return [name for name, zone in self.zones.items() if zone.served]

    def _wait_served(self, names):
        for name in names:
            serial = rf"\sSOA\s+\S+\s+\S+\s+{self.zones[name].serial}\s"
            wait_until(lambda: re.search(serial, self.lookup(name, "SOA", self.nsd).text), 20, self.logs, 0.05)

    def _control(self, *words):
        """Through the socket, which needs no keys; once more when the program is only just starting."""
        call = [_tool("unbound-control"), "-c", self.path("unbound.conf"), *words]
        wait_until(lambda: subprocess.run(call, capture_output=True, timeout=20, check=False).returncode == 0, 10, self.logs, 0.05)

    def _spawn(self, name, *words):
        user = pwd.getpwnam("nobody").pw_uid if is_root() else None
        with open(self.path(name + ".log"), "wb") as log:
            self.processes[name] = subprocess.Popen([_tool(name), *words], stdout=log, stderr=log, user=user, cwd=self.dir)

    def logs(self):
        out = ""
        for name in ("nsd.log", "unbound.log"):
            if os.path.exists(self.path(name)):
                with open(self.path(name), encoding="utf-8", errors="replace") as file:
                    out += f"--- {name}\n" + "".join(file.readlines()[-15:])
        return out

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        if not os.environ.get("VEREDUS_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)


def _list(data):
    return [data] if isinstance(data, str) else list(data)


def _tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert found, f"{name} is not installed"
    return found


def _openssl(words, octets):
    return subprocess.run([_tool("openssl"), *words], input=octets, capture_output=True, timeout=60, check=True).stdout


def _spoilt(line):
    """The same signature with some of its octets exchanged; those of the keys stay, so that the fault is in the data."""
    fields = line.split("\t")
    if "RRSIG" not in fields or "DNSKEY" in line:
        return line
    head, signature = line.rsplit(" ", 1)
    return f"{head} {'AAAA' if not signature.startswith('AAAA') else 'BBBB'}{signature[4:]}"


def _changed(lines, owner, data):
    """Other data for the owner's records of these types; the signatures stay."""
    owner = owner.rstrip(".") + "."
    kinds = {one.split(None, 1)[0] for one in data}
    kept = [line for line in lines if not (line.split("\t")[0] == owner and line.split("\t")[3:4] and line.split("\t")[3] in kinds)]
    assert len(kept) < len(lines), f"{owner} has no {kinds}"
    return kept + [f"{owner}\t60\tIN\t{one.replace(' ', chr(9), 1)}" for one in data]
