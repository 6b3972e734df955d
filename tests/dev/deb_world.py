"""What the tests of the packages share: running programs as users, waiting, mailboxes, packages, one line a step."""
import glob
import os
import pwd
import re
import subprocess
import time

SPOOL, DROP, STATE = "/var/spool/veredus", "/var/spool/veredus/drop", "/var/lib/veredus"


def run(*words, user=None, text="", env=None, check=True, cwd="/"):
    words = list(words)
    if user:
        account = pwd.getpwnam(user)
        words = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups", *words]
        env = {"HOME": account.pw_dir, "USER": user, "LOGNAME": user, "PATH": os.environ["PATH"], "SHELL": "/bin/sh", **(env or {})}
    done = subprocess.run(words, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=cwd, timeout=240, check=False)
    out = done.stdout.decode("utf-8", "replace")
    assert not check or done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}\n{out[-3000:]}"
    return out


def wait_until(what, seconds, complaint):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, complaint() if callable(complaint) else complaint
        time.sleep(0.05)


def mailbox(user):
    try:
        with open(f"/var/mail/{user}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def arrives(word, user="ann", seconds=20):
    wait_until(lambda: word in mailbox(user), seconds, lambda: f"no '{word}' for {user} after {seconds} s\n{mailbox(user)[-500:]}\n{log_tail()}")


def log_tail():
    if os.path.isdir("/run/systemd/system"):
        return run("journalctl", "-u", "veredus", "-o", "cat", "-n", "40", "--no-pager", check=False)[-3000:]
    try:
        with open("/var/log/veredus.log", encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]
    except FileNotFoundError:
        return "no log"


def home(user):
    return pwd.getpwnam(user).pw_dir


def queue_ids():
    return re.findall(r"^([0-9A-Za-z]+)[*!#]? +\d+ ", run("mailq"), re.M)


def packages(where="/packages"):
    return sorted(name for name in glob.glob(f"{where}/veredus*.deb"))


def install(names, *options):
    return run("apt-get", "install", "-y", "--no-install-recommends", *options, *names)


def installed(name):
    return "ok installed" in run("dpkg-query", "-W", "-f", "${Status}", name, check=False)


def make_users(*users):
    for user in users:
        run("useradd", "-m", "-s", "/bin/sh", user)


def carry_out(steps):
    """One line a step, and the totals; the exit code."""
    failed = 0
    for step in steps:
        began = time.monotonic()
        try:
            step()
            print(f"ok   deb {step.__name__} ({time.monotonic() - began:.0f} s)", flush=True)
        except Exception as problem:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL deb {step.__name__}: {type(problem).__name__}: {problem}", flush=True)
    print(f"{len(steps) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0
