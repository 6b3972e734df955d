"""Runs inside of the root that deb-test.sh makes: a Debian in which Exim is installed. Installs the packages, lets real programs hand in mail, kills
and restarts between, upgrades, goes back, removes, purges. One line a step; exit 0 when all of them passed."""
import glob
import grp
import json
import os
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys

from deb_world import DROP, SPOOL, STATE, arrives, carry_out, home, install, installed, log_tail, mailbox, make_users, packages, queue_ids, run, wait_until

DAEMONS = []


def start():
    log = open("/var/log/veredus.log", "ab")
    DAEMONS.append(subprocess.Popen(["/usr/sbin/veredusd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    assert subprocess.run(["veredus", "status", "--wait", "20"], stdout=subprocess.DEVNULL, check=False).returncode == 0, f"not ready\n{log_tail()}"


def worker_pid():
    with open("/var/log/veredus.log", encoding="utf-8", errors="replace") as file:
        events = [json.loads(line) for line in file if line.startswith("{") and line.endswith("}\n")]
    return [event["pid"] for event in events if event.get("event") == "worker.started"][-1]


def stop(number=signal.SIGTERM):
    daemon = DAEMONS.pop()
    daemon.send_signal(number)
    daemon.wait(40)


# Steps

def prepare():
    run("ip", "link", "set", "lo", "up")
    socket.sethostname("host.example.test")
    with open("/etc/hosts", "w", encoding="ascii") as file:
        file.write("127.0.0.1 localhost\n127.0.1.1 host.example.test host\n::1 localhost\n")
    make_users("ann", "bob")
    assert installed("exim4-daemon-light")
    with open("/etc/mailname", "w", encoding="ascii") as file:
        file.write("example.test\n")
    with open("/etc/aliases", "w", encoding="ascii") as file:
        file.write("# mine\nroot: ann\nteam: ann, bob")  # without an end of line


def replaces_exim():
    install(packages())
    assert not installed("exim4-daemon-light") and installed("veredus") and installed("veredus-plugin-dkim")
    assert run("dpkg", "--audit") == ""
    for path in ("/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"):
        assert os.path.realpath(path) == "/usr/bin/veredus", path
    helper = os.stat("/usr/lib/veredus/veredus-drop")
    assert helper.st_mode & 0o7777 == 0o2755 and grp.getgrgid(helper.st_gid).gr_name == "veredus-drop"
    assert "veredus-drop" in run("dpkg-statoverride", "--list", "/usr/lib/veredus/veredus-drop")
    aliases = open("/etc/aliases", encoding="ascii").read()
    assert aliases == "# mine\nroot: ann\nteam: ann, bob\npostmaster: root\n", aliases
    assert open("/etc/mailname", encoding="ascii").read() == "example.test\n"
    assert "good" in run("veredus", "config", "check")
    setuid = run("find", "/", "-xdev", "-user", "root", "-perm", "-4000", "-path", "*veredus*")
    assert setuid == "", setuid


def without_daemon():
    run("/usr/sbin/sendmail", "-i", "ann", user="bob", text="Subject: while-down\n\nx\n")
    assert os.listdir(DROP)
    assert run("ls", DROP, user="bob", check=False).startswith("ls: cannot open")
    start()
    arrives("while-down")
    wait_until(lambda: not os.listdir(DROP), 10, "the drop directory is not emptied")


def listens_on_loopback_only():
    ports = set(re.findall(r"(\S+):25\b", run("ss", "-Hlnt")))
    assert ports and all(one.startswith(("127.", "[::1]")) for one in ports), ports


def command_lines():
    for number, words in enumerate((
            ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "ann"], ["-FAnacron", "-odi", "ann"], ["-i", "ann"], ["-t"], ["-oi", "-t"], ["-ti"],
            ["-f", "bob@example.test", "-oi", "-oem", "ann"], ["-i", "-f", "bob", "-F", "Bob B", "--", "ann"], ["-oem", "-oi", "-N", "never", "--", "ann"])):
        run("/usr/sbin/sendmail", *words, user="bob", text=f"To: ann\nSubject: words-{number}-\n\nx\n")
        arrives(f"words-{number}-")


def mailers():
    run("bsd-mailx", "-s", "from-mailx", "ann", user="bob", text="x\n")
    run("s-nail", "-s", "from-s-nail", "ann", user="bob", text="x\n")
    run("mutt", "-s", "from-mutt", "--", "ann", user="bob", text="x\n")
    run("php", "-r", 'exit(mail("ann", "from-php", "x", "", "-fbob@example.test") ? 0 : 1);', user="bob")
    for word in ("from-mailx", "from-s-nail", "from-mutt", "from-php"):
        arrives(word)


def python_smtplib():
    with smtplib.SMTP("localhost", 25) as smtp:
        smtp.sendmail("bob@example.test", ["ann@example.test"], "Subject: from-smtplib\r\n\r\nx\r\n")
        try:
            smtp.sendmail("bob@example.test", ["nobody-here@example.test"], "x\r\n")
            raise AssertionError("an unknown user was taken")
        except smtplib.SMTPRecipientsRefused as refused:
            assert refused.recipients["nobody-here@example.test"][0] == 550
    arrives("from-smtplib")


def git_send_email():
    place = home("bob") + "/repository"
    git = ["git", "-c", "user.name=Bob", "-c", "user.email=bob@example.test", "-C", place]
    run("git", "init", "-q", place, user="bob")
    with open(f"{place}/file", "w", encoding="ascii") as file:
        file.write("x\n")
    run(*git, "add", "file", user="bob")
    run(*git, "commit", "-qm", "from-git", user="bob")
    run(*git, "send-email", "--quiet", "--to=ann@example.test", "--confirm=never", "--suppress-cc=all", "-1", user="bob")
    arrives("[PATCH] from-git")


def sudo_mail():
    with open("/etc/sudoers.d/test", "w", encoding="ascii") as file:
        file.write('Defaults mailto="ann", mail_always, mailerpath=/usr/sbin/sendmail\nbob ALL=(ALL) NOPASSWD: /bin/true\n')
    os.chmod("/etc/sudoers.d/test", 0o440)
    run("sudo", "-n", "/bin/true", user="bob")
    arrives("bob : ", seconds=20)


def logwatch_mail():
    os.makedirs("/var/cache/logwatch", exist_ok=True)
    run("logwatch", "--output", "mail", "--mailto", "ann", "--range", "all", "--detail", "high", "--service", "zz-disk_space")
    arrives("Logwatch for", seconds=30)


def cron_and_at():
    with open("/etc/cron.d/test", "w", encoding="ascii") as file:
        file.write("MAILTO=ann\n* * * * * bob echo from-real-cron\n")
    cron = subprocess.Popen(["cron", "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atd = subprocess.Popen(["atd", "-f", "-b", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run("at", "-m", "now", user="bob", text="echo from-real-at\n")
        arrives("from-real-at", "bob", 75)
        arrives("from-real-cron", "ann", 75)
    finally:
        for child in (cron, atd):
            child.terminate()
            child.wait(10)
        os.unlink("/etc/cron.d/test")


def local_ways():
    with open(home("bob") + "/.forward", "w", encoding="ascii") as file:
        file.write('"|/usr/bin/procmail"\n')
    with open(home("bob") + "/.procmailrc", "w", encoding="ascii") as file:
        file.write("MAILDIR=$HOME\nDEFAULT=$HOME/by-procmail\n")
    for name in (".forward", ".procmailrc"):
        shutil.chown(f"{home('bob')}/{name}", "bob", "bob")
        os.chmod(f"{home('bob')}/{name}", 0o644)
    run("/usr/sbin/sendmail", "team", user="ann", text="Subject: to-team\n\nx\n.\n")
    arrives("to-team")
    wait_until(lambda: os.path.exists(home("bob") + "/by-procmail") and "to-team" in open(home("bob") + "/by-procmail", encoding="utf-8").read(), 20, lambda: "procmail got nothing\n" + log_tail())
    assert os.stat(home("bob") + "/by-procmail").st_uid == pwd.getpwnam("bob").pw_uid
    run("/usr/sbin/sendmail", "root", text="Subject: to-root\n\nx\n")
    arrives("to-root")
    with open("/etc/aliases", "a", encoding="ascii") as file:
        file.write("later: ann\n")
    run("newaliases")
    run("/usr/sbin/sendmail", "later", text="Subject: to-later\n\nx\n")
    arrives("to-later")
    box = os.stat("/var/mail/ann")
    assert box.st_uid == pwd.getpwnam("ann").pw_uid and box.st_mode & 0o007 == 0, oct(box.st_mode)


def queue_is_seen():
    assert "Mail queue is empty" in run("mailq", user="bob")
    run("/usr/sbin/sendmail", "far@elsewhere.example", user="bob", text="Subject: far\n\nx\n")
    wait_until(queue_ids, 10, "mailq shows nothing")
    text = run("mailq", user="bob")
    assert text.startswith("-Queue ID-") and "far@elsewhere.example" in text and re.search(r"^-- \d+ Kbytes in 1 Request", text, re.M), text


def killed_between():
    words = []
    for number in range(30):
        if number in (5, 15):
            os.kill(worker_pid(), signal.SIGKILL)
        if number == 22:
            stop(signal.SIGKILL)
        run("/usr/sbin/sendmail", "-i", "ann", user="bob", text=f"Subject: kill-{number}-\n\nx\n")
        words.append(f"kill-{number}-")
    start()
    for word in words:
        arrives(word, seconds=40)


def upgrade_and_back():
    before = queue_ids()
    assert len(before) == 1, before
    stop()
    for names, options in ((packages("/packages/next"), ()), (packages(), ("--allow-downgrades",))):
        install(names, *options)
        start()
        assert queue_ids() == before
        run("/usr/sbin/sendmail", "ann", text=f"Subject: after-{len(names)}-{len(options)}\n\nx\n")
        arrives(f"after-{len(names)}-{len(options)}")
        stop()
    assert run("dpkg-statoverride", "--list").count("veredus-drop") == 2  # the group and the path, on one line
    assert open("/etc/aliases", encoding="ascii").read().count("postmaster:") == 1


def plugin_goes_away():
    start()
    run("veredus", "enable", "dkim")
    assert os.path.exists("/etc/veredus/conf.d/31-dkim.yaml")
    run("apt-get", "remove", "-y", "veredus-plugin-dkim")
    assert not os.path.exists("/etc/veredus/conf.d/31-dkim.yaml") and "good" in run("veredus", "config", "check")
    stop()
    install([name for name in packages() if "plugin-dkim" in name])


def removal_keeps_mail():
    run("apt-get", "remove", "-y", *[os.path.basename(name).split("_")[0] for name in packages()])
    assert not os.path.lexists("/usr/sbin/sendmail") and os.path.exists("/etc/veredus/conf.d/00-core.yaml")
    run("dpkg", "--purge", "veredus")
    assert os.path.isdir(SPOOL) and pwd.getpwnam("veredus")
    assert run("dpkg-statoverride", "--list").count("veredus") == 0
    install(packages())
    start()
    assert len(queue_ids()) == 1
    run("/usr/sbin/sendmail", "ann", text="Subject: installed-again\n\nx\n")
    arrives("installed-again")


def purge_leaves_nothing():
    run("veredus", "queue", "delete", *queue_ids())
    assert not queue_ids()
    stop()
    run("apt-get", "purge", "-y", *[os.path.basename(name).split("_")[0] for name in packages()])
    left = [path for path in (SPOOL, STATE, "/etc/veredus", "/usr/lib/veredus", "/usr/share/veredus", "/run/veredus") if os.path.lexists(path)]
    assert not left, left
    for kind, name in ((pwd.getpwnam, "veredus"), (grp.getgrnam, "veredus"), (grp.getgrnam, "veredus-drop")):
        try:
            raise AssertionError(f"{kind(name)} is left")
        except KeyError:
            pass
    assert os.path.exists("/etc/aliases") and os.path.exists("/etc/mailname") and "installed-again" in mailbox("ann")
    assert run("dpkg", "--audit") == ""


def fresh_host():
    for path in ("/etc/mailname", "/etc/aliases"):
        os.unlink(path)
    install(packages())
    assert open("/etc/mailname", encoding="ascii").read() == "host.example.test\n"
    aliases = open("/etc/aliases", encoding="ascii").read()
    assert "\npostmaster: root\n" in aliases and "\nroot: ann\n" in aliases, aliases  # the user with the first number
    start()
    run("/usr/sbin/sendmail", "postmaster", text="Subject: to-a-fresh-postmaster\n\nx\n")
    arrives("to-a-fresh-postmaster")
    stop()
    run("apt-get", "purge", "-y", *[os.path.basename(name).split("_")[0] for name in packages()])
    assert not os.path.lexists(SPOOL)


def exim_comes_back():
    install(packages())
    run("apt-get", "install", "-y", "--no-install-recommends", "exim4-daemon-light")
    assert installed("exim4-daemon-light") and not installed("veredus") and run("dpkg", "--audit") == ""


def monitoring_reads_mailq():
    """check_mailq of Debian's monitoring plugins, told that this is Postfix: one message waits, then two, which is too many."""
    install(["monitoring-plugins-standard"])
    check = ("/usr/lib/nagios/plugins/check_mailq", "-M", "postfix", "-w", "2", "-c", "5")
    before = queue_ids()
    assert len(before) == 1
    said = run(*check, check=False)
    assert said.startswith("OK: "), said
    run("/usr/sbin/sendmail", "-f", "ann@example.test", "far@elsewhere.example", text="Subject: x\n\nx\n")
    wait_until(lambda: len(queue_ids()) == 2, 10, "the message does not wait")
    said = run(*check, check=False)
    assert said.startswith("WARNING: ") and "2" in said, said
    run("veredus", "queue", "delete", *(set(queue_ids()) - set(before)))


def replaces_postfix():
    """On a host with Postfix: its configuration is read, then the package takes its place."""
    run("apt-get", "install", "-y", "--no-install-recommends", "postfix")
    assert installed("postfix") and not installed("exim4-daemon-light")
    run("postconf", "-e", "mydestination = example.test, localhost", "relayhost = [smart.example.test]:587")
    install(packages())
    assert not installed("postfix") and installed("veredus") and run("dpkg", "--audit") == ""
    told = run("veredus", "migrate", "postfix", "/etc/postfix", "--to", "/tmp/migrated")
    assert os.path.exists("/tmp/migrated/00-core.yaml") or os.listdir("/tmp/migrated"), told
    text = "".join(open(path, encoding="utf-8").read() for path in glob.glob("/tmp/migrated/*.yaml"))
    assert "smart.example.test" in text and "example.test" in text, text
    start()
    run("/usr/sbin/sendmail", "ann", text="Subject: after-postfix\n\nx\n")
    arrives("after-postfix")
    stop()


STEPS = (replaces_exim, without_daemon, listens_on_loopback_only, command_lines, mailers, python_smtplib, git_send_email, sudo_mail, logwatch_mail, cron_and_at,
         local_ways, queue_is_seen, monitoring_reads_mailq, killed_between, upgrade_and_back, plugin_goes_away, removal_keeps_mail, purge_leaves_nothing,
         fresh_host, exim_comes_back, replaces_postfix)


def main():
    prepare()
    try:
        return carry_out(STEPS)
    finally:
        for daemon in DAEMONS:
            daemon.kill()


if __name__ == "__main__":
    sys.exit(main())
