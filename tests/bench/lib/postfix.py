"""Postfix from Debian, unpacked (never installed) into a root of its own, run there in its own mount namespace.

Durability is Postfix's default. Everything else is tuned for throughput the way its TUNING_README and postconf(5)
advise: no input flow control, no client limits, no look-ups of names, no address rewriting, enough processes,
high concurrency to the next hop. Its connection cache is off, because on loopback Postfix is faster without: a new
connection costs less than handing an open one through the cache server. The log goes to a file through postlogd.
"""
import glob
import os
import shutil
import subprocess

from tools import accepts, wait_for

USER, GROUP = 30125, 30126  # postfix and postdrop, in the root's own /etc/passwd
QUEUES = "active bounce corrupt defer deferred flush hold incoming private saved trace".split()

MAIN_CF = """compatibility_level = 3.6
myhostname = postfix.bench.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
local_recipient_maps =
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix.log
maillog_file_prefixes = /var
message_size_limit = 52428800
mailbox_size_limit = 0

default_process_limit = {processes}
in_flow_delay = 0
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_tls_security_level = none
smtpd_timeout = 300s
receive_override_options = no_address_mappings, no_unknown_recipient_checks
local_header_rewrite_clients =
append_dot_mydomain = no
enable_long_queue_ids = yes

smtp_dns_support_level = disabled
smtp_tls_security_level = none
smtp_destination_concurrency_limit = {concurrency}
smtp_destination_concurrency_failed_cohort_limit = 1000
initial_destination_concurrency = {concurrency}
smtp_connection_cache_on_demand = no
minimal_backoff_time = {retry}s
maximal_backoff_time = {retry}s
queue_run_delay = {retry}s
smtpd_milters = {milters}
milter_default_action = tempfail
{routes}
"""

MASTER_CF = """127.0.0.1:{port} inet n - n - {processes} smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


def library_packages():
    """Postfix and the shared libraries it needs, as the package lists name them."""
    output = subprocess.run(
        ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks",
         "--no-replaces", "--no-enhances", "libc6", "libdb5.3", "libicu72", "libnsl2", "libsasl2-2", "libssl3"],
        check=True, capture_output=True, text=True).stdout
    return ["postfix"] + sorted({line for line in output.splitlines() if line and line[0].isalpha()})


class Postfix:
    name = "postfix"

    def __init__(self, scratch):
        self.root = os.path.join(scratch, "postfix-root")
        self.debs = os.path.join(scratch, "debs")
        self.log = os.path.join(self.root, "var/log/postfix.log")
        self.port = None

    def missing(self):
        """Why this server cannot run here, or None."""
        if os.geteuid() != 0:
            return "Postfix needs root (its own mount namespace and user ids); run the benchmark with sudo"
        if shutil.which("apt-get") is None:
            return "Postfix is taken from Debian's archive and apt-get is not here"
        return None

    def unpack(self):
        if os.path.exists(os.path.join(self.root, "usr/lib/postfix/sbin/master")):
            return
        os.makedirs(self.debs, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", *library_packages()], cwd=self.debs, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.makedirs(self.root, exist_ok=True)
        for package in sorted(glob.glob(os.path.join(self.debs, "*.deb"))):
            subprocess.run(["dpkg", "-x", package, self.root], check=True)
        if not os.path.exists(os.path.join(self.root, "lib64")):
            os.symlink("usr/lib64", os.path.join(self.root, "lib64"))

    def version(self):
        names = [os.path.basename(path) for path in glob.glob(os.path.join(self.debs, "postfix_*.deb"))]
        return names[0].split("_")[1] if names else "unknown"

    def _write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def _folder(self, path, owner, group, mode):
        path = os.path.join(self.root, path)
        os.makedirs(path, exist_ok=True)
        os.chown(path, owner, group)
        os.chmod(path, mode)

    def _empty_spool(self):
        shutil.rmtree(os.path.join(self.root, "var/spool/postfix"), ignore_errors=True)
        shutil.rmtree(os.path.join(self.root, "var/lib/postfix"), ignore_errors=True)
        self._folder("var/spool/postfix", 0, 0, 0o755)
        for queue in QUEUES:
            self._folder(f"var/spool/postfix/{queue}", USER, 0, 0o700)
        self._folder("var/spool/postfix/pid", 0, 0, 0o755)
        self._folder("var/spool/postfix/maildrop", USER, GROUP, 0o1730)
        self._folder("var/spool/postfix/public", USER, GROUP, 0o2710)
        self._folder("var/lib/postfix", USER, 0, 0o755)
        for folder in ("dev", "proc", "tmp", "var/log"):
            self._folder(folder, 0, 0, 0o755)

    def configure(self, port, plan):
        self.port = port
        self._empty_spool()
        self._write("etc/passwd", f"root:x:0:0::/:/bin/false\npostfix:x:{USER}:{USER}::/:/bin/false\n"
                    "nobody:x:65534:65534::/:/bin/false\n")
        self._write("etc/group", f"root:x:0:\npostfix:x:{USER}:\npostdrop:x:{GROUP}:\nnogroup:x:65534:\n")
        self._write("etc/hosts", "127.0.0.1 localhost postfix.bench.test\n")
        self._write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\n")
        self._write("etc/services", "smtp 25/tcp\n")
        self._write("etc/postfix/transport", "".join(
            f"{domain} smtp:[{host}]:{plan.sink_port}\n" for domain, host in plan.routes))
        routes = ("transport_maps = texthash:/etc/postfix/transport" if plan.routes
                  else f"relayhost = [127.0.0.1]:{plan.sink_port}")
        processes = max(plan.connections + 50, 200)
        self._write("etc/postfix/main.cf", MAIN_CF.format(
            processes=processes, concurrency=plan.concurrency, retry=plan.retry, routes=routes, milters=plan.milters))
        self._write("etc/postfix/master.cf", MASTER_CF.format(port=port, processes=processes))
        if os.path.exists(self.log):
            os.unlink(self.log)

    def command(self):
        script = ('mount --bind /dev "$0/dev" && mount --bind /proc "$0/proc" && '
                  'exec chroot "$0" /usr/lib/postfix/sbin/master -d -c /etc/postfix')
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.root]

    def wait_until_ready(self):
        wait_for(lambda: accepts(self.port), 30, "Postfix to listen")

    def reload(self):
        with open(os.path.join(self.root, "var/spool/postfix/pid/master.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), 1)
