"""Runs inside of the machine that deb-systemd.sh boots: a Debian in which systemd is process 1 and Exim is installed. What the units promise:
starting, stopping, restarting, reloading, kills, callers in sandboxes, sockets of the service manager, the service without root."""
import json
import os
import pwd
import re
import signal
import smtplib
import subprocess
import sys

from deb_world import DROP, SPOOL, arrives, carry_out, home, install, log_tail, make_users, packages, queue_ids, run, wait_until

UNIT = "veredus.service"
CORE = "/etc/veredus/conf.d/00-core.yaml"


def ctl(*words, check=True):
    return run("systemctl", "--no-pager", *words, check=check)


def shown(name, unit=UNIT):
    return ctl("show", "-P", name, unit).strip()


def wait_state(wanted, seconds=30):
    wait_until(lambda: shown("ActiveState") == wanted, seconds, lambda: f"{shown('ActiveState')}, not {wanted}\n{log_tail()}")


def events(name):
    found = []
    for line in run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager").splitlines():
        if line.startswith("{") and json.loads(line)["event"] == name:
            found.append(json.loads(line))
    return found


def send(subject, to="ann", user="bob", **more):
    return run("/usr/sbin/sendmail", "-i", to, user=user, text=f"Subject: {subject}\n\nx\n", **more)


def in_sandbox(subject, *properties):
    """sendmail as a service of its own, as hardened daemons run it. Its exit code."""
    words = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", *[f"--property={one}" for one in properties], "/usr/sbin/sendmail", "-i", "ann"]
    return subprocess.run(words, input=f"Subject: {subject}\n\nx\n".encode(), capture_output=True, timeout=60, check=False)


def set_core(text):
    with open("/etc/veredus/conf.d/01-test.yaml", "w", encoding="ascii") as file:
        file.write(text)


def write_own(user, name, text, mode=0o644):
    path = f"{home(user)}/{name}"
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    os.chmod(path, mode)


# Steps

def system_is_up():
    wait_until(lambda: ctl("is-system-running", check=False).strip() in ("running", "degraded"), 60, lambda: ctl("list-jobs"))
    make_users("ann", "bob")
    with open("/etc/mailname", "w", encoding="ascii") as file:
        file.write("example.test\n")
    with open("/etc/aliases", "w", encoding="ascii") as file:
        file.write("root: ann\npiped: \"|/bin/cat >>/var/tmp/piped\"\n")


def installing_starts_it():
    install(packages())
    assert shown("ActiveState") == "active" and shown("UnitFileState") == "enabled" and shown("Type") == "notify"
    assert shown("StatusText") == "accepting mail", shown("StatusText")
    assert run("pgrep", "-c", "-x", "veredusd").strip() == "2", "supervisor and worker are not known by their name"
    assert ctl("is-enabled", "veredus.socket", check=False).strip() == "disabled"
    told = run("systemd-analyze", "verify", "--man=no", UNIT, "veredus.socket", check=False)
    assert not told, told
    assert events("worker.ready"), "the journal has no events"


def delivers_as_recipients():
    write_own("bob", ".forward", "\\bob\n\"|/bin/cat >from-pipe; id -un >by-whom; touch /tmp/seen-by-pipe\"\n")
    send("into-mbox")
    arrives("into-mbox")
    send("through-forward", to="bob", user="ann")
    arrives("through-forward", "bob")
    wait_until(lambda: os.path.exists(home("bob") + "/by-whom"), 20, log_tail)
    assert open(home("bob") + "/by-whom", encoding="ascii").read() == "bob\n"
    assert "through-forward" in open(home("bob") + "/from-pipe", encoding="ascii").read()
    wait_until(lambda: os.path.exists("/tmp/seen-by-pipe"), 10, "a program of .forward has another /tmp than its user")
    send("to-alias-pipe", to="piped")
    wait_until(lambda: os.path.exists("/var/tmp/piped"), 20, log_tail)
    assert pwd.getpwuid(os.stat("/var/tmp/piped").st_uid).pw_name == "nobody"


