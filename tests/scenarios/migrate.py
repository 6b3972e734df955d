#!/usr/bin/env python3
# veredus migrate postfix: the configuration of an ordinary Debian host becomes one of ours that is good, starts and relays; what has no
# counterpart is told with its place; nothing is written over; passwords are for the daemon's user alone.
import os
import re
import stat
import subprocess

from lib_veredus import *

# As Debian's package writes it, for a host that relays by its provider, with what administrators add.
MAIN_CF = """# See /usr/share/postfix/main.cf.dist for a commented, more complete version

smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no

# appending .domain is the MUA's job.
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6

# TLS parameters
smtpd_tls_cert_file={dir}/cert.pem
smtpd_tls_key_file={dir}/key.pem
smtpd_tls_security_level=may
smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:${{data_directory}}/smtp_scache

smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_recipient_restrictions =
    permit_mynetworks,
    # ask others
    reject_unauth_destination,
    check_policy_service inet:127.0.0.1:10023
myhostname = mx.example.test
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
myorigin = $mydomain
mydestination = $myhostname, localhost.$mydomain, localhost
relayhost = [127.0.0.1]:{hop}
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
relay_domains = relayed.test
transport_maps = hash:{dir}/transport
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = hash:{dir}/sasl_passwd
smtp_sasl_security_options = noanonymous
mailbox_size_limit = 0
message_size_limit = 20480000
recipient_delimiter = +
inet_interfaces = all
inet_protocols = ipv4
maximal_queue_lifetime = 2d
delay_warning_time = 4h
smtpd_milters = inet:127.0.0.1:8891
"""

MASTER_CF = """# service type  private unpriv  chroot  wakeup  maxproc command + args
smtp      inet  n       -       y       -       -       smtpd
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_client_restrictions=permit_mynetworks,reject
pickup    unix  n       -       y       60      1       pickup
qmgr      unix  n       -       n       300     1       qmgr
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
lmtp      unix  -       -       y       -       -       lmtp
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}
"""


class Host:
    """A Postfix's directory, and the command on it."""

    def __init__(self, hop, lmtp):
        self.dir = work_dir()
        self.to = os.path.join(self.dir, "new")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=mx.example.test",
                        "-keyout", f"{self.dir}/key.pem", "-out", f"{self.dir}/cert.pem"], check=True, capture_output=True)
        self.write("main.cf", MAIN_CF.format(dir=self.dir, hop=hop.port))
        self.write("master.cf", MASTER_CF)
        self.write("transport", f"relayed.test lmtp:inet:127.0.0.1:{lmtp.port}\n.paid.test smtp:[192.0.2.25]:587\nold.test uucp:old\n")
        self.write("sasl_passwd", "[192.0.2.25]:587 me:tell-nobody\n")

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
            file.write(text)

    def migrate(self, *words):
        return subprocess.run([VEREDUS, "migrate", "postfix", self.dir, *(words or ("--to", self.to))], capture_output=True, text=True, timeout=20, check=False)

    def files(self):
        return {name: open(os.path.join(self.to, name), encoding="utf-8").read() for name in os.listdir(self.to)}


def test_written_checked_and_told():
    with Hop() as hop, Hop(lmtp=True) as lmtp:
        host = Host(hop, lmtp)
        done = host.migrate()
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith("new: the configuration is good\n"), done.stdout
        secret = os.path.join(host.to, "password-192.0.2.25")
        assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600 and open(secret, encoding="ascii").read() == "tell-nobody\n"
        assert "tell-nobody" not in done.stdout
        told = [line for line in done.stdout.splitlines() if ": not translated: " in line]
        places = {re.split(r": not translated: ", line)[0].rsplit("/", 1)[-1] for line in told}
        lines = {text.split(" ")[0]: number for number, text in enumerate(open(f"{host.dir}/main.cf", encoding="utf-8").read().splitlines(), 1)}
        assert places == {f"main.cf:{lines['smtpd_recipient_restrictions']}", f"main.cf:{lines['smtpd_milters']}", "transport:3"}, told
        before = host.files()
        again = host.migrate()
        assert again.returncode == 73 and "exists" in again.stderr, again
        assert host.files() == before


def test_starts_and_relays():
    with Hop() as hop, Hop(lmtp=True) as lmtp:
        host = Host(hop, lmtp)
        assert host.migrate().returncode == 0
        with Daemon(start=False) as daemon:
            ports = {"25": free_port(), "587": free_port()}
            for name, text in host.files().items():
                if name == "00-core.yaml":  # the places of a test instead of those of a host
                    text = re.sub(r"  user: veredus\n", "", text)
                    text = re.sub(r'"0\.0\.0\.0:(\d+)"', lambda m: f'"127.0.0.1:{ports[m[1]]}"', text)
                    text = text.replace("/usr/lib/veredus/veredus-local", os.path.join(BUILD, "plugins/local/veredus-local"))
                    text += f"  spool: {daemon.spool}\n  state: {daemon.dir}/state\n  control: {daemon.control}\n"
                daemon.write(name, text)
            daemon.start()
            with Smtp(ports["25"]) as smtp:
                greeting = str(smtp.cmd("EHLO client.test", 250))
                assert "STARTTLS" in greeting and "SIZE 20480000" in greeting, greeting
            send_one(ports["25"], sender="ann@example.test", recipients=["far@elsewhere.test"])
            send_one(ports["25"], sender="ann@example.test", recipients=["bob@relayed.test"])
            wait_until(lambda: len(hop.messages) == 1 and len(lmtp.messages) == 1, 15, lambda: f"{hop.messages} {lmtp.messages}\n{daemon.tail()}")


def test_wrong_calls():
    with Hop() as hop:
        host = Host(hop, hop)
        for words, code in ((("--to",), 64), ((host.dir,), 64), (("--from", "x"), 64)):
            assert host.migrate(*words).returncode == code, words
        os.unlink(os.path.join(host.dir, "main.cf"))
        done = host.migrate()
        assert done.returncode == 66 and "main.cf" in done.stderr and not os.path.exists(host.to), done


if __name__ == "__main__":
    run_tests(globals())