def callers_in_sandboxes():
    for number, properties in enumerate((["NoNewPrivileges=yes"], ["DynamicUser=yes"], ["User=bob", "ProtectSystem=strict", "PrivateTmp=yes", "ProtectHome=yes", "PrivateDevices=yes"],
                                         ["User=nobody", "PrivateNetwork=yes", "MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "CapabilityBoundingSet="])):
        done = in_sandbox(f"sandbox-{number}-", *properties)
        assert done.returncode == 0, f"{properties}: exit {done.returncode} {done.stderr}"
        arrives(f"sandbox-{number}-")


def stop_and_drop():
    ctl("stop", UNIT)
    assert shown("ActiveState") == "inactive" and shown("Result") == "success"
    send("while-stopped")
    assert os.listdir(DROP)
    hardened = in_sandbox("no-way-in", "User=bob", "NoNewPrivileges=yes")  # whom the setgid helper cannot serve
    ctl("start", UNIT)
    assert hardened.returncode in (69, 73, 75) and b"not sent" in hardened.stderr, (hardened.returncode, hardened.stderr)
    arrives("while-stopped")


def reload_keeps_the_process():
    before = shown("MainPID")
    set_core("core: { hostname: renamed.example.test }\n")
    ctl("reload", UNIT)
    wait_until(lambda: smtplib.SMTP("127.0.0.1", 25).noop() and b"renamed.example.test" in smtplib.SMTP("127.0.0.1", 25).ehlo()[1], 20, log_tail)
    set_core("core: { hostnam: x }\n")
    ctl("reload", UNIT)
    wait_until(lambda: any("hostnam" in json.dumps(event) for event in events("config.refused")), 20, log_tail)
    assert shown("ActiveState") == "active" and shown("MainPID") == before
    os.unlink("/etc/veredus/conf.d/01-test.yaml")
    ctl("reload", UNIT)
    send("after-reload")
    arrives("after-reload")


def restarts_lose_nothing():
    for number in range(24):
        if number % 8 == 4:
            subprocess.Popen(["systemctl", "restart", UNIT])
        send(f"restart-{number}-")
    for number in range(24):
        arrives(f"restart-{number}-", seconds=40)


def kills():
    before, restarts = shown("MainPID"), int(shown("NRestarts"))
    os.kill(events("worker.started")[-1]["pid"], signal.SIGKILL)
    send("worker-killed")
    arrives("worker-killed")
    assert shown("MainPID") == before and int(shown("NRestarts")) == restarts
    os.kill(int(before), signal.SIGKILL)
    wait_until(lambda: shown("MainPID") not in (before, "0") and shown("ActiveState") == "active", 30, log_tail)
    assert int(shown("NRestarts")) == restarts + 1
    left = [pid for pid in os.listdir("/proc") if pid.isdigit() and b"veredusd" in open(f"/proc/{pid}/cmdline", "rb").read() and pid not in open("/sys/fs/cgroup/system.slice/veredus.service/cgroup.procs", encoding="ascii").read().split()]
    assert not left, left
    send("main-killed")
    arrives("main-killed")


def wrong_configuration_is_not_tried_again():
    restarts = shown("NRestarts")
    set_core("core: { hostnam: x }\n")
    ctl("restart", UNIT, check=False)
    wait_state("failed")
    assert shown("ExecMainStatus") == "78" and shown("NRestarts") in ("0", restarts), (shown("ExecMainStatus"), shown("NRestarts"))
    assert "01-test.yaml:1:9" in log_tail() and "did you mean 'hostname'" in log_tail(), log_tail()
    os.unlink("/etc/veredus/conf.d/01-test.yaml")
    ctl("reset-failed", UNIT)
    ctl("start", UNIT)


def sockets_of_the_manager():
    ctl("stop", UNIT)
    ctl("enable", "--now", "veredus.socket")
    with smtplib.SMTP("127.0.0.1", 25, timeout=60) as client:  # starts the service
        client.sendmail("bob@example.test", ["ann@example.test"], "Subject: by-activation\r\n\r\nx\r\n")
    arrives("by-activation")
    assert shown("ActiveState") == "active"
    restart = subprocess.Popen(["systemctl", "restart", UNIT])
    for number in range(10):  # nobody is refused meanwhile
        with smtplib.SMTP("127.0.0.1", 25, timeout=60) as client:
            client.noop()
    assert restart.wait(60) == 0
    ctl("disable", "--now", "veredus.socket")
    ctl("restart", UNIT)
    assert re.search(r"127\.0\.0\.1:25\b", run("ss", "-Hlnt"))


def upgrade_while_it_runs():
    run("/usr/sbin/sendmail", "far@elsewhere.example", user="bob", text="Subject: far\n\nx\n")
    wait_until(queue_ids, 10, log_tail)
    waiting, before = queue_ids(), shown("MainPID")
    install(packages("/packages/next"))
    wait_state("active")
    assert shown("MainPID") != before and queue_ids() == waiting
    install(packages(), "--allow-downgrades")
    wait_state("active")
    assert queue_ids() == waiting
    send("after-upgrade")
    arrives("after-upgrade")
    run("veredus", "queue", "delete", *waiting)


def relay_without_root():
    """As relay-only.conf says: nothing of the service is root."""
    run("veredus", "disable", "local")
    for name in os.listdir("/etc/veredus/conf.d"):
        if "helper-local" in name and name.endswith(".yaml"):
            os.rename(f"/etc/veredus/conf.d/{name}", f"/etc/veredus/conf.d/{name}.off")
    run("install", "-D", "-m", "0644", "/usr/share/doc/veredus/examples/relay-only.conf", "/etc/systemd/system/veredus.service.d/relay-only.conf")
    run("chown", "-R", "veredus:veredus", SPOOL, "/var/lib/veredus")
    ctl("daemon-reload")
    ctl("restart", UNIT)
    assert shown("StatusText") == "accepting mail"
    uids = {os.stat(f"/proc/{pid}").st_uid for pid in open("/sys/fs/cgroup/system.slice/veredus.service/cgroup.procs", encoding="ascii").read().split()}
    assert uids == {pwd.getpwnam("veredus").pw_uid}, uids
    run("/usr/sbin/sendmail", "far@elsewhere.example", user="bob", text="Subject: far\n\nx\n")
    wait_until(queue_ids, 10, log_tail)
    run("veredus", "queue", "delete", *queue_ids())
    print("     " + run("systemd-analyze", "security", "--no-pager", UNIT).strip().splitlines()[-1].lstrip("→ "))
    os.unlink("/etc/systemd/system/veredus.service.d/relay-only.conf")
    ctl("daemon-reload")


def removal_stops_it():
    run("apt-get", "purge", "-y", *[os.path.basename(name).split("_")[0] for name in packages()])
    assert shown("LoadState") in ("not-found", "masked") and shown("ActiveState") == "inactive"
    assert not re.search(r":25\b", run("ss", "-Hlnt"))


STEPS = (system_is_up, installing_starts_it, delivers_as_recipients, callers_in_sandboxes, stop_and_drop, reload_keeps_the_process, restarts_lose_nothing, kills,
         wrong_configuration_is_not_tried_again, sockets_of_the_manager, upgrade_while_it_runs, relay_without_root, removal_stops_it)

if __name__ == "__main__":
    sys.exit(carry_out(STEPS))
